"""Is what we write what we, Python and GNU tar read?"""

import io
import subprocess
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.layers.encode import END_OF_ARCHIVE, encode, padding
from sampan.layers.stream import Stream
from sampan.layers.tar import Kind, Member, read_members

COMPONENT = st.binary(min_size=1, max_size=60).map(lambda name: name.replace(b"\0", b"0").replace(b"/", b"_"))
PATHS = st.lists(COMPONENT, min_size=1, max_size=8).map(b"/".join)
KINDS = st.sampled_from(list(Kind))
IDS = st.sampled_from([0, 1, 1000, 0o7777777, 0o10000000, 2**32 - 2])
XATTRS = st.dictionaries(COMPONENT.map(lambda name: b"user." + name), st.binary(max_size=20), max_size=3)


@st.composite
def members(draw: st.DrawFn) -> Member:
    """Any member that can exist."""
    kind = draw(KINDS)
    size = draw(st.sampled_from([0, 1, 512, 0o77777777777, 0o100000000000, 1 << 40])) if kind is Kind.FILE else 0
    is_device = kind in (Kind.CHARACTER, Kind.BLOCK)
    return Member(
        draw(PATHS),
        kind,
        draw(st.integers(0, 0o7777)),
        draw(IDS),
        draw(IDS),
        size,
        draw(st.integers(-(10**19), 10**19)),
        draw(PATHS) if kind in (Kind.SYMLINK, Kind.HARDLINK) else b"",
        (draw(st.integers(0, 4095)), draw(st.integers(0, 2**20 - 1))) if is_device else (0, 0),
        {name: value for name, value in draw(XATTRS).items() if b"=" not in name},
        0,
    )


@settings(max_examples=300, deadline=None)
@given(members())
def test_a_member_is_read_back(member: Member) -> None:
    data = encode(member)
    found = next(read_members(Stream(io.BytesIO(data + bytes(0)))))
    path = member.path + b"/" if member.kind is Kind.DIRECTORY else member.path
    assert found._replace(offset=0) == member._replace(path=path)
    assert found.offset == len(data)


def test_the_same_member_gives_the_same_bytes() -> None:
    member = Member(b"n" * 200, Kind.FILE, 0o644, 1, 2, 3, 4, b"", (0, 0), {b"user.b": b"1", b"user.a": b"2"}, 0)
    other = member._replace(xattrs={b"user.a": b"2", b"user.b": b"1"}, offset=99)
    assert encode(member) == encode(other)


@pytest.mark.parametrize("path", [b"short", b"long/" * 60 + b"name", "ünï/☃".encode(), b"latin \xe9" * 30])
def test_other_programs_read_it(path: bytes) -> None:
    member = Member(path, Kind.FILE, 0o640, 1000, 3_000_000_000, 5, 1_700_000_000_123_456_789, b"", (0, 0), {}, 0)
    tar = encode(member) + b"hello" + padding(5) + END_OF_ARCHIVE
    with tarfile.open(fileobj=io.BytesIO(tar), errors="surrogateescape") as opened:
        (info,) = opened
        assert info.name.encode(errors="surrogateescape") == path
        assert (info.mode, info.uid, info.gid, info.size) == (0o640, 1000, 3_000_000_000, 5)
        assert float(info.mtime) == pytest.approx(1_700_000_000.123456789)
    listed = subprocess.run(["tar", "-tf", "-", "--quoting-style=literal"], input=tar, capture_output=True, check=True)
    assert listed.stdout == path + b"\n"
    assert b"hdrcharset" in listed.stderr or not listed.stderr  # GNU tar does not know POSIX's word for raw bytes
