"""Can an archive of a container's write anywhere but where the copy goes?"""

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.cli.tar_in import Pieces, unpack
from sampan.cli.tar_out import pack


def unpacked(directory: Path, *members: tuple[str, bytes, dict[str, object]]) -> list[str]:
    """Unpack some members; what was said."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content, fields in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            for field, value in fields.items():
                setattr(member, field, value)
            archive.addfile(member, io.BytesIO(content))
    said: list[str] = []
    unpack(Pieces(cut(out.getvalue())), str(directory), lambda name: name, owners=False, say=said.append)
    return said


def cut(data: bytes) -> Iterator[bytes]:
    """In pieces of an awkward size."""
    for start in range(0, len(data), 777):
        yield data[start : start + 777]


SYMLINK = {"type": tarfile.SYMTYPE}


@pytest.mark.parametrize(
    "members",
    [
        [("../evil", b"x", {})],
        [("a/../../evil", b"x", {})],
        [("l", b"", {**SYMLINK, "linkname": ".."}), ("l/evil", b"x", {})],
        [("l", b"", {**SYMLINK, "linkname": "../outside"}), ("l", b"", {"type": tarfile.DIRTYPE, "mode": 0o777})],
        [("h", b"", {"type": tarfile.LNKTYPE, "linkname": "../outside/f"})],
        [("l", b"", {**SYMLINK, "linkname": "../outside/f"}), ("h", b"", {"type": tarfile.LNKTYPE, "linkname": "l/x"})],
    ],
)
def test_nothing_leads_out(tmp_path: Path, members: list[tuple[str, bytes, dict[str, object]]]) -> None:
    """B01: of the client's side."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "f").write_text("alive")
    (tmp_path / "here").mkdir()
    with pytest.raises((ValueError, OSError)):
        unpacked(tmp_path / "here", *members)
    assert sorted(os.listdir(tmp_path)) == ["here", "outside"]
    assert (tmp_path / "outside").stat().st_mode & 0o777 != 0o777
    assert (tmp_path / "outside" / "f").stat().st_nlink == 1


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("alive")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "f").symlink_to("../target")
    unpacked(tmp_path / "here", ("f", b"new", {"mode": 0o640}))
    assert (tmp_path / "target").read_text() == "alive"
    assert (tmp_path / "here" / "f").read_text() == "new"
    assert not (tmp_path / "here" / "f").is_symlink()


def test_devices_are_left_out_and_said(tmp_path: Path) -> None:
    said = unpacked(tmp_path, ("null", b"", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}), ("f", b"1", {}))
    assert said == ["null: a device, left out (copied with --archive)"]
    assert os.listdir(tmp_path) == ["f"]


def test_what_is_packed_can_be_unpacked(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "d").mkdir(parents=True)
    (source / "d" / "f").write_bytes(b"1" * 5000)
    os.link(source / "d" / "f", source / "hard")
    (source / "l").symlink_to("d/f")
    os.utime(source / "d", (1000, 1000))
    target.mkdir()
    pieces = Pieces(pack(str(source), "name"))
    unpack(pieces, str(target), lambda name: name, owners=False, say=lambda text: None)
    assert (target / "name" / "hard").read_bytes() == b"1" * 5000
    assert (target / "name" / "hard").stat().st_nlink == 2
    assert (target / "name" / "l").readlink() == Path("d/f")
    assert (target / "name" / "d").stat().st_mtime == 1000
