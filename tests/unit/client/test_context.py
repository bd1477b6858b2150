"""What of a directory goes to the engine, and how?"""

import io
import os
import socket
import tarfile
from pathlib import Path

import pytest

from sampan.client.context import Context
from sampan.errors import InvalidRequest


def sent(context: Context) -> dict[str, tarfile.TarInfo]:
    """The members of the tar, by name."""
    data = b"".join(context.pieces())
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as archive:
        return {member.name: member for member in archive.getmembers()}


def test_everything_goes_as_it_is_but_owners(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir(mode=0o750)
    (tmp_path / "dir" / "file").write_text("x" * 1000)
    (tmp_path / "dir" / "file").chmod(0o640)
    os.symlink("../nowhere", tmp_path / "link")
    os.link(tmp_path / "dir" / "file", tmp_path / "hard")
    os.mkfifo(tmp_path / "fifo")
    odd = os.path.join(os.fsencode(tmp_path), b"odd-\xff\xfe name")
    with open(odd, "wb") as file:
        file.write(b"odd")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "sock"))
        found = sent(Context(str(tmp_path)))
    assert set(found) == {"dir", "dir/file", "link", "hard", "fifo", os.fsdecode(b"odd-\xff\xfe name")}
    assert found["dir"].mode == 0o750
    assert (found["hard"].size, found["hard"].mode) == (1000, 0o640)
    assert found["link"].linkname == "../nowhere"
    assert found["dir/file"].islnk() and found["dir/file"].linkname == "hard", "its second name"
    assert found["fifo"].isfifo()
    assert {(member.uid, member.gid, member.uname) for member in found.values()} == {(0, 0, "")}


def test_what_is_ignored_is_not_sent_but_what_the_builder_reads_is(tmp_path: Path) -> None:
    for name in ("Dockerfile", "keep", "secret/a", "secret/b", "logs/x.log"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / ".dockerignore").write_text("# c\nDockerfile\n.dockerignore\nsecret\n!secret/b\n**/*.log\n")
    found = sent(Context(str(tmp_path)))
    assert set(found) == {"Dockerfile", ".dockerignore", "keep", "secret/b", "logs"}
    # A file named after the Dockerfile takes precedence.
    (tmp_path / "Dockerfile.dockerignore").write_text("keep\n")
    assert "keep" not in sent(Context(str(tmp_path)))


def test_the_largest_paths_are_known(tmp_path: Path) -> None:
    for name, size in (("a", 10), ("big/x", 5000), ("big/y", 5000), ("c", 100)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(bytes(size))
    context = Context(str(tmp_path))
    sent(context)
    assert context.largest(2) == [("big", 10_000), ("c", 100)]
    assert context.total == 10_110


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").mkdir()
    with pytest.raises(InvalidRequest, match="cannot be read"):
        Context(str(tmp_path))
