"""Is a context that was sent in part the same as one that was sent whole, and is only what has changed sent?"""

import os
import shutil
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sampan.builder import known_contexts as module
from sampan.builder.context import Kept, Workspaces
from sampan.builder.known_contexts import STACK_MAX, WAITING_MAX, KnownContexts
from sampan.builder.tree import Entry, Tree
from sampan.client import context as client
from sampan.client.context import Context
from sampan.errors import InvalidRequest, NotFound, Unavailable
from sampan.layers.stream import Pieces
from sampan.layers.tar import Kind
from sampan.wire.context import read_listing, write_listing

DISK = 100 << 30


class Place:
    """A directory that is built from, and what an engine has of it."""

    def __init__(self, root: Path) -> None:
        self.directory = root / "context"
        self.directory.mkdir()
        self.kept = root / "contexts"
        self.workspaces = Workspaces(root / "builds")
        self.known = KnownContexts(self.kept, lambda: DISK)
        self.sent: dict[str, int] = {}

    def close(self) -> None:
        """Let go of the directories."""
        self.known.close()
        self.workspaces.close()

    def shown(self, kept: Kept) -> dict[bytes, object]:
        """All that a tree shows, by path."""
        with kept.open() as tree:
            return dict(shown(tree, tree.root, b""))

    def build(self) -> dict[bytes, object]:
        """Send what is wanted; what is there then, which must be what there is when all is sent."""
        context = Context(str(self.directory))
        word, wanted = self.known.compare(context.key, context.listing())
        with self.workspaces.workspace() as workspace:
            kept = self.known.complete(word, workspace, Pieces(context.pieces(None if wanted is None else set(wanted))))
            found = self.shown(kept)
            whole = self.shown(workspace.keep(Pieces(Context(str(self.directory)).pieces())))
        assert found == whole
        self.sent = context.sizes
        return found


def shown(tree: Tree, directory: Entry, above: bytes) -> Iterator[tuple[bytes, object]]:
    """Every path with its kind, mode, time, and bytes or target."""
    for name, entry in tree.children(directory):
        path = above + name
        data: object = None
        if entry.kind is Kind.FILE:
            data = b"".join(tree.data(entry))
        elif entry.kind is Kind.SYMLINK:
            data = tree.link_target(entry)
        yield path, (entry.kind, entry.mode, entry.inode.mtime_ns, data)
        if entry.is_directory:
            yield from shown(tree, entry, path + b"/")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """An empty directory. Nothing in it is too fresh to be told from what comes after."""
    monkeypatch.setattr(client, "FRESH_NS", 0)
    made = Place(tmp_path)
    yield made
    made.close()


def test_only_what_has_changed_is_sent(place: Place) -> None:
    for number in range(20):
        (place.directory / f"d{number}").mkdir()
        (place.directory / f"d{number}" / "file").write_bytes(bytes(1000 + number))
    place.build()
    assert sum(place.sent.values()) > 20_000
    place.build()
    assert place.sent == {}
    (place.directory / "d3" / "file").write_bytes(bytes(7))
    (place.directory / "d4" / "file").unlink()
    (place.directory / "new").write_text("new")
    found = place.build()
    assert place.sent == {"d3": 7, "d4": 0, "new": 3}
    assert b"d4/file" not in found
    (place.directory / "d4" / "file").write_bytes(b"again")
    shutil.rmtree(place.directory / "d5")
    os.symlink("d6", place.directory / "d5")  # a path of before leads elsewhere now
    found = place.build()
    assert b"d5/file" not in found and b"d6/file" in found
    (place.directory / "d5").unlink()
    (place.directory / "d5").mkdir()
    assert b"d5/file" not in place.build()


def test_what_is_too_fresh_is_sent_again(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (place.directory / "file").write_text("1")
    place.build()
    place.build()
    assert place.sent == {"file": 1}
    place.close()


def test_names_of_one_file_go_together(place: Place) -> None:
    for number in range(9):
        (place.directory / f"f{number}").write_text("1")
    place.build()
    os.link(place.directory / "f0", place.directory / "other")
    place.build()
    assert place.sent == {"f0": 1, "other": 0}


def test_a_socket_takes_the_place_of_a_file(place: Place) -> None:
    for name in ("a", "b", "c", "x"):
        (place.directory / name).write_text(name)
    place.build()
    (place.directory / "x").unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place.directory / "x"))
        for _ in range(2):
            assert b"x" not in place.build()
    (place.directory / "x").unlink()
    (place.directory / "x").write_text("back")
    assert b"x" in place.build()


NAMES = st.sampled_from(["a", "b", "a/a", "a/b", "b/a", "b/a/c", "c"])
CHANGES = st.lists(
    st.tuples(NAMES, st.sampled_from(["file", "directory", "link", "nothing", "mode"]), st.integers(0, 99)), max_size=4
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(builds=st.lists(CHANGES, max_size=8))
def test_whatever_happens_in_between(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    builds: "list[list[tuple[str, str, int]]]",
) -> None:
    monkeypatch.setattr(client, "FRESH_NS", 0)
    place = Place(tmp_path_factory.mktemp("place"))
    for number in range(30):  # so that little is ever more than half of it
        (place.directory / f"filler{number}").write_text("")
    try:
        for changes in builds:
            for name, what, number in changes:
                change(place.directory / name, what, number)
            place.build()
    finally:
        place.close()
        shutil.rmtree(place.directory.parent)


def change(path: Path, what: str, number: int) -> None:
    """Have something else at a path."""
    if not path.parent.is_dir() or path.parent.is_symlink():
        return
    if what == "mode":
        if path.exists() and not path.is_symlink():
            path.chmod(stat.S_IMODE(path.stat().st_mode) ^ 0o11)
        return
    if path.is_dir() and not path.is_symlink():
        if what == "directory":
            return
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    if what == "file":
        path.write_text(str(number))
    elif what == "directory":
        path.mkdir()
    elif what == "link":
        path.symlink_to(["a", "b", "../b", "filler1"][number % 4])


def test_bounds(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        (place.directory / f"f{number}").write_text("1")
    key = Context(str(place.directory)).key
    for number in range(STACK_MAX + 3):  # then all of it is sent again
        (place.directory / "f0").write_text(str(number))
        place.build()
        assert len(list(place.kept.iterdir())) == 1
    for listing, sentence in ((b"a\0", "cut short"), (b"a\0b\0c", "cut short"), (b"a\0x\0a\0y\0", "twice")):
        with pytest.raises(InvalidRequest, match=sentence):
            place.known.compare(key, listing)
    with pytest.raises(InvalidRequest, match="hexadecimal"):
        place.known.compare("../x", b"")
    with place.workspaces.workspace() as workspace, pytest.raises(NotFound):
        place.known.complete("none", workspace, Pieces([bytes(1024)]))
    for _ in range(WAITING_MAX):
        place.known.compare(key, Context(str(place.directory)).listing())
    with pytest.raises(Unavailable, match="try again"):
        place.known.compare(key, b"")
    monkeypatch.setattr(module, "SECONDS", -1)
    place.known.compare("abc", b"")
    assert len(list(place.kept.iterdir())) == 2, "what nobody came for is gone"
    sizes = place.known.sizes()
    assert list(sizes) == [key] and place.known.prune() == ([key], sizes[key])
    assert not list(place.kept.iterdir())


def test_who_builds_keeps_what_is_pruned_or_replaced(place: Place) -> None:
    for name in ("a", "b", "c"):
        (place.directory / name).write_text(name)
    place.build()
    context = Context(str(place.directory))
    words = [place.known.compare(context.key, context.listing()) for _ in range(3)]
    place.known.prune()
    for word, wanted in words:
        assert wanted == ()
        with place.workspaces.workspace() as workspace:
            kept = place.known.complete(word, workspace, Pieces(context.pieces(set())))
            assert set(place.shown(kept)) == {b"a", b"b", b"c"}


def test_a_context_that_is_too_large_is_not_kept(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.known = KnownContexts(place.kept, lambda: 0)
    (place.directory / "a").write_text("a")
    place.build()
    assert not list(place.kept.iterdir())
    place.close()


def test_a_listing_is_read_as_it_was_written() -> None:
    entries = {b"a": b"1", b"odd \xff\n": b"", b"d/e": b"x y"}
    assert read_listing(write_listing(entries.items())) == entries
    assert list(read_listing(write_listing(entries.items()))) == list(entries)
