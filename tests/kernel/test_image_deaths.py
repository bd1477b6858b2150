"""Killed at any system call that changes something, is an image there as a whole or not at all?

The work runs in a process that strace kills at the Nth call of a kind. What a new process finds then must be sound, the
same work must succeed, and when all images are gone nothing may be left on the disk. The suite tries a sample; the soak
tries every call.
"""

import io
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kernel.image_work import opened, work
from sampan.images.images import Images
from sampan.images.verify import verify
from unit.images.crafted import config, layer, make_tar, old_docker_archive

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace (Debian: strace)"),
]

CALLS = ("rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "fsync", "fdatasync", "pwrite64",
         "write", "ftruncate", "rmdir", "openat")  # fmt: skip
SAMPLE = {
    "load": (("renameat", 1), ("rename", 1), ("fsync", 2), ("pwrite64", 3), ("write", 5)),
    "commit": (("renameat", 1), ("fsync", 1), ("pwrite64", 4)),
    "prune": (("renameat", 1), ("unlinkat", 2), ("pwrite64", 2)),
}
MOST = 400


def prepare(root: Path, kind: str) -> str:
    """What the work needs; its argument."""
    images = opened(root)
    images.import_tar(io.BytesIO(layer("base")), "base")
    argument = root / "argument"
    if kind == "load":
        layers = [layer("one" * 1000), layer("two")]
        argument.write_bytes(make_tar(old_docker_archive(layers, config(layers), ["made:latest"])))
    elif kind == "commit":
        (argument / "directory").mkdir(parents=True)
        (argument / "directory" / "file").write_bytes(b"changed" * 1000)
    else:
        images.import_tar(io.BytesIO(layer("another")), "made")
    close(images)
    return str(argument)


def close(images: Images) -> None:
    images.store.layers.close()  # type: ignore[attr-defined]  # the protocol has no need of it
    images.store.database.close()


def killed(root: Path, kind: str, argument: str, call: str, number: int) -> bool:
    """Do the work and be killed at one call; whether it came to that."""
    script = str(Path(__file__).with_name("image_work.py"))
    worker = subprocess.Popen(
        [sys.executable, script, kind, str(root), argument], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert worker.stdin and worker.stdout and worker.stdout.readline() == "ready\n"
    inject = ["-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}"]
    strace = subprocess.Popen(
        ["strace", "-f", "-o", "/dev/null", *inject, "-p", str(worker.pid)], stderr=subprocess.PIPE, text=True
    )
    assert strace.stderr and "attached" in strace.stderr.readline()
    said, _ = worker.communicate("go\n", timeout=60)
    strace.communicate(timeout=60)
    return said != "done\n"


def found_sound(root: Path, kind: str, argument: str) -> None:
    """What the next process finds: nothing by halves, and the work can be done."""
    images = opened(root)
    try:
        broken = [finding for finding in verify(images.store, images.all()) if not finding.is_sound]
        assert not broken, "an image is listed of which something is missing"
        work(images, kind, argument)
        names = {name for image in images.all() for name in image.repo_tags}
        assert names == (set() if kind == "prune" else {"base:latest", "made:latest"})
        assert all(finding.is_sound for finding in verify(images.store, images.all()))
        for image in sorted(images.all(), key=lambda image: -len(image.config.history)):  # children first
            images.remove(image.id, force=True)
        images.sweep()
        left = [path for part in ("layers", "content") for path in (root / part).rglob("*") if path.is_file()]
        assert not left, "files that belong to no image"
    finally:
        close(images)


def tried(root: Path, kind: str, call: str, number: int) -> bool:
    """One death and what comes after it; whether there was one."""
    if root.exists():
        shutil.rmtree(root)
    root.mkdir()
    argument = prepare(root, kind)
    died = killed(root, kind, argument, call, number)
    found_sound(root, kind, argument)
    return died


@pytest.mark.parametrize("kind", SAMPLE)
def test_a_sample_of_deaths(tmp_path: Path, kind: str) -> None:
    deaths = [tried(tmp_path / "root", kind, call, number) for call, number in SAMPLE[kind]]
    assert all(deaths), f"no such call any more: {[c for c, d in zip(SAMPLE[kind], deaths, strict=True) if not d]}"


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", SAMPLE)
def test_every_death(tmp_path: Path, kind: str, call: str) -> None:
    for number in range(1, MOST):
        if not tried(tmp_path / "root", kind, call, number):
            return
    pytest.fail(f"more than {MOST} calls of {call}")
