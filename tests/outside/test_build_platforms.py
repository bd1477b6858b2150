"""Do builds for several platforms, and caches, reach other engines through a registry and an OCI layout?"""

import hashlib
import json
import os
import platform
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import prepare
from docker_registry import PROGRAM, DockerRegistry
from engine import Engine
from expect import IMAGE, OUTSIDE, says

pytestmark = [
    pytest.mark.skipif(PROGRAM is None, reason="needs docker-registry (Debian has it)"),
    pytest.mark.skipif(bool(OUTSIDE), reason="the registry is beside an engine that the test started"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it makes containers"),
]
HERE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
# Two that no machine of the tests runs by itself, and this one.
OTHERS = ("s390x", "ppc64le")
PLATFORMS = f"linux/{OTHERS[0]},linux/{HERE},linux/{OTHERS[1]}"
ARGUMENTS = "ARG TARGETPLATFORM TARGETARCH BUILDPLATFORM\n"
SPDX = "https://spdx.dev/Document"
PROVENANCE = "https://slsa.dev/provenance/v1"


@pytest.fixture(scope="module")
def shared(image_tar: Path) -> Iterator[tuple[Engine, DockerRegistry]]:
    engine = Engine()
    registry = None
    try:
        engine.start()
        prepare(engine, image_tar)
        registry = DockerRegistry(engine, 5000)
        yield engine, registry
    finally:
        if registry is not None:
            registry.close()
        found = engine.close()
    assert not found, f"the engine left behind: {found}"


def context_of(directory: Path, text: str) -> str:
    directory.mkdir(exist_ok=True)
    (directory / "Dockerfile").write_text(text)
    for name in (HERE, *OTHERS):
        (directory / f"for-{name}").write_text(name + "\n")
    return str(directory)


class Layout:
    """An OCI layout, every blob of which is what its name says."""

    def __init__(self, path: Path) -> None:
        with tarfile.open(path) as tar:
            files = {each.name: tar.extractfile(each).read() for each in tar if each.isreg()}  # type: ignore[union-attr]
        self.blobs = {f"sha256:{name.rpartition('/')[2]}": data for name, data in files.items() if "/sha256/" in name}
        for digest, data in self.blobs.items():
            assert digest == "sha256:" + hashlib.sha256(data).hexdigest()
        self.top = json.loads(files["index.json"])

    def document(self, descriptor: dict[str, Any]) -> Any:
        data = self.blobs[descriptor["digest"]]
        assert len(data) == descriptor["size"]
        return json.loads(data)

    def index(self) -> Any:
        (only,) = self.top["manifests"]
        assert only["mediaType"] == "application/vnd.oci.image.index.v1+json"
        return self.document(only)


def test_several_platforms_become_one_index(shared: tuple[Engine, DockerRegistry], tmp_path: Path) -> None:
    engine, registry = shared
    base, app = f"{registry.host}/base:1", f"{registry.host}/app:1"
    text = f"FROM scratch\n{ARGUMENTS}COPY for-$TARGETARCH /arch\nLABEL for=$TARGETPLATFORM on=$BUILDPLATFORM\n"
    done = engine.sampan(
        "build", "-q", "--platform", PLATFORMS, "--push", "-t", base, context_of(tmp_path / "base", text)
    )
    assert done.code == 0, done.stdout + done.stderr
    shown = json.loads(engine.sampan("manifest", "inspect", "--insecure", base).stdout)
    assert [each["platform"]["architecture"] for each in shown["manifests"]] == [*OTHERS, HERE]
    kept = json.loads(engine.docker("image", "inspect", base).stdout)[0]
    assert (kept["Architecture"], kept["Config"]["Labels"]) == (
        HERE, {"for": f"linux/{HERE}", "on": f"linux/{HERE}"},
    )  # fmt: skip

    # Each platform stands on the base's image for it, pulled; what is for the builder's runs here.
    text = (
        f"FROM --platform=$BUILDPLATFORM {IMAGE} AS made\n{ARGUMENTS}RUN echo made for $TARGETARCH > /made\n"
        f"FROM {base}\nCOPY --from=made /made /made\nCOPY <<END /var/lib/dpkg/status\nPackage: curl\n"
        "Status: install ok installed\nVersion: 7.88\nArchitecture: all\nEND\n"
    )
    archive, context = tmp_path / "app.tar", context_of(tmp_path / "app", text)
    done = engine.sampan(
        "build", "-q", "--platform", PLATFORMS, "--provenance", "mode=max", "--sbom", "true", "--build-arg", "N=1",
        "--build-arg", "HTTP_PROXY=http://me:hunter2@p",
        "-o", f"type=oci,dest={archive}", "--push", "-t", app, "--metadata-file", str(tmp_path / "told"), context,
    )  # fmt: skip
    assert done.code == 0, done.stdout + done.stderr
    told = json.loads((tmp_path / "told").read_text())
    assert told.keys() == {"containerimage.digest", "image.name"} and told["image.name"] == app
    index = engine.sampan(
        "manifest", "inspect", "--insecure", f"{app.rpartition(':')[0]}@{told['containerimage.digest']}"
    )
    assert len(json.loads(index.stdout)["manifests"]) == 6, "the digest is that of the index in the registry"
    layout = Layout(archive)
    assert layout.top["manifests"][0]["annotations"]["io.containerd.image.name"] == app
    manifests = layout.index()["manifests"]
    images, about = manifests[:3], manifests[3:]
    for entry, name in zip(images, (*OTHERS, HERE), strict=True):
        manifest = layout.document(entry)
        config = layout.document(manifest["config"])
        assert (entry["platform"]["architecture"], config["architecture"]) == (name, name)
        assert config["config"]["Labels"]["for"] == f"linux/{name}"
        layers = [layout.blobs[each["digest"]] for each in manifest["layers"]]
        assert f"{name}\n".encode() in layers[0]
        assert f"made for {name}\n".encode() in layers[1]
    for entry, subject in zip(about, images, strict=True):
        assert entry["platform"] == {"architecture": "unknown", "os": "unknown"}
        assert entry["annotations"] == {
            "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": subject["digest"],
        }  # fmt: skip
        layer, listed = layout.document(entry)["layers"]
        assert listed["annotations"] == {"in-toto.io/predicate-type": SPDX}
        document = layout.document(listed)["predicate"]
        assert [(each["name"], each["versionInfo"]) for each in document["packages"]][1:] == [("curl", "7.88")]
        assert layer["mediaType"] == "application/vnd.in-toto+json"
        assert layer["annotations"] == {"in-toto.io/predicate-type": PROVENANCE}
        statement = layout.document(layer)
        assert statement["predicateType"] == PROVENANCE
        assert statement["subject"][0]["digest"] == {"sha256": subject["digest"].removeprefix("sha256:")}
        build = statement["predicate"]["buildDefinition"]
        assert build["externalParameters"]["request"]["args"] == {"build-arg:N": "1"}
        used = {each["uri"].partition("?")[0]: each for each in build["resolvedDependencies"]}
        assert used[f"pkg:docker/{registry.host}/base@1"]["digest"]["sha256"]

    assert not any(b"hunter2" in blob for blob in layout.blobs.values())

    # The registry has the same, and so does an engine that pulls it.
    shown = json.loads(engine.sampan("manifest", "inspect", "--insecure", app).stdout)
    assert [each["platform"]["architecture"] for each in shown["manifests"]] == [*OTHERS, HERE, *["unknown"] * 3]
    for name in (app, base):
        assert engine.docker("rmi", "-f", name).code == 0
    for wanted in (OTHERS[0], HERE):
        assert engine.docker("pull", "-q", "--platform", f"linux/{wanted}", app).code == 0
        assert engine.docker("image", "inspect", "-f", "{{.Architecture}}", app).stdout == f"{wanted}\n"
    engine.docker("rmi", "-f", app)
    says(engine.sampan("load", "-i", str(archive)), f"Loaded image: {app}\n")
    assert engine.docker("image", "inspect", "-f", "{{.Architecture}}", app).stdout == f"{HERE}\n"

    # What cannot be is said.
    context_of(tmp_path / "app", f'FROM {base}\nRUN ["/x"]\n')
    done = engine.sampan("build", "--platform", f"linux/{OTHERS[0]}", context)
    assert done.code == 1
    assert f"RUN for linux/{OTHERS[0]}" in done.stderr
    assert "binfmt_misc" in done.stderr
    before = engine.docker("images", "-aq").stdout
    context_of(tmp_path / "app", f"FROM scratch\n{ARGUMENTS}COPY for-$TARGETARCH /a\nCOPY $TARGETARCH/none /b\n")
    (tmp_path / "app" / OTHERS[0]).mkdir()
    (tmp_path / "app" / OTHERS[0] / "none").write_text("only here\n")
    done = engine.sampan("build", "--platform", PLATFORMS, context)
    assert done.code == 1
    assert engine.docker("images", "-aq").stdout == before, "an image of a build that failed is here"
    for flags, sentence in (
        (("--provenance", "true"), "attestations go beside an image"),
        (("--attest", "type=other"), "its type is provenance or sbom"),
        (("--sbom", "generator=x"), "generators are not supported"),
        (("--platform", PLATFORMS, "-o", f"type=docker,dest={tmp_path}/out"), "is of one platform"),
    ):
        done = engine.sampan("build", *flags, context)
        assert (done.code, sentence in done.stderr) == (1, True), done.stderr


def test_a_cache_in_a_registry_makes_another_engine_find_every_step(
    shared: tuple[Engine, DockerRegistry], image_tar: Path, tmp_path: Path
) -> None:
    engine, registry = shared
    name, cache = f"{registry.host}/cached:1", f"{registry.host}/cached:cache"
    context = context_of(
        tmp_path / "x",
        f"FROM {IMAGE} AS made\nRUN echo 1 > /one\nRUN echo 2 > /two\n"
        f"FROM {IMAGE}\nCOPY --from=made /two /two\nRUN echo 3 > /three\n",
    )
    flags = ("build", "--progress", "plain", "-t", name, "--cache-to", f"type=registry,ref={cache}")
    done = engine.sampan(*flags, "--push", context)
    assert done.code == 0, done.stdout + done.stderr
    assert "cache" not in engine.docker("images", "--format", "{{.Tag}}").stdout
    layers = engine.docker("image", "inspect", "-f", "{{.RootFS.Layers}}", name).stdout
    fresh = Engine()
    try:
        fresh.start()
        prepare(fresh, image_tar)
        mine = DockerRegistry(fresh, 5000, data=registry.root / "data")
        try:
            again = fresh.sampan(
                "build", "--progress", "plain", "-t", name, "--cache-from", f"type=registry,ref={cache}", context
            )
            assert again.code == 0, again.stderr
            assert (again.stdout.count("Using cache"), again.stdout.count("Running in")) == (4, 0), again.stdout
            assert fresh.docker("image", "inspect", "-f", "{{.RootFS.Layers}}", name).stdout == layers
        finally:
            mine.close()
    finally:
        found = fresh.close()
    assert not found, f"the engine left behind: {found}"
