"""Does a snapshot give a container its own writable view of its layers, and nothing else?"""

import errno
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.trees import perform_rootfs, picture
from kernel.namespaced import namespaced
from sampan.errors import InvalidRequest, NotFound
from sampan.layers.probe import DIRECTORY, EROFS, probe_backend
from sampan.layers.store import Layers
from sampan.linux.fsmount import fsconfig_create, fsconfig_string, fsmount, fsopen
from sampan.snapshots.overlay import Overlay
from sampan.unpacking.process import unpack_confined
from unit.layers.crafted import archive, directory, file

pytestmark = pytest.mark.needs_root
CONFINED = "confined"


@pytest.fixture(params=[EROFS, DIRECTORY, CONFINED])
def layers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Layers]:
    """An empty store with each backend, unpacking here and as the daemon does."""
    if request.param == EROFS and probe_backend(tmp_path) != EROFS:
        pytest.skip("this kernel cannot mount EROFS from files (Linux 6.12)")
    if request.param == CONFINED:
        store = Layers(tmp_path / "layers", tmp_path / "run", backend=DIRECTORY, unpacks=unpack_confined)
    else:
        store = Layers(tmp_path / "layers", tmp_path / "run", backend=request.param)
    yield store
    store.close()


@pytest.fixture
def snapshots(layers: Layers, tmp_path: Path) -> Iterator[Overlay]:
    """Snapshots over those layers."""
    overlay = Overlay(tmp_path / "snapshots", layers)
    yield overlay
    overlay.close()


def ingest(layers: Layers, *members: bytes) -> str:
    """One layer; its diff ID."""
    return layers.ingest(io.BytesIO(archive(*members))).diff_id


def test_what_a_container_writes_is_its_own_and_stays(layers: Layers, snapshots: Overlay, tmp_path: Path) -> None:
    base = ingest(layers, directory(b"./", mtime=5), file(b"f", b"from the image"))
    first, second = snapshots.prepare("first", [base]), snapshots.prepare("second", [base])

    def write() -> None:
        perform_rootfs(first, tmp_path / "merged")
        (tmp_path / "merged" / "f").write_text("changed")
        (tmp_path / "merged" / "new").write_text("x")

    def look() -> list[str]:
        perform_rootfs(first, tmp_path / "one")
        perform_rootfs(second, tmp_path / "two")
        return [(tmp_path / "one" / "f").read_text(), (tmp_path / "two" / "f").read_text()]

    namespaced(write)
    assert namespaced(look) == ["changed", "from the image"]
    assert sorted(os.listdir(snapshots.upper("first"))) == ["f", "new"]
    assert snapshots.usage("first") == len("changed") + len("x")
    assert snapshots.usage("second") == 0


def test_the_root_directory_is_open_whatever_the_image_says(layers: Layers, snapshots: Overlay, tmp_path: Path) -> None:
    ids = [ingest(layers, directory(b".", mode=0o700, uid=3, gid=4)), ingest(layers, file(b"names-no-root"))]

    def look() -> list[object]:
        perform_rootfs(snapshots.prepare("key", ids), tmp_path / "merged")
        return picture(tmp_path / "merged")["."][:3]

    assert namespaced(look) == ["40755", 0, 0]


def test_a_container_without_layers_has_an_empty_root(snapshots: Overlay, tmp_path: Path) -> None:
    def look() -> list[object]:
        perform_rootfs(snapshots.prepare("key", []), tmp_path / "merged")
        (tmp_path / "merged" / "f").touch()
        return [oct(stat.S_IMODE((tmp_path / "merged").stat().st_mode)), os.listdir(tmp_path / "merged")]

    assert namespaced(look) == ["0o755", ["f"]]
    assert os.listdir(tmp_path / "snapshots" / ".empty") == []


@pytest.mark.parametrize("count", [128, 200])
def test_more_layers_than_a_page_of_options_could_name(
    layers: Layers, snapshots: Overlay, tmp_path: Path, count: int
) -> None:
    ids = [ingest(layers, file(b"layer", b"%d" % number), file(b"only-%d" % number)) for number in range(count)]

    def look() -> list[object]:
        perform_rootfs(snapshots.prepare("key", ids), tmp_path / "merged")
        return [(tmp_path / "merged" / "layer").read_text(), len(os.listdir(tmp_path / "merged"))]

    assert namespaced(look) == [str(count - 1), count + 1]


def test_a_layer_that_comes_twice_counts_once(layers: Layers, snapshots: Overlay, tmp_path: Path) -> None:
    """Docker's empty layer is the same bytes each time; overlayfs answers a directory given twice with ELOOP."""
    one = ingest(layers, file(b"a", b"one"), file(b"b", b"one"))
    two = ingest(layers, file(b".wh.a"), file(b"b", b"two"))

    def look() -> dict[str, str]:
        perform_rootfs(snapshots.prepare("key", [one, two, one, one]), tmp_path / "merged")
        return {path.name: path.read_text() for path in (tmp_path / "merged").iterdir()}

    assert namespaced(look) == {"a": "one", "b": "one"}


def test_c07_the_options_leave_overlayfs_nothing_to_follow(layers: Layers, snapshots: Overlay) -> None:
    options = snapshots.prepare("key", [ingest(layers, file(b"f"))]).overlay.options
    assert set(options) >= {"redirect_dir=nofollow", "metacopy=off", "index=off", "xino=off"}
    assert [option.split("=")[0] for option in options[:3]] == ["lowerdir+", "upperdir", "workdir"]


def test_c07_with_those_options_a_redirect_is_refused_by_the_kernel(tmp_path: Path) -> None:
    """Should an attribute ever slip into a layer: the second line of defence, tried without the first."""
    for name in ("below/secret", "above/shown", "upper", "work", "merged"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "below" / "secret" / "f").touch()
    os.setxattr(tmp_path / "above" / "shown", "trusted.overlay.redirect", b"/secret")

    def look() -> int:
        context = fsopen("overlay")
        for option in (
            f"lowerdir+={tmp_path}/above", f"lowerdir+={tmp_path}/below", f"upperdir={tmp_path}/upper",
            f"workdir={tmp_path}/work", "redirect_dir=nofollow", "metacopy=off", "index=off", "xino=off",
        ):  # fmt: skip
            fsconfig_string(context, *option.split("=", 1))
        fsconfig_create(context)
        root = fsmount(context)
        try:
            os.listdir(os.open("shown", os.O_RDONLY, dir_fd=root))
        except OSError as error:
            return error.errno or 0
        return 0

    assert namespaced(look) == errno.EPERM


def test_prepare_again_keeps_what_is_there(layers: Layers, snapshots: Overlay) -> None:
    ids = [ingest(layers, file(b"f"))]
    first = snapshots.prepare("key", ids)
    (snapshots.upper("key") / "written").touch()
    assert snapshots.prepare("key", ids) == first == snapshots.rootfs("key", ids)
    assert os.listdir(snapshots.upper("key")) == ["written"]


def test_keys_and_removal(layers: Layers, snapshots: Overlay, tmp_path: Path) -> None:
    for key in ("b", "a"):
        snapshots.prepare(key, [])
    assert snapshots.keys() == ["a", "b"] and snapshots.exists("a")
    snapshots.remove("a")
    snapshots.remove("a")
    assert snapshots.keys() == ["b"] and not snapshots.exists("a")
    assert sorted(os.listdir(tmp_path / "snapshots")) == [".empty", "b"]
    for act in (snapshots.usage, snapshots.upper, lambda key: snapshots.rootfs(key, [])):
        with pytest.raises(NotFound):
            act("a")


def test_a_layer_that_is_missing_leaves_no_snapshot(snapshots: Overlay) -> None:
    with pytest.raises(NotFound):
        snapshots.prepare("key", ["sha256:" + "0" * 64])
    assert snapshots.keys() == []


@pytest.mark.parametrize("key", ["", ".", "..", "a/b", "../x", ".empty", ".tmp-x", "a\n", "ä", "a" * 129])
def test_a_key_is_one_harmless_component(snapshots: Overlay, key: str) -> None:
    for act in (snapshots.remove, lambda key: snapshots.prepare(key, []), lambda key: snapshots.rootfs(key, [])):
        with pytest.raises(InvalidRequest):
            act(key)
    assert not snapshots.exists(key)


def test_c15_nobody_else_can_reach_into_a_snapshot(snapshots: Overlay, tmp_path: Path) -> None:
    snapshots.prepare("key", [])
    for path in (tmp_path / "snapshots", tmp_path / "snapshots" / "key", tmp_path / "snapshots" / "key" / "work"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_what_a_crash_left_is_swept(layers: Layers, snapshots: Overlay, tmp_path: Path) -> None:
    snapshots.prepare("key", [])
    (tmp_path / "snapshots" / ".tmp-1" / "upper" / "d").mkdir(parents=True)
    Overlay(tmp_path / "snapshots", layers).close()
    assert sorted(os.listdir(tmp_path / "snapshots")) == [".empty", "key"]


def test_a_tree_deeper_than_any_path_is_measured_and_removed(snapshots: Overlay, tmp_path: Path) -> None:
    """A container can make one with a relative mkdir and chdir, again and again."""
    snapshots.prepare("key", [])
    directory_fd = os.open(snapshots.upper("key"), os.O_RDONLY)
    for _ in range(6000):
        os.mkdir("d", dir_fd=directory_fd)
        below = os.open("d", os.O_RDONLY, dir_fd=directory_fd)
        os.close(directory_fd)
        directory_fd = below
    os.close(directory_fd)
    (snapshots.upper("key") / "f").write_bytes(b"12345")
    (snapshots.upper("key") / "d" / "f").write_bytes(b"678")
    os.link(snapshots.upper("key") / "f", snapshots.upper("key") / "d" / "same")
    assert snapshots.usage("key") == 8
    snapshots.remove("key")
    assert os.listdir(tmp_path / "snapshots") == [".empty"]


def test_removal_does_not_follow_links(snapshots: Overlay, tmp_path: Path) -> None:
    (tmp_path / "canary").mkdir()
    (tmp_path / "canary" / "f").touch()
    snapshots.prepare("key", [])
    os.symlink(tmp_path / "canary", snapshots.upper("key") / "link")
    (snapshots.upper("key") / "removed-1").mkdir()
    (snapshots.upper("key") / "removed-1" / "removed-2").mkdir()
    (snapshots.upper("key") / "removed-3").touch()
    os.symlink(tmp_path / "canary", snapshots.upper("key") / "removed-1" / "link")
    snapshots.remove("key")
    assert os.listdir(tmp_path / "canary") == ["f"] and os.listdir(tmp_path / "snapshots") == [".empty"]
