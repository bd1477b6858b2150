"""How is an image shown to clients of the API?

Docker's ImageInspect and ImageSummary as plain dictionaries, members in the order in which dockerd writes them. What
changed between API versions is in one table here; everything else is the same for all.
"""

from collections.abc import Mapping
from typing import Any

from sampan.images.image import Image
from sampan.images.moment import NEVER, rfc3339, unix_ns, unix_seconds

Version = tuple[int, int]

# The first version without these members of ImageInspect and ImageSummary.
_WITHOUT_VIRTUAL_SIZE: Version = (1, 44)
_WITHOUT_CONTAINER: Version = (1, 45)
_WITHOUT_CONTAINER_MEMBERS: Version = (1, 50)
_WITHOUT_UNSET_CONFIG: Version = (1, 52)
# Before it, an image without names was listed as <none>:<none>.
_WITHOUT_NONE: Version = (1, 43)

# Config as dockerd 20.10 to 28 fill it: a container's config, though an image never says most of this.
_CONTAINER_CONFIG: tuple[tuple[str, Any], ...] = (
    ("Hostname", ""),
    ("Domainname", ""),
    ("User", ""),
    ("AttachStdin", False),
    ("AttachStdout", False),
    ("AttachStderr", False),
    ("ExposedPorts", ...),
    ("Tty", False),
    ("OpenStdin", False),
    ("StdinOnce", False),
    ("Env", None),
    ("Cmd", None),
    ("Healthcheck", ...),
    ("ArgsEscaped", ...),
    ("Image", ""),
    ("Volumes", None),
    ("WorkingDir", ""),
    ("Entrypoint", None),
    ("NetworkDisabled", ...),
    ("MacAddress", ...),
    ("OnBuild", None),
    ("Labels", None),
    ("StopSignal", ...),
    ("StopTimeout", ...),
    ("Shell", ...),
)
_IMAGE_CONFIG_ALWAYS: tuple[tuple[str, Any], ...] = (
    ("Cmd", None),
    ("Entrypoint", None),
    ("Env", None),
    ("Labels", None),
    ("OnBuild", None),
    ("User", ""),
    ("Volumes", None),
    ("WorkingDir", ""),
)
_IMAGE_CONFIG = frozenset(
    {"ArgsEscaped", "ExposedPorts", "Healthcheck", "Shell", "StopSignal"} | {name for name, _ in _IMAGE_CONFIG_ALWAYS}
)


def inspect(image: Image, *, version: Version = (1, 51), driver: str = "overlay2") -> dict[str, Any]:
    """Docker's ImageInspect as a client of API `version` expects it."""
    document = image.config.document
    shown: dict[str, Any] = {
        "Id": image.id,
        "RepoTags": image.repo_tags,
        "RepoDigests": image.repo_digests,
        "Parent": image.parent,
        "Comment": image.config.comment or next((step.comment for step in image.config.history[-1:]), ""),
    }
    if image.created or version < _WITHOUT_VIRTUAL_SIZE:
        shown["Created"] = _go_time(image.created)
    if version < _WITHOUT_CONTAINER:
        shown["Container"] = document.get("container") or ""
        shown["ContainerConfig"] = _container_config(document.get("container_config") or {})
    shown["DockerVersion"] = image.config.docker_version
    shown["Author"] = image.config.author
    shown["Config"] = _config(document.get("config"), version)
    shown["Architecture"] = document.get("architecture") or ""
    for member, name in (("variant", "Variant"), ("os", "Os"), ("os.version", "OsVersion")):
        if name == "Os" or document.get(member):
            shown[name] = document.get(member) or ""
    shown["Size"] = image.size
    if version < _WITHOUT_VIRTUAL_SIZE:
        shown["VirtualSize"] = image.size
    shown["GraphDriver"] = {"Data": None, "Name": driver}
    shown["RootFS"] = {"Type": "layers"} | ({"Layers": list(image.diff_ids)} if image.diff_ids else {})
    shown["Metadata"] = {"LastTagTime": rfc3339(image.tagged_ns) if image.tagged_ns else NEVER}
    return shown


def summary(image: Image, *, version: Version = (1, 51), containers: int = -1, shared_size: int = -1) -> dict[str, Any]:
    """Docker's ImageSummary; -1 says that something was not counted."""
    tags: list[str] | None = image.repo_tags
    digests: list[str] | None = image.repo_digests
    if version < _WITHOUT_NONE:
        if not tags and not digests:
            tags, digests = ["<none>:<none>"], ["<none>@<none>"]
        tags, digests = tags or None, digests or None
    labels = image.config.run.labels
    shown: dict[str, Any] = {
        "Containers": containers,
        "Created": unix_seconds(image.created) if image.created else unix_seconds(NEVER),
        "Id": image.id,
        "Labels": dict(sorted(labels.items())) if labels is not None else None,
        "ParentId": image.parent,
        "RepoDigests": digests,
        "RepoTags": tags,
        "SharedSize": shared_size,
        "Size": image.size,
    }
    if version < _WITHOUT_VIRTUAL_SIZE:
        shown["VirtualSize"] = image.size
    return shown


def _go_time(text: str) -> str:
    return rfc3339(unix_ns(text)) if text else NEVER


def _config(config: Mapping[str, Any] | None, version: Version) -> dict[str, Any] | None:
    if version < _WITHOUT_CONTAINER_MEMBERS:
        return None if config is None else _container_config(config)
    said = {name: _sorted(value) for name, value in (config or {}).items() if name in _IMAGE_CONFIG and value}
    if version < _WITHOUT_UNSET_CONFIG:
        said = dict(_IMAGE_CONFIG_ALWAYS) | said
    return dict(sorted(said.items()))


def _container_config(config: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, default in _CONTAINER_CONFIG:
        value = config.get(name)
        if default is not ...:
            shown[name] = default if value is None else _sorted(value)
        elif value:
            shown[name] = _sorted(value)
    return shown


def _sorted(value: Any) -> Any:
    # Go writes maps in the order of their keys; a struct such as Healthcheck keeps the order of its members.
    if isinstance(value, dict) and "Test" not in value:
        return dict(sorted(value.items()))
    return value
