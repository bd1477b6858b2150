"""What does an image say about how it is run and how it was made?

The image config (image-spec config.md) with the members that Docker adds. An image is *named* by the digest of these
bytes, so they are kept exactly as they came; the typed view here serves reading, and members that nobody here knows
survive in `data`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sampan.errors import InvalidRequest
from sampan.oci.digest import Digest, digest_of, is_digest
from sampan.oci.fields import Fields
from sampan.oci.manifest import MAX_LAYERS
from sampan.oci.platform import Platform, normalize
from sampan.oci.strict import decode


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """How to find out whether a container is well. Durations in nanoseconds, 0 where the default holds."""

    test: tuple[str, ...]
    interval_ns: int = 0
    timeout_ns: int = 0
    start_period_ns: int = 0
    start_interval_ns: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class RunConfig:
    """The defaults of a container made from the image. None means that the image does not say."""

    user: str = ""
    exposed_ports: tuple[str, ...] = ()
    env: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    volumes: tuple[str, ...] = ()
    working_dir: str = ""
    labels: Mapping[str, str] | None = None
    stop_signal: str = ""
    stop_timeout_seconds: int | None = None
    healthcheck: Healthcheck | None = None
    on_build: tuple[str, ...] | None = None
    shell: tuple[str, ...] | None = None
    args_escaped: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """One step of how the image was made; `created` is RFC 3339 text as the image has it."""

    created: str = ""
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """An image config: `data` is the document, `document` its decoded value (not to be changed)."""

    data: bytes
    document: Mapping[str, Any]
    platform: Platform
    run: RunConfig
    diff_ids: tuple[Digest, ...]
    history: tuple[History, ...] = ()
    created: str = ""
    author: str = ""
    comment: str = ""
    docker_version: str = ""

    @property
    def digest(self) -> Digest:
        """The image ID."""
        return digest_of(self.data)


def parse_config(data: bytes) -> ImageConfig:
    """The image config in `data`. Raises InvalidRequest, naming the member that is wrong."""
    document = decode(data, what="image config")
    fields = Fields(document, "image config")
    for name in ("architecture", "os", "variant", "created", "author", "comment", "docker_version"):
        fields.text(name)
    return ImageConfig(
        data=data,
        document=document,
        platform=normalize(fields.text("os"), fields.text("architecture"), fields.text("variant")),
        run=_run_config(fields.inner("config")),
        diff_ids=_diff_ids(fields),
        history=tuple(_history(item) for item in fields.items("history")),
        created=fields.text("created"),
        author=fields.text("author"),
        comment=fields.text("comment"),
        docker_version=fields.text("docker_version"),
    )


def _diff_ids(fields: Fields) -> tuple[Digest, ...]:
    rootfs = fields.inner("rootfs")
    if rootfs is None:
        raise InvalidRequest("invalid image JSON, no RootFS key")
    if rootfs.text("type", "layers") != "layers":
        raise rootfs.error("type", 'must be "layers"')
    diff_ids = rootfs.texts("diff_ids") or ()
    for diff_id in diff_ids:
        if not is_digest(diff_id):
            raise rootfs.error("diff_ids", f"holds no digest: {diff_id[:80]!r}")
    if len(diff_ids) > MAX_LAYERS:
        raise rootfs.error("diff_ids", f"has {len(diff_ids)} entries, at most {MAX_LAYERS} are possible")
    return diff_ids


def _history(fields: Fields) -> History:
    return History(
        fields.text("created"),
        fields.text("created_by"),
        fields.text("author"),
        fields.text("comment"),
        fields.flag("empty_layer"),
    )


def _run_config(fields: Fields | None) -> RunConfig:
    if fields is None:
        return RunConfig()
    return RunConfig(
        user=fields.text("User"),
        exposed_ports=fields.names("ExposedPorts") or (),
        env=fields.texts("Env"),
        entrypoint=fields.words("Entrypoint"),
        cmd=fields.words("Cmd"),
        volumes=fields.names("Volumes") or (),
        working_dir=fields.text("WorkingDir"),
        labels=fields.mapping("Labels"),
        stop_signal=fields.text("StopSignal"),
        stop_timeout_seconds=fields.number("StopTimeout"),
        healthcheck=_healthcheck(fields.inner("Healthcheck")),
        on_build=fields.texts("OnBuild"),
        shell=fields.words("Shell"),
        args_escaped=fields.flag("ArgsEscaped"),
    )


def _healthcheck(fields: Fields | None) -> Healthcheck | None:
    if fields is None:
        return None
    return Healthcheck(
        fields.words("Test") or (),
        fields.number("Interval") or 0,
        fields.number("Timeout") or 0,
        fields.number("StartPeriod") or 0,
        fields.number("StartInterval") or 0,
        fields.number("Retries") or 0,
    )
