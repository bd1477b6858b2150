"""Is a copied tree the same tree?"""

import os
import stat
from pathlib import Path

import pytest

from sampan.linux.copy_tree import copy_tree


def copied(tmp_path: Path) -> Path:
    """A copy of `source`."""
    target = tmp_path / "target"
    target.mkdir()
    descriptors = [os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in (tmp_path / "source", target)]
    try:
        copy_tree(*descriptors)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    return target


@pytest.mark.needs_root
def test_everything_that_belongs_to_it_comes_along(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "d" / "e").mkdir(parents=True)
    (source / "f").write_text("data")
    os.chown(source / "f", 5, 6)
    (source / "f").chmod(0o4751)
    os.link(source / "f", source / "d" / "hard")
    (source / "link").symlink_to("/etc/passwd")
    os.lchown(source / "link", 7, 8)
    os.mkfifo(source / "pipe")
    os.mknod(source / "null", 0o640 | stat.S_IFCHR, os.makedev(1, 3))
    with open(source / "hole", "wb") as file:
        file.seek(50 << 20)
        file.write(b"end")
    os.setxattr(source / "f", "user.a", b"b")
    (source / "d").chmod(0o1700)
    for path in ("f", "d/e", "d", "."):
        os.utime(source / path, ns=(1_500_000_000, 1_600_000_000))
    target = copied(tmp_path)
    for path in (".", "f", "d", "d/e", "d/hard", "link", "pipe", "null", "hole"):
        one, other = (source / path).lstat(), (target / path).lstat()
        for field in ("st_mode", "st_uid", "st_gid", "st_size", "st_mtime_ns", "st_rdev"):
            if not stat.S_ISDIR(one.st_mode) or field != "st_size":
                assert getattr(one, field) == getattr(other, field), (path, field)
    assert (target / "f").read_text() == "data"
    assert (target / "f").stat().st_ino == (target / "d" / "hard").stat().st_ino
    assert (target / "link").readlink() == Path("/etc/passwd")
    assert os.getxattr(target / "f", "user.a") == b"b"
    assert (target / "hole").stat().st_blocks < 1000


@pytest.mark.needs_root
def test_a_deep_and_crowded_tree(tmp_path: Path) -> None:
    here = tmp_path / "source"
    for _ in range(60):
        here = here / "deep"
    here.mkdir(parents=True)
    for number in range(300):
        (here / str(number)).write_text(str(number))
    target = copied(tmp_path)
    assert len(list(target.rglob("*"))) == 360
    assert (target / Path(*["deep"] * 60) / "7").read_text() == "7"
