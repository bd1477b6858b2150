"""Where does COPY put things, and what is the layer then? Hypothesis: the same input, the same bytes."""

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from archives import Member, file, link, tar
from sampan.builder.context import Workspace
from sampan.builder.layer import layer_bytes
from sampan.builder.owner import Owner
from sampan.builder.place import Content, Placement
from sampan.builder.select import select
from sampan.builder.tree import Tree
from sampan.errors import InvalidRequest, NotFound
from sampan.layers.header import BadLayer
from sampan.layers.ingest import INDEX_NAME, TAR_NAME, Told, write_layer
from sampan.layers.stream import Pieces
from sampan.layers.tar import Member as TarMember
from sampan.wire.patterns import Ignore

DIRECTORY = {"type": tarfile.DIRTYPE}
BASE = [
    file("etc", **DIRECTORY), file("etc/passwd", b"root:x:0:0::/:/bin/sh\nwww:x:33:34::/:/bin/sh\n", mode=0o644),
    file("tmp", mode=0o1777, **DIRECTORY), file("real", uid=5, **DIRECTORY), link("alias", "/real"), link("out",
    "../.."),
]  # fmt: skip
CONTEXT = [
    file("one", b"1", mode=0o644), file("dir", mode=0o700, **DIRECTORY), file("dir/two", b"2"),
    file("dir/sub", **DIRECTORY),
    file("dir/sub/three", b"333"), link("dir/link", "sub/three"), link("escape", "/etc/passwd"),
    link("dir/hard", "dir/two", tarfile.LNKTYPE),
]  # fmt: skip


@pytest.fixture
def trees(tmp_path: Path) -> Iterator[tuple[Tree, Tree]]:
    """A stage, and a context."""
    workspace = Workspace(tmp_path)
    with workspace.keep(source(BASE)).open() as base, workspace.keep(source(CONTEXT)).open() as context:
        yield base, context


def source(members: list[Member]) -> io.BytesIO:
    """A tar as a file."""
    return io.BytesIO(tar(members))


def copied(trees: tuple[Tree, Tree], name: str, target: str, *, into: bool = False, **asked: object) -> Placement:
    """One COPY."""
    base, context = trees
    exclude = Ignore(asked.pop("exclude", ()))  # type: ignore[arg-type]
    placement = Placement(base=base, **asked)  # type: ignore[arg-type]
    for selected in select(context, name):
        placement.copy(context, selected, target, exclude, into=into, keep_owner=False)
    return placement


def paths(placement: Placement) -> dict[str, tuple[str, int]]:
    """path → (type, mode) of every member."""
    return {
        placed.member.path.decode(): (placed.member.kind.name, placed.member.mode) for placed in placement.members()
    }


def test_a_file_goes_to_a_name_or_into_a_directory(trees: tuple[Tree, Tree]) -> None:
    assert paths(copied(trees, "one", "/new")) == {"new": ("FILE", 0o644)}
    assert paths(copied(trees, "one", "/a/b/")) == {
        "a": ("DIRECTORY", 0o755), "a/b": ("DIRECTORY", 0o755), "a/b/one": ("FILE", 0o644),
    }  # fmt: skip
    # A directory of the stage keeps what it is.
    assert paths(copied(trees, "one", "/tmp")) == {"tmp": ("DIRECTORY", 0o1777), "tmp/one": ("FILE", 0o644)}


def test_a_directorys_contents_go_into_the_target(trees: tuple[Tree, Tree]) -> None:
    found = paths(copied(trees, "dir", "/t"))
    assert found["t"] == ("DIRECTORY", 0o700)
    assert {name for name in found if name.startswith("t/")} == {"t/hard", "t/link", "t/sub", "t/sub/three", "t/two"}
    assert "t/sub/three" not in paths(copied(trees, "dir", "/t", exclude=["sub"]))
    kept = paths(copied(trees, "dir", "/t", exclude=["sub", "!sub/three"]))
    assert "t/sub/three" in kept


def test_links_are_resolved_inside(trees: tuple[Tree, Tree]) -> None:
    assert set(paths(copied(trees, "one", "/alias/"))) == {"real", "real/one"}
    assert set(paths(copied(trees, "one", "/out/out/../x"))) == {"x"}
    assert set(paths(copied(trees, "../../dir/sub/../one/../../one", "/x"))) == {"x"}
    with pytest.raises(NotFound, match="does not exist"):  # the context has no /etc/passwd, whatever the host has
        copied(trees, "escape", "/x")
    owner = copied(trees, "dir/sub/../link", "/x").members()[0]
    assert b"".join(owner.data()) == b"333"


def test_what_cannot_be_put_there_is_refused(trees: tuple[Tree, Tree]) -> None:
    for name, target, sentence in (
        ("dir", "/etc/passwd", "cannot copy to non-directory: /etc/passwd"),
        ("one", "/etc/passwd/x", "cannot copy to non-directory: /etc/passwd"),
    ):
        with pytest.raises(InvalidRequest, match=sentence):
            copied(trees, name, target)
    for name, target in ((b"sub", "/t/"), (b"tmp", "/")):
        placement = copied(trees, "dir", "/t")
        with pytest.raises(InvalidRequest, match="cannot replace to directory"):
            placement.add_content(Content(name, b""), target, into=True)


def test_owners_and_modes(trees: tuple[Tree, Tree]) -> None:
    placement = copied(trees, "dir", "/n/t", owner=Owner(3, 4), chmod="u=rwX,go=")
    assert {(placed.member.uid, placed.member.gid) for placed in placement.members()} == {(3, 4)}
    assert paths(placement)["n/t/two"][1] == 0o700  # it was executable: tar() makes it 0755
    assert paths(placement)["n"][1] == 0o755


def test_the_digest_is_of_contents_and_not_of_times(trees: tuple[Tree, Tree], tmp_path: Path) -> None:
    first = copied(trees, "dir", "/t").digest()
    later = [(name, content, {**fields, "mtime": 9}) for name, content, fields in CONTEXT]
    with Workspace(tmp_path / ".").keep(source(later)).open() as context:
        assert copied((trees[0], context), "dir", "/t").digest() == first
    changed = [(name, b"9" if name == "dir/two" else content, fields) for name, content, fields in CONTEXT]
    with Workspace(tmp_path).keep(source(changed)).open() as context:
        assert copied((trees[0], context), "dir", "/t").digest() != first
    assert copied(trees, "dir", "/t", chmod="600").digest() != first
    assert copied(trees, "dir", "/u").digest() != first


def test_the_layer_is_sorted_linked_and_always_the_same(trees: tuple[Tree, Tree]) -> None:
    placement = copied(trees, "dir", "/new/t")
    data = b"".join(layer_bytes(placement, otherwise_ns=0, epoch_ns=5 * 10**9))
    assert data == b"".join(layer_bytes(placement, otherwise_ns=0, epoch_ns=5 * 10**9))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = archive.getmembers()
    assert [member.name for member in members] == [
        "new", "new/t", "new/t/hard", "new/t/link", "new/t/sub", "new/t/sub/three", "new/t/two",
    ]  # fmt: skip
    assert members[-1].islnk() and members[-1].linkname == "new/t/hard"
    assert all(member.mtime <= 5 for member in members)


def test_a_layer_that_is_told_is_the_layer_that_is_parsed(trees: tuple[Tree, Tree], tmp_path: Path) -> None:
    placement = copied(trees, "dir", "/new/" + "long" * 40)
    told: list[TarMember] = []
    sources = [
        Told(layer_bytes(placement, otherwise_ns=7, told=told), told),
        Pieces(layer_bytes(placement, otherwise_ns=7)),
    ]
    found = []
    for number, source in enumerate(sources):
        directory = tmp_path / str(number)
        directory.mkdir()
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            written = write_layer(source, dir_fd=descriptor, durable=False)
        finally:
            os.close(descriptor)
        found.append((written, (directory / INDEX_NAME).read_bytes(), (directory / TAR_NAME).read_bytes()))
    assert found[0] == found[1]


def test_a_told_layer_is_held_to_the_same_limits(trees: tuple[Tree, Tree], tmp_path: Path) -> None:
    told: list[TarMember] = []
    placement = copied(trees, "dir", "/" + "/".join(["x" * 200] * 21))
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(BadLayer, match="invalid name in the layer"):
            write_layer(Told(layer_bytes(placement, otherwise_ns=7, told=told), told), dir_fd=descriptor)
    finally:
        os.close(descriptor)
