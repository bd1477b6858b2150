"""Do members get into a tree in use, where they belong and nowhere else?"""

import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import InvalidRequest, SampanError
from sampan.layers.extract import Rules, extract
from sampan.layers.header import BadLayer
from sampan.layers.pack_tree import pack_entry, pack_tree

pytestmark = pytest.mark.needs_root


def tar(*members: tuple[str, bytes, dict[str, object]]) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content, fields in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            for field, value in fields.items():
                setattr(member, field, value)
            archive.addfile(member, io.BytesIO(content))
    out.seek(0)
    return out


def put(root: Path, path: str, *members: tuple[str, bytes, dict[str, object]], rules: Rules | None = None) -> None:
    """Extract into a tree."""
    descriptor = os.open(root, os.O_PATH | os.O_DIRECTORY)
    try:
        extract(tar(*members), descriptor, path, rules or Rules())
    finally:
        os.close(descriptor)


def test_owners_modes_times_and_attributes(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    attributes = {
        "SCHILY.xattr.user.a": "b",
        "SCHILY.xattr.trusted.overlay.opaque": "y",
        "SCHILY.xattr.security.x": "y",
    }
    put(tmp_path, "/d", ("e", b"", {"type": tarfile.DIRTYPE, "mode": 0o1711, "uid": 3, "mtime": 1000}),
        ("e/f", b"1", {"mode": 0o4755, "uid": 5, "gid": 6, "mtime": 2000, "pax_headers": attributes}))  # fmt: skip
    directory, file = (tmp_path / "d/e").stat(), (tmp_path / "d/e/f").stat()
    assert (directory.st_mode & 0o7777, directory.st_uid, directory.st_mtime) == (0o1711, 3, 1000)
    assert (file.st_mode & 0o7777, file.st_uid, file.st_gid, file.st_mtime) == (0o4755, 5, 6, 2000)
    assert os.listxattr(tmp_path / "d/e/f") == ["user.a"]
    put(tmp_path, "/d", ("g", b"", {"uid": 5}), rules=Rules(owner=(7, 8)))
    assert ((tmp_path / "d/g").stat().st_uid, (tmp_path / "d/g").stat().st_gid) == (7, 8)


def test_links_lead_where_they_lead_inside(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for path in (root / "d", root / "etc", outside):
        path.mkdir(parents=True)
    (root / "d" / "absolute").symlink_to("/etc")
    (root / "d" / "climbing").symlink_to("../../../../outside")
    (root / "d" / "host").symlink_to(outside)
    put(root, "/d", ("absolute/f", b"1", {}), ("climbing/f", b"1", {}), ("host/f", b"1", {}))
    assert (root / "etc" / "f").read_bytes() == b"1"
    assert (root / "outside" / "f").read_bytes() == b"1"
    assert not list(outside.iterdir())


def test_what_is_there_gives_way_unless_both_are_directories(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "f").write_text("old")
    strict = Rules(keeps_kinds=True)
    with pytest.raises(InvalidRequest, match=r'^cannot overwrite directory "/a" with non-directory "/"$'):
        put(tmp_path, "/", ("a", b"1", {}), rules=strict)
    with pytest.raises(InvalidRequest, match=r'^cannot overwrite non-directory "/f" with directory "/"$'):
        put(tmp_path, "/", ("f", b"", {"type": tarfile.DIRTYPE}), rules=strict)
    put(tmp_path, "/", ("a", b"", {"type": tarfile.DIRTYPE}), ("f", b"new", {}), rules=strict)
    assert (tmp_path / "a" / "b").is_dir()
    put(tmp_path, "/", ("a", b"1", {}), ("f", b"", {"type": tarfile.DIRTYPE}))
    assert (tmp_path / "a").read_bytes() == b"1"
    assert (tmp_path / "f").is_dir()


def test_a_file_that_is_cut_is_not_there(tmp_path: Path) -> None:
    whole = tar(("whole", b"1", {}), ("half", bytes(5000), {})).read()
    descriptor = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    with pytest.raises(BadLayer, match="unexpected EOF"):
        extract(io.BytesIO(whole[:3000]), descriptor, "/", Rules())
    os.close(descriptor)
    assert os.listdir(tmp_path) == ["whole"]


def test_a_tree_packed_and_extracted_is_the_same(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / ".wh.x").mkdir(parents=True)
    (source / ".wh.x" / ".wh..wh..opq").write_text("plain names here")
    (source / "f").write_text("1")
    os.link(source / "f", source / "hard")
    (source / "l").symlink_to("nowhere")
    os.mkfifo(source / "p")
    target.mkdir()
    tops = [os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in (source, target)]
    packed = b"".join(pack_tree(tops[0], b"name"))
    extract(io.BytesIO(packed), tops[1], "/", Rules())
    assert sorted(os.listdir(target / "name")) == sorted(os.listdir(source))
    assert (target / "name/f").stat().st_ino == (target / "name/hard").stat().st_ino
    assert os.readlink(target / "name/l") == "nowhere"
    alone = b"".join(pack_entry(tops[0], b"l", b"renamed"))
    with tarfile.open(fileobj=io.BytesIO(alone)) as archive:
        assert [(member.name, member.linkname) for member in archive] == [("renamed", "nowhere")]
    with pytest.raises(FileNotFoundError):
        next(pack_entry(tops[0], b"nosuch", b"x"))
    for top in tops:
        os.close(top)


NAMES = st.lists(st.sampled_from(["..", ".", "a", "b", "l", "", "/"]), min_size=1, max_size=4).map("/".join)
KINDS = st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE])


@given(st.lists(st.tuples(NAMES, KINDS, NAMES), max_size=8))
def test_whatever_an_archive_names_stays_inside(
    tmp_path_factory: pytest.TempPathFactory, members: list[tuple[str, bytes, str]]
) -> None:
    """B01 B03: names, links and links to links, in any order."""
    top = tmp_path_factory.mktemp("any")
    (top / "root" / "d").mkdir(parents=True)
    (top / "canary").write_text("alive")
    try:
        put(top / "root", "/d", *((n, b"", {"type": k, "linkname": t or "x", "mode": 0o777}) for n, k, t in members))
    except SampanError:
        pass
    assert sorted(os.listdir(top)) == ["canary", "root"]
    assert (top / "canary").read_text() == "alive"
    assert (top / "canary").stat().st_nlink == 1
