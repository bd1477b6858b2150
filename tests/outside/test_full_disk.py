"""A disk of 64 MB that fills up: is it said clearly, is nothing listed by halves, does the space come back?"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from archives import docker_archive, file, tar
from engine import Engine
from expect import IMAGE, OUTSIDE, says

pytestmark = [pytest.mark.needs_root, pytest.mark.skipif(bool(OUTSIDE), reason="fills the engine's disk")]
FULL = "no space left on device"
MB = 1 << 20


@pytest.fixture(scope="module")
def small(image_tar: Path) -> Iterator[Engine]:
    """An engine whose data root is a filesystem of 64 MB, in a mount namespace of its own."""
    engine = Engine()
    engine.data_root.mkdir()
    script = f'mount -t tmpfs -o size=64m none {engine.data_root} && exec "$@"'
    try:
        engine.start("unshare", "-m", "sh", "-c", script, "sh")
        assert engine.docker("import", "--change", 'CMD ["sh"]', str(image_tar), IMAGE).code == 0
        yield engine
    finally:
        found = engine.close()
    assert not found, f"the engine left behind: {found}"


def used(engine: Engine) -> int:
    """Bytes in use on the engine's disk."""
    found = os.statvfs(f"/proc/{engine.pid}/root{engine.data_root}")
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def archive(path: Path, name: str, size: int) -> str:
    """An archive of an image with one file of so many bytes that do not compress."""
    path.write_bytes(docker_archive(name, [tar([file("big", os.urandom(size))])]))
    return str(path)


def test_load_and_import_that_do_not_fit(small: Engine, tmp_path: Path) -> None:
    before = used(small)
    images = small.docker("images", "-aq").stdout
    large = archive(tmp_path / "large.tar", "large:1", 80 * MB)
    says(small.docker("load", "-i", large), ".*", err=FULL, code=1)
    says(small.docker("import", large), ".*", err=FULL, code=1)
    assert small.docker("images", "-aq").stdout == images
    assert used(small) <= before + MB, "the space was given back"
    fits = archive(tmp_path / "fits.tar", "fits:1", 15 * MB)
    says(small.docker("load", "-i", fits), "Loaded image: fits:1\n")
    assert small.docker("rmi", "fits:1").code == 0
    assert used(small) <= before + MB


def test_a_commit_that_does_not_fit(small: Engine) -> None:
    before = used(small)
    fill = "dd if=/dev/urandom of=/big bs=1048576 count=25"
    assert small.docker("run", "--name", "full", "--network", "none", IMAGE, "sh", "-c", fill).code == 0
    says(small.docker("commit", "full", "full:1"), err=FULL, code=1)
    assert "full" not in small.docker("images").stdout
    assert small.docker("rm", "full").code == 0
    assert used(small) <= before + MB
    says(small.docker("run", "--name", "again", "--network", "none", IMAGE, "touch", "/x"))
    says(small.docker("commit", "again", "again:1"), "sha256:.*")
    small.docker("rm", "again")
    small.docker("rmi", "again:1")
    assert subprocess.run(["kill", "-0", str(small.pid)], check=False).returncode == 0


@pytest.mark.parametrize("step", ["a context", "a copy", "a command"])
def test_a_build_that_does_not_fit(small: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    monkeypatch.setenv("DOCKER_BUILDKIT", "0")
    before, images = used(small), small.docker("images", "-aq").stdout
    size = {"a context": 80 * MB, "a copy": 35 * MB, "a command": 1}[step]
    (tmp_path / "big").write_bytes(os.urandom(size))
    fill = "RUN dd if=/dev/urandom of=/big bs=1048576 count=80\n" if step == "a command" else ""
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN echo kept > /kept\nCOPY big /\n{fill}")
    said = small.docker("build", "-t", "full", str(tmp_path))
    assert said.code != 0 and FULL in (said.stdout + said.stderr).lower(), said
    assert small.docker("images", "-aq").stdout == images
    assert used(small) <= before + MB, "the space was given back"
    (tmp_path / "big").write_bytes(b"small")
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN echo kept > /kept\nCOPY big /\n")
    done = small.docker("build", "-t", "fits", str(tmp_path))
    assert (done.code, "Using cache" in done.stdout) == (0, step != "a context"), done
    assert small.docker("rmi", "fits").code == 0
    assert small.docker("builder", "prune", "-af").code == 0
