"""Do both ways of keeping a layer keep the same promise? One suite, for EROFS and for unpacked directories.

The oracle for plain archives is GNU tar; for whiteouts it is overlayfs itself, with what image-spec says must be seen.
"""

import io
import os
import random
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from contracts.trees import layer_picture, rootfs_picture, tar_picture
from sampan.errors import NotFound
from sampan.layers.header import BadLayer
from sampan.layers.probe import DIRECTORY, EROFS, probe_backend
from sampan.layers.store import Layers
from sampan.unpacking.process import unpack_confined
from unit.layers.crafted import (
    archive,
    base256,
    device,
    diff_id,
    directory,
    file,
    hardlink,
    header,
    long_name,
    pax,
    symlink,
)

pytestmark = pytest.mark.needs_root
CONFINED = "confined"

CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")  # cap_net_bind_service=ep


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
    for layer in store.diff_ids():
        store.remove(layer)  # some are deeper than the removal of temporary directories can go
    store.close()


def ingest(layers: Layers, tar: bytes) -> str:
    """Take a tar in; its diff ID."""
    info = layers.ingest(io.BytesIO(tar))
    assert info.diff_id == diff_id(tar) and info.size == len(tar)
    return info.diff_id


def assert_like_tar(layers: Layers, tar: bytes, tmp_path: Path, *options: str) -> None:
    """The layer is what GNU tar makes of the archive, to the nanosecond."""
    assert layer_picture(layers, ingest(layers, tar)) == tar_picture(tar, tmp_path / "tar", *options)


# -- the tree


def test_every_kind_of_file_is_as_tar_has_it(layers: Layers, tmp_path: Path) -> None:
    tar = archive(
        directory(b"./", mode=0o751, uid=3, gid=4, mtime=1_600_000_000),
        directory(b"d/", mode=0o1777, uid=5, gid=6, mtime=1_500_000_000),
        file(b"d/empty", mtime=1),
        file(b"d/set-id", b"#!", mode=0o6755, uid=1000, gid=1001),
        pax({b"mtime": b"1700000000.123456789", b"uid": b"3000000000", b"gid": b"4000000000"}),
        file(b"d/large-owner", b"x"),
        pax({b"SCHILY.xattr.security.capability": CAPABILITY, b"SCHILY.xattr.user.note": b"a\0b"}),
        file(b"d/ping", b"elf", mode=0o755),
        pax({b"SCHILY.xattr.user.dir": b"v" * 700}),
        directory(b"d/attributes", mtime=7),
        symlink(b"s", b"d/empty", uid=9, mtime=2),
        symlink(b"dangling", b"/no/such/thing"),
        hardlink(b"h1", b"d/set-id", mode=0o6755, uid=1000, gid=1001),
        hardlink(b"h2", b"./h1", mode=0o6755, uid=1000, gid=1001),
        hardlink(b"s2", b"s"),
        device(b"null", 1, 3, mode=0o666),
        device(b"disk", 259, 70_000, type=b"4", mode=0o660, gid=6),
        header(b"fifo", type=b"6", mode=0o600, mtime=3),
        header(b"old", mtime=base256(-86_400, 12), size=0),
    )
    assert_like_tar(layers, tar, tmp_path)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 4095, 4096, 4097, 1 << 20, (3 << 20) + 5])
def test_files_of_any_size(layers: Layers, tmp_path: Path, size: int) -> None:
    data = random.Random(size).randbytes(size)
    members = [file(b"before", b"b", mtime=5), file(b"f", data, mtime=5), file(b"after", b"a", mtime=5)]
    assert_like_tar(layers, archive(directory(b".", mtime=5), *members), tmp_path)


def test_names_of_any_bytes_and_lengths(layers: Layers, tmp_path: Path) -> None:
    names = [bytes([byte]) for byte in range(1, 256) if byte not in b"/."]
    names += [b"n" * length for length in (99, 100, 101, 254, 255)]
    names += [b"...", b".x", b"..x", b"-", b"-rf", b" ", b"\xff\xfe", "snowman ☃".encode(), b"a\nb", b"." * 200]
    members = [long_name(name) + file(name[:100], name, mtime=5) for name in names]
    assert_like_tar(layers, archive(directory(b".", mtime=5), *members), tmp_path)


@pytest.mark.parametrize("count", [1, 13, 14, 500, 5000])
def test_directories_of_any_size(layers: Layers, tmp_path: Path, count: int) -> None:
    chance = random.Random(count)
    names = [b"%x" % number + b"y" * chance.randrange(80) for number in range(count)]
    chance.shuffle(names)
    members = [file(b"d/" + name, mtime=5) for name in names]
    assert_like_tar(layers, archive(directory(b".", mtime=5), directory(b"d", mtime=5), *members), tmp_path)


def test_symlinks_of_any_length(layers: Layers, tmp_path: Path) -> None:
    lengths = [1, 2, 99, 100, 101, 380, *range(440, 460), 511, 512, 513, 1000, 4094, 4095]
    members = [
        long_name(b"t" * length, type=b"K") + symlink(b"%d" % length, b"t" * min(length, 100), mtime=5)
        for length in lengths
    ]
    assert_like_tar(layers, archive(directory(b".", mtime=5), *members), tmp_path)


def test_deep_directories(layers: Layers, tmp_path: Path) -> None:
    path = b"/".join([b"d"] * 1500)
    tar = archive(long_name(path + b"/f") + file(b"f", b"deep"))
    seen = layer_picture(layers, ingest(layers, tar))
    assert seen[os.fsdecode(path + b"/f")][5] == 4
    assert len(seen) == 1502


def test_attributes_of_any_size(layers: Layers, tmp_path: Path) -> None:
    members = [
        pax({b"SCHILY.xattr.user." + b"n" * (size % 200 + 1): b"v" * size}) + file(b"%d" % size, b"data", mtime=5)
        for size in (0, 1, 2, 3, 4, 100, 440, 448, 900, 3000)
    ]
    assert_like_tar(layers, archive(directory(b".", mtime=5), *members), tmp_path)


def test_the_last_member_of_a_name_wins(layers: Layers, tmp_path: Path) -> None:
    tar = archive(
        directory(b".", mtime=5),
        file(b"f", b"first"),
        hardlink(b"kept", b"f"),
        file(b"f", b"second", mode=0o600),
        directory(b"d", mode=0o700),
        file(b"d/inside", b"stays"),
        directory(b"d", mode=0o755, uid=7, mtime=5),
        symlink(b"l", b"f"),
        file(b"l", b"was a link"),
        file(b"becomes-link", b"was a file"),
        symlink(b"becomes-link", b"elsewhere"),
    )
    assert_like_tar(layers, tar, tmp_path)


def test_a_name_may_change_between_file_and_directory(layers: Layers) -> None:
    tar = archive(
        directory(b"a"), file(b"a/gone", b"x"), directory(b"a/gone-too"), file(b"a", b"now a file"),
        file(b"b", b"x"), directory(b"b"), file(b"b/new", b"y"),
        directory(b"c"), file(b"c/gone"), file(b"c"), directory(b"c"), file(b"c/again"),
    )  # fmt: skip
    seen = layer_picture(layers, ingest(layers, tar))
    assert sorted(seen) == [".", "a", "b", "b/new", "c", "c/again"]
    assert seen["a"][0] == "100644" and seen["b"][0] == "40755"


def test_parents_that_no_member_names_are_made(layers: Layers) -> None:
    seen = layer_picture(layers, ingest(layers, archive(file(b"a/b/c", b"x"))))
    assert {path: seen[path][:3] for path in (".", "a", "a/b")} == {path: ["40755", 0, 0] for path in (".", "a", "a/b")}
    late = layer_picture(layers, ingest(layers, archive(file(b"a/f"), directory(b"a", mode=0o700, uid=8))))
    assert late["a"][:2] == ["40700", 8]


def test_a_link_in_the_layer_leads_within_the_layer(layers: Layers) -> None:
    tar = archive(
        directory(b"usr/lib"),
        symlink(b"lib", b"usr/lib"),
        file(b"lib/libc.so", b"elf"),
        symlink(b"absolute", b"/usr"),
        file(b"absolute/share/doc", b"text"),
        symlink(b"usr/up", b"../../../../etc"),
        file(b"usr/up/passwd", b"root"),
        symlink(b"dangling", b"var/not-there"),
        file(b"dangling/made", b"x"),
        hardlink(b"linked", b"lib/libc.so"),
    )
    seen = layer_picture(layers, ingest(layers, tar))
    files = sorted(path for path, entry in seen.items() if entry[0].startswith("100"))
    assert files == ["etc/passwd", "linked", "usr/lib/libc.so", "usr/share/doc", "var/not-there/made"]
    assert seen["usr/lib/libc.so"][-2:] == seen["linked"][-2:] == [2, "linked"]


def test_names_are_cleaned_as_text(layers: Layers) -> None:
    tar = archive(
        file(b"/abs", b"1"), file(b"./a//b/../c", b"2"), file(b"a/./d/", b"", type=b"\0"), file(b"x/.././y", b"3")
    )
    assert sorted(layer_picture(layers, ingest(layers, tar))) == [".", "a", "a/c", "a/d", "abs", "y"]


# -- whiteouts


def test_whiteouts_and_opaque_directories_through_overlayfs(layers: Layers, tmp_path: Path) -> None:
    below = archive(
        directory(b".", mode=0o755, mtime=5),
        file(b"deleted", b"1"), file(b"kept", b"1"), directory(b"gone"), file(b"gone/f"),
        directory(b"opaque"), file(b"opaque/old", b"1"), directory(b"opaque/sub"), file(b"opaque/sub/old"),
        directory(b"remade"), file(b"remade/old"), file(b"dev"), directory(b"replaced"), file(b"replaced/f"),
    )  # fmt: skip
    middle = archive(
        file(b".wh.deleted"), file(b".wh.gone"), file(b"opaque/new", b"2"), file(b"opaque/.wh..wh..opq"),
        file(b".wh.remade"), directory(b"remade"), file(b"remade/new"), file(b"replaced", b"a file now"),
        hardlink(b".wh.dev", b".wh.deleted"), file(b".wh.never-was"), file(b".wh..wh.plnk/1.2", b"x"),
    )  # fmt: skip
    top = archive(file(b"deleted", b"back"), directory(b"gone"), file(b"gone/again"), file(b"opaque/.wh.new"))
    two = rootfs_picture(layers, [ingest(layers, below), ingest(layers, middle)], tmp_path)
    assert sorted(two) == [".", "kept", "opaque", "opaque/new", "remade", "remade/new", "replaced"]
    three = rootfs_picture(layers, [diff_id(below), diff_id(middle), ingest(layers, top)], tmp_path)
    assert sorted(three) == [
        ".", "deleted", "gone", "gone/again", "kept", "opaque", "remade", "remade/new", "replaced",
    ]  # fmt: skip


@pytest.mark.parametrize("order", [0, 1])
def test_a_whiteout_speaks_of_the_layers_below_only(layers: Layers, tmp_path: Path, order: int) -> None:
    below = archive(file(b"f", b"below"), directory(b"d"), file(b"d/below"))
    pairs = [
        [file(b".wh.f"), file(b"f", b"new")],
        [file(b".wh.d"), file(b"d/new")],
        [file(b"o/.wh..wh..opq"), file(b"o/f")],
    ]
    members = [member for pair in pairs for member in (pair if order else reversed(pair))]
    seen = rootfs_picture(layers, [ingest(layers, below), ingest(layers, archive(*members))], tmp_path)
    assert sorted(seen) == [".", "d", "d/new", "f", "o", "o/f"]
    assert seen["f"][5] == 3


def test_a_whiteout_in_an_opaque_directory_says_nothing(layers: Layers) -> None:
    """overlayfs lists it, as a file that is not there, in a directory that it need not merge."""
    tar = archive(
        file(b"o/.wh.a"), file(b"o/.wh..wh..opq"), file(b"o/sub/.wh.b"), file(b"o/f"),
        file(b".wh.d"), file(b"d/.wh.c"), file(b"e/.wh.kept"),
    )  # fmt: skip
    assert sorted(layer_picture(layers, ingest(layers, tar))) == [".", "d", "e", "e/kept", "o", "o/f", "o/sub"]


def test_an_opaque_root_hides_everything_below(layers: Layers, tmp_path: Path) -> None:
    ids = [ingest(layers, archive(file(name))) for name in (b"one", b"two")]
    ids.append(ingest(layers, archive(file(b".wh..wh..opq"), file(b"three"))))
    ids.append(ingest(layers, archive(file(b"four"))))
    assert sorted(rootfs_picture(layers, ids, tmp_path)) == [".", "four", "three"]


def test_c06_a_bare_whiteout_device_is_the_whiteout_that_overlayfs_takes_it_for(layers: Layers, tmp_path: Path) -> None:
    below = ingest(layers, archive(file(b"f"), directory(b"d"), file(b"d/x"), file(b"kept")))
    above = ingest(layers, archive(device(b"f", 0, 0), device(b"d", 0, 0), directory(b"d"), file(b"d/new")))
    assert sorted(rootfs_picture(layers, [below, above], tmp_path)) == [".", "d", "d/new", "kept"]


def test_a_real_device_in_place_of_a_whiteout_is_a_device(layers: Layers, tmp_path: Path) -> None:
    above = ingest(layers, archive(file(b".wh.null"), device(b"null", 1, 3), hardlink(b"also", b"null")))
    seen = rootfs_picture(layers, [ingest(layers, archive(file(b"null", b"x"))), above], tmp_path)
    assert seen["null"][0] == "20644" and seen["also"][5] == [1, 3]


# -- hostile layers: the ids are those of the security catalogue

REFUSED = {
    "C01 up": [file(b"../canary")],
    "C01 up and down": [file(b"a/../../canary")],
    "C01 absolute up": [file(b"/../canary")],
    "C01 many ups": [file(b"../" * 30 + b"canary")],
    "C01 up in a directory": [directory(b"..")],
    "C01 up in a whiteout": [file(b"../.wh.canary")],
    "C01 link up": [hardlink(b"h", b"../canary")],
    "C02 through a file": [file(b"f"), file(b"f/g")],
    "C02 through a device": [device(b"n", 1, 3), file(b"n/g")],
    "C02 link loop": [symlink(b"a", b"b"), symlink(b"b", b"a"), file(b"a/f")],
    "C02 link to itself": [symlink(b"a", b"a"), file(b"a/f")],
    "C02 links that multiply": [
        *(symlink(b"l%d" % n, b"l%d/x/l%d" % (n + 1, n + 1)) for n in range(60)), file(b"l0/f"),
    ],
    "C03 link to nothing": [hardlink(b"h", b"nothing")],
    "C03 link to the host": [hardlink(b"h", b"/etc/passwd")],
    "C03 link through a link to the host": [symlink(b"e", b"/etc"), hardlink(b"h", b"e/passwd")],
    "C03 link to a directory": [directory(b"d"), hardlink(b"h", b"d")],
    "C03 link to the root": [hardlink(b"h", b"/")],
    "C03 link to a later member": [hardlink(b"h", b"f"), file(b"f")],
    "C03 link to a whiteout": [file(b".wh.f"), hardlink(b"h", b"f")],
    "C05 root is a link": [symlink(b".", b"/etc")],
    "C05 root is a file": [file(b"/.", b"x")],
    "C05 root is a device": [device(b".", 1, 3)],
    "C05 root is a hard link": [file(b"f"), hardlink(b"/", b"f")],
    "C06 empty whiteout": [file(b".wh.")],
    "C06 whiteout of a dot": [file(b"a/.wh..")],
    "C06 whiteout of the parent": [file(b"a/.wh...")],
    "C06 whiteout as a parent": [file(b".wh.a/f")],
    "C06 opaque marker as a parent": [file(b"a/.wh..wh..opq/f")],
    "C10 path of 10^5 directories": [pax({b"path": b"d/" * 100_000 + b"f"}), file(b"f")],
    "C10 name of 256 bytes": [long_name(b"n" * 256), file(b"n")],
    "C10 deep through links": [
        *(
            long_name(b"l%d/" % n * bool(n) + b"d/" * 1000 + b"f") + file(b"f")
            + long_name(b"l%d/" % n * bool(n) + b"d/" * 999 + b"d", type=b"K") + symlink(b"l%d" % (n + 1), b"x")
            for n in range(5)
        ),
    ],
    "C11 sparse": [header(b"s", type=b"S", magic=b"ustar  \0")],
    "C13 bad checksum behind a good member": [file(b"good"), file(b"bad", checksum=7)],
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_without_a_trace(layers: Layers, tmp_path: Path, case: str) -> None:
    canary = tmp_path / "canary"
    canary.write_text("untouched")
    before = sorted(os.listdir(tmp_path))
    tar = archive(*REFUSED[case])
    with pytest.raises(BadLayer):
        layers.ingest(io.BytesIO(tar))
    assert not layers.has(diff_id(tar)) and os.listdir(tmp_path / "layers") == []
    assert sorted(os.listdir(tmp_path)) == before
    assert canary.read_text() == "untouched" and canary.stat().st_nlink == 1


def test_c02_a_link_of_the_layer_below_is_not_followed(layers: Layers, tmp_path: Path) -> None:
    (tmp_path / "canary").mkdir()
    below = ingest(layers, archive(symlink(b"link", os.fsencode(tmp_path / "canary"))))
    above = ingest(layers, archive(file(b"link/f", b"x")))
    assert os.listdir(tmp_path / "canary") == []
    assert rootfs_picture(layers, [below, above], tmp_path)["link"][0] == "40755"


def test_c02_an_absolute_link_leads_to_the_layer_not_the_host(layers: Layers, tmp_path: Path) -> None:
    (tmp_path / "canary").mkdir()
    target = os.fsencode(tmp_path / "canary")
    seen = layer_picture(layers, ingest(layers, archive(symlink(b"link", target), file(b"link/f", b"x"))))
    assert os.listdir(tmp_path / "canary") == []
    assert seen[os.fsdecode(target[1:] + b"/f")][5] == 1


def test_c07_nothing_in_an_image_speaks_to_overlayfs(layers: Layers, tmp_path: Path) -> None:
    hostile = {
        b"trusted.overlay.redirect": b"/secret", b"trusted.overlay.metacopy": b"", b"trusted.overlay.opaque": b"y",
        b"trusted.overlay.origin": b"x", b"user.overlay.redirect": b"/secret", b"user.overlay.opaque": b"y",
        b"security.selinux": b"label", b"system.posix_acl_access": b"acl", b"trusted.other": b"x",
        b"user.fine": b"kept",
    }  # fmt: skip
    attributes = {b"SCHILY.xattr." + name: value for name, value in hostile.items()}
    below = ingest(layers, archive(directory(b"secret"), file(b"secret/f"), directory(b"d"), file(b"d/below")))
    above = ingest(
        layers,
        archive(pax(attributes), directory(b"d"), pax(attributes), file(b"f"), pax(attributes), symlink(b"s", b"f")),
    )
    seen = layer_picture(layers, above)
    assert [seen[name][4] for name in ("d", "f", "s")] == [[["user.fine", b"kept".hex()]]] * 2 + [[]]
    assert "d/below" in rootfs_picture(layers, [below, above], tmp_path)


def test_c08_capabilities_and_set_id_bits_survive_exactly(layers: Layers) -> None:
    attributes = pax({b"SCHILY.xattr.security.capability": CAPABILITY})
    tar = archive(attributes, file(b"f", b"x", mode=0o6755, uid=1000), attributes, directory(b"d"))
    seen = layer_picture(layers, ingest(layers, tar))
    assert seen["f"][0] == "106755" and seen["f"][4] == [["security.capability", CAPABILITY.hex()]]
    assert seen["d"][4] == []


def test_c08_c15_nobody_else_can_reach_into_the_store(layers: Layers, tmp_path: Path) -> None:
    ingest(layers, archive(file(b"f", b"x", mode=0o4755)))
    for path in [tmp_path / "layers", *(tmp_path / "layers").iterdir()]:
        assert path.stat().st_mode & 0o077 == 0
    for path in (tmp_path / "layers").glob("*/layer.*"):
        assert path.stat().st_mode & 0o777 == 0o600


# -- the store


def test_a_layer_that_is_not_the_expected_one_leaves_nothing(layers: Layers, tmp_path: Path) -> None:
    with pytest.raises(BadLayer, match="expected diff ID"):
        layers.ingest(io.BytesIO(archive(file(b"f"))), expected_diff_id="sha256:" + "0" * 64)
    assert os.listdir(tmp_path / "layers") == []


def test_a_source_that_fails_leaves_nothing(layers: Layers, tmp_path: Path) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise TimeoutError("the connection is gone")

    with pytest.raises(TimeoutError):
        layers.ingest(Failing())
    assert os.listdir(tmp_path / "layers") == []


def test_the_same_layer_twice_is_one(layers: Layers, tmp_path: Path) -> None:
    tar = archive(file(b"f", b"x"))
    assert ingest(layers, tar) == ingest(layers, tar)
    assert layers.diff_ids() == [diff_id(tar)] and len(os.listdir(tmp_path / "layers")) == 1


class Vanishing(Layers):
    """A store whose layer is removed by somebody else just when the same layer comes in again."""

    def settle(self, diff_ids: Iterable[str]) -> None:
        wanted = list(diff_ids)
        for each in wanted:
            self.remove(each)
        super().settle(wanted)


def test_a_layer_that_is_removed_while_it_comes_in_again_is_there(tmp_path: Path) -> None:
    layers = Vanishing(tmp_path / "layers", tmp_path / "run", backend=DIRECTORY)
    tar = archive(file(b"f", b"x"))
    for _ in range(2):
        assert layers.has(ingest(layers, tar))
    layers.remove(diff_id(tar))
    layers.close()


def test_the_bytes_come_back_exactly_even_those_behind_the_end(layers: Layers) -> None:
    tar = archive(file(b"f", b"x")) + b"trailing bytes that count, but mean nothing" * 50
    found = ingest(layers, tar)
    assert layers.tar(found).read_bytes() == tar and layers.verify(found)
    assert sorted(layer_picture(layers, found)) == [".", "f"]


def test_verify_notices_a_flipped_bit(layers: Layers) -> None:
    found = ingest(layers, archive(file(b"f", b"x")))
    with open(layers.tar(found), "r+b") as file_:
        file_.seek(600)
        file_.write(b"!")
    assert not layers.verify(found)


def test_remove_and_remove_again(layers: Layers, tmp_path: Path) -> None:
    found = ingest(layers, archive(directory(b"d"), file(b"d/f")))
    layers.remove(found)
    layers.remove(found)
    assert not layers.has(found) and os.listdir(tmp_path / "layers") == []
    with pytest.raises(NotFound):
        layers.mount_of(found)


def test_what_a_crash_left_is_swept_but_not_what_is_at_work(layers: Layers, tmp_path: Path) -> None:
    found = ingest(layers, archive(file(b"f")))
    crashed = tmp_path / "layers" / "tmp-0123"
    (crashed / "fs" / "d").mkdir(parents=True)
    (crashed / "layer.tar").write_bytes(b"half")

    class Source(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            Layers(tmp_path / "layers", tmp_path / "run", backend=layers.backend).close()  # sweeps
            return super().read(size)

    assert layers.ingest(Source(archive(file(b"g")))).diff_id in layers.diff_ids()
    assert not crashed.exists() and layers.has(found)


@pytest.mark.parametrize(
    "name", ["", "sha256:", "sha256:" + "g" * 64, "sha256:" + "a" * 63, "md5:" + "a" * 64, "../x", "sha256:" + "A" * 64]
)
def test_c17_a_diff_id_is_checked_before_it_becomes_a_path(layers: Layers, name: str) -> None:
    with pytest.raises(BadLayer):
        layers.has(name)


def test_compressed_layers_are_the_same_layers(layers: Layers) -> None:
    tar = archive(file(b"f", b"x" * 100_000))
    for program in ("gzip", "zstd", "xz", "bzip2"):
        packed = subprocess.run([program, "-c"], input=tar, capture_output=True, check=True).stdout
        assert layers.ingest(io.BytesIO(packed), expected_diff_id=diff_id(tar)).size == len(tar)


def test_a_layer_taken_in_with_one_backend_serves_the_other(layers: Layers, tmp_path: Path) -> None:
    tar = archive(directory(b"d", mtime=5), file(b"d/f", b"x", mtime=5), hardlink(b"h", b"d/f"))
    found = ingest(layers, tar)
    seen = layer_picture(layers, found)
    other = Layers(tmp_path / "layers", tmp_path / "run", backend=DIRECTORY if layers.backend == EROFS else EROFS)
    if probe_backend(tmp_path) == EROFS:
        assert layer_picture(other, found) == seen
    other.close()
