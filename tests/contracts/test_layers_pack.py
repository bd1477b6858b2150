"""Is pack the way back from unpack? Any writable tree, as the tar of its changes, is that tree again."""

import io
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.trees import Picture, layer_picture, perform_rootfs, picture, rootfs_picture
from kernel.namespaced import namespaced
from sampan.errors import InvalidRequest
from sampan.layers.pack import pack
from sampan.layers.probe import DIRECTORY
from sampan.layers.store import Layers
from sampan.layers.stream import Pieces
from sampan.snapshots.overlay import Overlay
from unit.layers.crafted import archive, directory, file

pytestmark = pytest.mark.needs_root

NAMES = st.sampled_from([b"a", b"b", b"c c", b"-d", b"\xff", b"n" * 130])
KINDS = st.sampled_from(["file", "link", "hard", "fifo", "device", "whiteout", "dir", "opaque"])
NODES = st.lists(
    st.tuples(
        st.lists(NAMES, min_size=1, max_size=4),
        KINDS,
        st.integers(0, 0o7777),
        st.sampled_from([0, 1000, 3_000_000_000]),
        st.integers(-(10**9), 2 * 10**18),
        st.binary(max_size=700),
    ),
    max_size=15,
)


def plant(top: Path, nodes: list[Any]) -> None:
    """Make a tree like an overlay's upper directory."""
    files: list[bytes] = []
    for parts, kind, mode, owner, time_ns, data in nodes:
        path = os.path.join(os.fsencode(top), *parts)
        if os.path.realpath(os.path.dirname(path)) != os.path.dirname(path):
            continue  # a link is in the way, and it may lead anywhere
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            make(path, kind, data, files)
        except (FileExistsError, NotADirectoryError):
            continue
        os.chown(path, owner, owner, follow_symlinks=False)
        if kind not in ("link", "whiteout"):
            os.chmod(path, mode)
        if kind in ("file", "dir", "opaque"):
            os.setxattr(path, b"user.note", data[:100])
        os.utime(path, ns=(time_ns, time_ns), follow_symlinks=False)


def make(path: bytes, kind: str, data: bytes, files: list[bytes]) -> None:
    """Make one node."""
    if kind == "file":
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        Path(os.fsdecode(path)).write_bytes(data)
        files.append(path)
    elif kind == "link":
        os.symlink(data.replace(b"\0", b"0")[:200] or b"t", path)
    elif kind == "hard" and files:
        os.link(files[-1], path)
    elif kind in ("dir", "opaque"):
        os.mkdir(path)
        if kind == "opaque":
            os.setxattr(path, b"trusted.overlay.opaque", b"y")
    elif kind == "whiteout":
        os.mknod(path, stat.S_IFCHR, 0)
    elif kind == "device":
        os.mknod(path, stat.S_IFBLK | 0o600, os.makedev(259, 70_000))
    else:
        os.mkfifo(path)


@settings(max_examples=60, deadline=None)
@given(NODES)
def test_pack_then_unpack_is_identity(nodes: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as work:
        upper = Path(work, "upper")
        upper.mkdir()
        plant(upper, nodes)
        before = settled(picture(upper))
        layers = Layers(Path(work, "layers"), Path(work, "run"), backend=DIRECTORY)
        first = b"".join(pack(upper))
        assert first == b"".join(pack(upper))
        info = layers.ingest(Pieces([first]))
        assert picture(layers.mount_of(info.diff_id)[1]) == before
        again = b"".join(pack(layers.mount_of(info.diff_id)[1]))
        assert again == first or any(kind == "whiteout" for _, kind, *_ in nodes)
        layers.close()


def settled(tree: Picture) -> Picture:
    """The tree without whiteouts that an opaque directory makes idle: ingest drops those."""
    opaque = [path for path, entry in tree.items() if ["trusted.overlay.opaque", b"y".hex()] in entry[4]]
    return {
        path: entry
        for path, entry in tree.items()
        if not (entry[0] == "20000" and any(path.startswith(above + "/") for above in opaque))
    }


@pytest.fixture
def layers(tmp_path: Path) -> Layers:
    """A store with the backend that this machine has."""
    return Layers(tmp_path / "layers", tmp_path / "run")


def test_what_a_container_changed_is_what_the_new_layer_changes(layers: Layers, tmp_path: Path) -> None:
    below = archive(
        directory(b".", mtime=5), file(b"changed", b"1"), file(b"deleted"), file(b"mode"), file(b"d/f"),
        directory(b"remade"), file(b"remade/old"), directory(b"whole"), file(b"whole/f"),
    )  # fmt: skip
    base = layers.ingest(io.BytesIO(below)).diff_id
    snapshots = Overlay(tmp_path / "snapshots", layers)
    merged = tmp_path / "merged"

    def change() -> Picture:
        perform_rootfs(snapshots.prepare("key", [base]), merged)
        (merged / "changed").write_bytes(b"2")
        (merged / "deleted").unlink()
        (merged / "mode").chmod(0o600)
        (merged / "new").mkdir()
        (merged / "new" / "f").write_bytes(b"new")
        os.link(merged / "new" / "f", merged / "linked")
        shutil.rmtree(merged / "remade")
        (merged / "remade").mkdir()
        (merged / "remade" / "new").touch()
        shutil.rmtree(merged / "whole")
        os.symlink("changed", merged / "link")
        return picture(merged)

    seen = namespaced(change)
    committed = layers.ingest(Pieces(pack(snapshots.upper("key")))).diff_id
    again = rootfs_picture(layers, [base, committed], tmp_path / "second")
    assert again.pop(".")[:3] == seen.pop(".")[:3]  # its time is that of the writable tree, made anew
    assert again == seen


@pytest.mark.parametrize("prepare", [lambda top: (top / ".wh.x").touch(), lambda top: (top / ".wh..wh..opq").mkdir()])
def test_a_name_that_would_turn_into_a_whiteout_is_refused(tmp_path: Path, prepare: Callable[[Path], None]) -> None:
    prepare(tmp_path)
    with pytest.raises(InvalidRequest):
        b"".join(pack(tmp_path))


def test_sockets_are_left_out(layers: Layers, tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    (top / "f").write_bytes(b"x")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(top / "s"))
    found = layers.ingest(Pieces(pack(top))).diff_id
    assert sorted(layer_picture(layers, found)) == [".", "f"]


def test_attributes_of_the_overlay_itself_stay_behind(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    os.setxattr(top, "trusted.overlay.impure", b"y")
    (top / "f").touch()
    os.setxattr(top / "f", "trusted.overlay.origin", b"secret")
    assert b"overlay" not in b"".join(pack(top))
