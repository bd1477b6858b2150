"""Does the reader find every member, exactly, or refuse the archive? (security catalogue C10, C11, C13)"""

import io
import random
import tarfile
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.layers.header import BadLayer
from sampan.layers.stream import Stream
from sampan.layers.tar import Kind, Member, read_members
from unit.layers.crafted import (
    archive,
    base256,
    device,
    directory,
    file,
    hardlink,
    header,
    long_name,
    padded,
    pax,
    symlink,
)


def members(tar: bytes) -> list[Member]:
    """All members of an archive."""
    return list(read_members(Stream(io.BytesIO(tar))))


def only(*parts: bytes) -> Member:
    """The one member of an archive."""
    (member,) = members(archive(*parts))
    return member


def test_a_plain_file() -> None:
    member = only(file(b"etc/hosts", b"127.0.0.1\n", mode=0o640, uid=1, gid=2, mtime=1_700_000_000))
    assert member[:8] == (b"etc/hosts", Kind.FILE, 0o640, 1, 2, 10, 1_700_000_000 * 10**9, b"")
    assert member.offset == 512


def test_every_kind() -> None:
    found = members(
        archive(
            file(b"f"),
            file(b"old", type=b"\0"),
            file(b"contiguous", type=b"7"),
            directory(b"d/"),
            file(b"olddir/", type=b"\0"),
            symlink(b"s", b"t"),
            hardlink(b"h", b"f"),
            device(b"c", 1, 3),
            device(b"b", 7, 0, type=b"4"),
            header(b"p", type=b"6"),
        )
    )
    expected = ["FILE", "FILE", "FILE", "DIRECTORY", "DIRECTORY", "SYMLINK", "HARDLINK", "CHARACTER", "BLOCK", "FIFO"]
    assert [member.kind.name for member in found] == expected
    assert [member.device for member in found[7:9]] == [(1, 3), (7, 0)]


def test_the_prefix_of_ustar_and_of_star_but_not_of_gnu() -> None:
    assert only(file(b"name", prefix=b"a/b")).path == b"a/b/name"
    gnu = file(b"name", prefix=b"00000000000\0", magic=b"ustar  \0")
    assert only(gnu).path == b"name"
    star = bytearray(header(b"name", prefix=b"p" * 131 + b"00000000000\0" * 2))
    star[508:512] = b"tar\0"
    star[148:156] = b"%06o\0 " % (sum(star[:148]) + 256 + sum(star[156:]))
    assert only(bytes(star)).path == b"p" * 131 + b"/name"


def test_names_are_bytes() -> None:
    assert only(file(b"caf\xe9")).path == b"caf\xe9"


def test_gnu_long_names_and_links() -> None:
    member = only(long_name(b"n" * 300), long_name(b"l" * 300, type=b"K"), symlink(b"n" * 100, b"l" * 100))
    assert (member.path, member.link) == (b"n" * 300, b"l" * 300)


def test_pax_records_override_the_header() -> None:
    values = {
        b"path": b"p" * 200,
        b"uid": b"3000000000",
        b"gid": b"4000000000",
        b"mtime": b"12.000000034",
        b"size": b"3",
        b"SCHILY.xattr.user.a": b"\0\n=",
        b"atime": b"1",
        b"comment": b"none",
    }
    member = only(pax(values) + header(b"x", size=7) + padded(b"abc"))
    assert (member.path, member.uid, member.gid, member.size) == (b"p" * 200, 3_000_000_000, 4_000_000_000, 3)
    assert member.mtime_ns == 12_000_000_034
    assert member.xattrs == {b"user.a": b"\0\n="}


def test_an_empty_pax_value_gives_the_field_back_to_the_header() -> None:
    assert only(pax({b"uid": b"", b"mtime": b""}), file(b"x", uid=7, mtime=8))[3:7] == (7, 0, 0, 8 * 10**9)


def test_bsdtar_attributes() -> None:
    values = {
        b"LIBARCHIVE.xattr.user.a%20b": b"dmFsdWU=",
        b"LIBARCHIVE.xattr.user.twice": b"eA==",
        b"SCHILY.xattr.user.twice": b"x",
    }
    assert only(pax(values), file(b"x")).xattrs == {b"user.a b": b"value", b"user.twice": b"x"}


def test_large_and_negative_numbers_in_base_256() -> None:
    member = only(header(b"x", uid=base256(2_000_000_000, 8), mtime=base256(-5, 12)))
    assert (member.uid, member.mtime_ns) == (2_000_000_000, -5 * 10**9)


def test_python_writes_what_we_read() -> None:
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
            for number in range(50):
                info = tarfile.TarInfo("directory/" * (number % 12) + f"file-{number}")
                info.size = number * 100
                info.uid = number
                tar.addfile(info, io.BytesIO(bytes(info.size)))
        with tarfile.open(fileobj=io.BytesIO(buffer.getvalue())) as tar:
            expected = [(info.name.encode(), info.size, info.uid, info.offset_data) for info in tar]
        assert [(m.path, m.size, m.uid, m.offset) for m in members(buffer.getvalue())] == expected


def test_the_data_may_be_read_between_members() -> None:
    stream = Stream(io.BytesIO(archive(file(b"a", b"1" * 600), file(b"b", b"2" * 5), file(b"c", b"3"))))
    data = {}
    for member in read_members(stream):
        if member.path != b"b":
            data[member.path] = stream.read(member.size)
    assert data == {b"a": b"1" * 600, b"c": b"3"}


def test_an_archive_without_an_end_mark_is_whole() -> None:
    assert len(members(file(b"a", b"data"))) == 1
    assert members(b"") == []


def test_what_follows_the_end_is_left_in_the_stream() -> None:
    stream = Stream(io.BytesIO(archive(file(b"a")) + file(b"hidden")))
    assert [member.path for member in read_members(stream)] == [b"a"]
    assert stream.drain() == 512


GOOD = file(b"a", b"data")


@pytest.mark.parametrize(
    ("reason", "tar"),
    {
        "C13 checksum": archive(GOOD, file(b"b", checksum=1), GOOD),
        "C13 first checksum": archive(file(b"b", checksum=0)),
        "C13 cut header": GOOD + GOOD[:100],
        "C13 cut data": GOOD + file(b"b", b"x" * 600)[:900],
        "C13 cut padding": GOOD + file(b"b", b"x" * 600)[:1300],
        "C13 one zero block": GOOD + bytes(512) + GOOD + bytes(1024),
        "C13 unknown type": archive(header(b"v", type=b"V")),
        "C13 directory with a file's type": archive(file(b"d/")),
        "C13 hard link with data": archive(hardlink(b"h", b"a", size=5) + padded(b"12345")),
        "C13 two pax headers": archive(pax({b"path": b"a"}), pax({b"path": b"b"}), GOOD),
        "C13 two names": archive(long_name(b"gnu"), pax({b"path": b"pax"}), GOOD),
        "C13 global path": archive(pax({b"path": b"x"}, type=b"g"), GOOD),
        "C13 global size": archive(pax({b"size": b"9"}, type=b"g"), GOOD),
        "C13 global attribute": archive(pax({b"SCHILY.xattr.user.x": b"9"}, type=b"g"), GOOD),
        "C13 extension without member": archive(pax({b"path": b"x"})),
        "C13 not a tar": b"hello world " * 100,
        "C11 GNU sparse": archive(header(b"s", type=b"S", magic=b"ustar  \0")),
        "C11 pax sparse": archive(pax({b"GNU.sparse.major": b"1", b"GNU.sparse.realsize": b"9"}), GOOD),
        "C11 pax header of 50 MB": archive(header(b"x", type=b"x", size=50 << 20)),
        "C11 long name of 1 GB": archive(header(b"x", type=b"L", size=1 << 30)),
        "C11 negative pax header": archive(header(b"x", type=b"x", size=base256(-512, 12))),
        "C11 negative size": archive(header(b"x", size=base256(-512, 12))),
        "C11 endless size": archive(header(b"x", size=base256((1 << 62), 12))),
        "C11 endless pax size": archive(pax({b"size": b"9" * 18}), GOOD),
        "C11 name of 5000 bytes": archive(pax({b"path": b"a/" * 2500}), GOOD),
        "C11 link of 5000 bytes": archive(pax({b"linkpath": b"a/" * 2500}), symlink(b"s", b"t")),
        "C11 attributes of 100 KB": archive(pax({b"SCHILY.xattr.user.x": b"x" * 100_000}), GOOD),
        "C11 attribute name": archive(pax({b"SCHILY.xattr." + b"n" * 300: b""}), GOOD),
        "C11 attribute name NUL": archive(pax({b"SCHILY.xattr.a\0b": b""}), GOOD),
        "C11 attribute not base64": archive(pax({b"LIBARCHIVE.xattr.user.x": b"abc"}), GOOD),
        "NUL in a name": archive(pax({b"path": b"a\0b"}), GOOD),
        "empty name": archive(file(b"")),
        "empty link": archive(symlink(b"s", b"")),
        "owner -1": archive(header(b"x", uid=base256(-1, 8))),
        "owner 2^32-1": archive(pax({b"uid": b"4294967295"}), GOOD),
        "device out of range": archive(device(b"c", 4096, 0)),
    }.items(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refused(reason: str, tar: bytes) -> None:
    with pytest.raises(BadLayer):
        members(tar)


def test_c11_a_header_is_refused_at_once_and_for_little_memory() -> None:
    tracemalloc.start()
    begin = time.monotonic()
    with pytest.raises(BadLayer):
        members(archive(header(b"x", type=b"x", size=50 << 20) + bytes(1 << 20)))
    assert time.monotonic() - begin < 1
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0), st.lists(st.tuples(st.integers(0, 6000), st.binary(min_size=1, max_size=4)), min_size=1, max_size=6)
)
def test_c13_damage_is_an_error_or_changes_no_list(seed: int, damages: list[tuple[int, bytes]]) -> None:
    """However an archive is damaged, the reader ends with BadLayer or with members inside the bytes that there are."""
    chance = random.Random(seed)
    parts = [
        file(b"a", b"x" * chance.randrange(1500)),
        pax({b"path": b"p" * 120, b"mtime": b"1.5", b"SCHILY.xattr.user.k": b"v"}),
        file(b"b", b"y" * 700),
        long_name(b"n" * 200),
        symlink(b"s", b"t"),
        directory(b"d/"),
    ]
    tar = bytearray(archive(*parts))
    for position, data in damages:
        tar[position : position + len(data)] = data
    try:
        found = members(bytes(tar))
    except BadLayer:
        return
    assert all(member.offset + member.size <= len(tar) for member in found)


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=2048))
def test_any_bytes_end_in_members_or_bad_layer(data: bytes) -> None:
    try:
        members(data)
    except BadLayer:
        pass
