"""What if the engine dies in the middle of a pull or a push, or its disk is full? Nothing half is listed or kept."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from archives import docker_archive, file, tar
from conftest import prepare
from docker_registry import PROGRAM, DockerRegistry
from engine import Engine, eventually
from expect import IMAGE, OUTSIDE, says

pytestmark = [
    pytest.mark.skipif(PROGRAM is None, reason="needs docker-registry (Debian has it)"),
    pytest.mark.skipif(bool(OUTSIDE), reason="only an engine that the test started may be killed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it makes containers"),
]
MEGABYTE = 1 << 20
BIG = 40 * MEGABYTE


@pytest.fixture
def pair(image_tar: Path) -> Iterator[tuple[Engine, DockerRegistry]]:
    """An engine and a registry beside it."""
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


def load_big(engine: Engine, name: str, image_tar: Path, size: int = BIG) -> None:
    """An image with a layer that takes its time."""
    path = engine.root / "big.tar"
    path.write_bytes(docker_archive(name, [image_tar.read_bytes(), tar([file("blob", os.urandom(size))])]))
    says(engine.docker("load", "-i", str(path)), ".*")
    path.unlink()


def layers(engine: Engine) -> set[str]:
    """What is in the layer store."""
    return set(os.listdir(engine.data_root / "layers"))


def blobs(engine: Engine) -> set[str]:
    """What is in the content store, complete or not."""
    return {path.name for path in (engine.data_root / "content").rglob("*") if path.is_file()}


def comes_in(partial: Path, pulling: "subprocess.Popen[bytes]") -> None:
    """Wait until the middle of a pull, or its end."""

    def is_in_the_middle() -> bool:
        return any(each.stat().st_size > MEGABYTE for each in partial.iterdir()) or pulling.poll() is not None

    eventually(is_in_the_middle)


def test_killed_in_the_middle_of_a_pull(pair: tuple[Engine, DockerRegistry], image_tar: Path) -> None:
    """C22, C24."""
    engine, registry = pair
    name = f"{registry.host}/big:1"
    before = layers(engine), blobs(engine)
    load_big(engine, name, image_tar)
    whole = engine.docker("image", "inspect", "-f", "{{.Id}}", name).stdout
    says(engine.docker("push", "-q", name), f"{name}\n")
    engine.docker("rmi", name)
    assert (layers(engine), blobs(engine)) == before
    partial = engine.data_root / "content" / "partial"
    for _ in range(3):
        pulling = engine.spawn("pull", name)
        comes_in(partial, pulling)
        engine.kill()
        pulling.communicate(timeout=30)
        engine.start()
        if engine.docker("images", "-q", name).stdout:
            engine.docker("rmi", name)  # it was faster than we
            continue
        assert eventually(lambda: layers(engine) == before[0]), "the sweep leaves no layer that nobody has"
        assert blobs(engine) - before[1] <= {each.name for each in partial.iterdir()}
        break
    says(engine.docker("pull", "-q", name), f"{name}\n")
    assert engine.docker("image", "inspect", "-f", "{{.Id}}", name).stdout == whole
    says(engine.docker("run", "--rm", "--network", "none", name, "stat", "-c", "%s", "/blob"), f"{BIG}\n")
    assert not list(partial.iterdir())
    engine.docker("rmi", name)
    assert (layers(engine), blobs(engine)) == before


def test_killed_in_the_middle_of_a_push(pair: tuple[Engine, DockerRegistry], image_tar: Path) -> None:
    engine, registry = pair
    name = f"{registry.host}/big:1"
    load_big(engine, name, image_tar)
    pushing = engine.spawn("push", name)
    begun = registry.root / "data"
    eventually(
        lambda: any(each.stat().st_size for each in begun.rglob("_uploads/*/data")) or pushing.poll() is not None
    )
    engine.kill()
    pushing.communicate(timeout=30)
    manifests = list(begun.rglob("_manifests/tags/*"))
    engine.start()
    assert manifests == [] or len(manifests) == 1
    says(engine.docker("push", "-q", name), f"{name}\n")
    whole = engine.docker("image", "inspect", "-f", "{{.Id}}", name).stdout
    engine.docker("rmi", name)
    says(engine.docker("pull", "-q", name), f"{name}\n")
    assert engine.docker("image", "inspect", "-f", "{{.Id}}", name).stdout == whole


def test_a_client_that_leaves_ends_its_pull(pair: tuple[Engine, DockerRegistry], image_tar: Path) -> None:
    engine, registry = pair
    name = f"{registry.host}/big:1"
    load_big(engine, name, image_tar)
    says(engine.docker("push", "-q", name), f"{name}\n")
    engine.docker("rmi", name)
    before = layers(engine)
    partial = engine.data_root / "content" / "partial"
    pulling = engine.spawn("pull", name)
    eventually(lambda: any(each.stat().st_size > MEGABYTE for each in partial.iterdir()) or pulling.poll() is not None)
    pulling.kill()
    pulling.communicate(timeout=30)
    listed = engine.docker("images", "-q", name).stdout
    assert listed or eventually(lambda: layers(engine) == before), "the transfer goes on although nobody wants it"
    says(engine.docker("pull", "-q", name), f"{name}\n")


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare (util-linux)")
def test_a_small_disk_that_fills_up(image_tar: Path) -> None:
    """C24: a clear error, and the space is given back."""
    engine = Engine()
    registry = None
    engine.data_root.mkdir()
    mount = f'mount -t tmpfs -o size=64m,mode=710 none {engine.data_root} && exec "$@"'
    try:
        engine.start("unshare", "-m", "sh", "-c", mount, "sh")
        prepare(engine, image_tar)
        registry = DockerRegistry(engine, 5000)
        small, big = f"{registry.host}/small:1", f"{registry.host}/big:1"
        other = Engine()
        try:
            # The image is made where there is room, and brought to the registry from there.
            other.start()
            load_big(other, big, image_tar, 50 * MEGABYTE)
            push_across(other, engine, registry, big)
        finally:
            assert other.close() == []
        engine.docker("tag", IMAGE, small)
        says(engine.docker("push", "-q", small), f"{small}\n")
        engine.docker("rmi", small)
        inside = Path(f"/proc/{engine.pid}/root{engine.data_root}")
        free = os.statvfs(inside).f_bavail
        for _ in range(2):
            pulled = engine.docker("pull", big)
            assert pulled.code == 1
            assert "no space left on device" in pulled.stderr, pulled
            assert engine.docker("images", "-q", big).stdout == ""
            assert eventually(lambda: os.statvfs(inside).f_bavail >= free - 512), (free, os.statvfs(inside).f_bavail)
        says(engine.docker("pull", "-q", small), f"{small}\n")
        says(engine.docker("run", "--rm", "--network", "none", small, "echo", "alive"), "alive\n")
    finally:
        if registry is not None:
            registry.close()
        found = engine.close()
    assert not found, f"the engine left behind: {found}"


def push_across(maker: Engine, engine: Engine, registry: DockerRegistry, name: str) -> None:
    """Have `maker` push to a registry of its own over the same storage."""
    own = DockerRegistry(maker, 5000)
    try:
        says(maker.docker("push", "-q", name), f"{name}\n")
        subprocess.run(["cp", "-a", f"{own.root}/data/.", f"{registry.root}/data/"], check=True)
    finally:
        own.close()
