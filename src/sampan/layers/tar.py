"""Which members does a tar hold?

Header blocks in, `Member`s out. The reader is strict: a wrong checksum, an unknown type, a truncated archive or a field
that two programs could read differently is an error, never a shorter list. Everything that a header can make us keep in
memory is capped. Formats: see `header`. Names and links are bytes, as the archive spells them; `changeset` decides what
they mean. Nothing is ever extracted here.
"""

import binascii
from collections.abc import Iterator, Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from sampan.layers.header import (
    BLOCK,
    FIELDS,
    ZERO_BLOCK,
    BadLayer,
    parse_decimal,
    parse_number,
    parse_records,
    parse_time,
    text,
    verify_checksum,
)
from sampan.layers.stream import Stream

NAME_MAX = 4096  # PATH_MAX: no kernel could be asked for a longer one
EXTENDED_HEADER_MAX = 1 << 20
XATTR_NAME_MAX = 255  # XATTR_NAME_MAX of linux/limits.h
XATTRS_MAX = 65535  # bytes of names and values on one member

SCHILY_XATTR = b"SCHILY.xattr."
LIBARCHIVE_XATTR = b"LIBARCHIVE.xattr."
# Records that would change what the members that follow mean. A global header (typeflag g) with one of them is refused:
# Go ignores it, GNU tar and Python obey it, so such a layer has two contents.
MEANINGFUL = (b"path", b"linkpath", b"size", b"uid", b"gid", b"mtime", SCHILY_XATTR, LIBARCHIVE_XATTR, b"GNU.sparse.")


class Kind(IntEnum):
    """What a member is; the numbers up to 7 are the kernel's FT_* (linux/fs_types.h)."""

    FILE = 1
    DIRECTORY = 2
    CHARACTER = 3
    BLOCK = 4
    FIFO = 5
    SYMLINK = 7
    HARDLINK = 8


KINDS = {
    b"0": Kind.FILE,
    b"\0": Kind.FILE,
    b"7": Kind.FILE,  # contiguous: a hint to file systems of the 1980s
    b"1": Kind.HARDLINK,
    b"2": Kind.SYMLINK,
    b"3": Kind.CHARACTER,
    b"4": Kind.BLOCK,
    b"5": Kind.DIRECTORY,
    b"6": Kind.FIFO,
}
NO_XATTRS: Mapping[bytes, bytes] = MappingProxyType({})


class Member(NamedTuple):
    """One member of a tar."""

    path: bytes
    kind: Kind
    mode: int  # permission bits, 0o7777 at most
    uid: int
    gid: int
    size: int  # bytes of data; 0 unless a file
    mtime_ns: int
    link: bytes  # target of a symlink or hard link
    device: tuple[int, int]  # major, minor
    xattrs: Mapping[bytes, bytes]
    offset: int  # of the first byte of data in the archive


class _Extension:
    """What the extended headers in front of a member say about it."""

    def __init__(self) -> None:
        self.records: dict[bytes, bytes] = {}
        self.path = b""
        self.link = b""


def read_members(stream: Stream) -> Iterator[Member]:
    """The members of the archive, in order; ends at the end-of-archive mark or the end of the stream.

    Between two members the caller may read the member's data from the stream. What follows the end of the archive is
    left in the stream: drain it when all bytes count. Raises BadLayer.
    """
    extension: _Extension | None = None
    while (block := stream.read(BLOCK)) and block != ZERO_BLOCK:
        if len(block) < BLOCK:
            raise BadLayer("unexpected end of the layer: a header is cut short")
        verify_checksum(block)
        flag = block[156:157]
        if flag in b"xgLK":
            extension = _extend(extension, flag, block, stream)
            continue
        member = _member(block, stream.position, extension or _Extension())
        extension = None
        yield member
        end = member.offset + member.size + -member.size % BLOCK
        missing = end - stream.position
        if missing and stream.skip(missing) < missing:
            raise BadLayer(f"unexpected end of the layer in {member.path!r}")
    if extension:
        raise BadLayer("unexpected end of the layer: an extended header without its member")
    if block and stream.read(BLOCK) not in (b"", ZERO_BLOCK):
        raise BadLayer("invalid tar header: one zero block instead of two")


def _extend(extension: _Extension | None, flag: bytes, block: bytes, stream: Stream) -> _Extension | None:
    size = parse_number(block[124:136])
    if not 0 <= size <= (EXTENDED_HEADER_MAX if flag in b"xg" else NAME_MAX + 1):
        raise BadLayer(f"invalid tar header: an extended header of {size} bytes")
    data = stream.read(size)
    if len(data) + stream.skip(-size % BLOCK) < size + -size % BLOCK:
        raise BadLayer("unexpected end of the layer in an extended header")
    if flag == b"g":
        if any(key.startswith(MEANINGFUL) for key in parse_records(data)):
            raise BadLayer("a global pax header that changes its members is not accepted")
        return extension
    extension = extension or _Extension()
    if flag == b"x":
        if extension.records:
            raise BadLayer("invalid tar header: two pax headers for one member")
        extension.records = parse_records(data)
    elif flag == b"L":
        extension.path = text(data)
    else:
        extension.link = text(data)
    return extension


def _member(block: bytes, offset: int, extension: _Extension) -> Member:
    (name, mode, uid, gid, size, mtime, _, flag, link, magic, _, _, major, minor, prefix, _) = FIELDS.unpack(block)
    kind = KINDS.get(flag)
    if kind is None:
        raise BadLayer(_unknown(flag))
    path = text(name)
    if magic == b"ustar\00000" and prefix[0]:
        # star keeps times in the last 24 bytes of the prefix.
        path = text(prefix[:131] if block[508:] == b"tar\0" else prefix) + b"/" + path
    is_device = kind in (Kind.CHARACTER, Kind.BLOCK)
    member = Member(
        path,
        kind,
        parse_number(mode) & 0o7777,
        parse_number(uid),
        parse_number(gid),
        parse_number(size),
        parse_number(mtime) * 10**9,
        text(link),
        (parse_number(major), parse_number(minor)) if is_device else (0, 0),
        NO_XATTRS,
        offset,
    )
    if extension.records or extension.path or extension.link:
        member = _extended(member, extension)
    return checked(member, flag)


def _unknown(flag: bytes) -> str:
    if flag == b"S":
        return "GNU sparse files are not accepted in a layer: write the archive without --sparse"
    return f"invalid tar header: unknown type {flag!r}"


def _extended(member: Member, extension: _Extension) -> Member:
    records = extension.records
    if any(key.startswith(b"GNU.sparse.") for key in records):
        raise BadLayer(_unknown(b"S"))
    path, link = records.get(b"path"), records.get(b"linkpath")
    if (path and extension.path not in (b"", path)) or (link and extension.link not in (b"", link)):
        raise BadLayer("invalid tar header: GNU and pax headers name different paths")
    changed = member._replace(
        path=path or extension.path or member.path,
        link=link or extension.link or member.link,
        xattrs=_xattrs(records),
    )
    # An empty value takes the record back (POSIX), so the header's own field counts.
    if value := records.get(b"size"):
        changed = changed._replace(size=parse_decimal(value))
    if value := records.get(b"uid"):
        changed = changed._replace(uid=parse_decimal(value))
    if value := records.get(b"gid"):
        changed = changed._replace(gid=parse_decimal(value))
    if value := records.get(b"mtime"):
        changed = changed._replace(mtime_ns=parse_time(value))
    return changed


def _xattrs(records: dict[bytes, bytes]) -> Mapping[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for key, value in records.items():
        if key.startswith(SCHILY_XATTR):
            found[key[len(SCHILY_XATTR) :]] = value
        elif key.startswith(LIBARCHIVE_XATTR):
            try:
                decoded = binascii.a2b_base64(value)
            except binascii.Error:
                raise BadLayer("invalid tar header: an extended attribute is not base64") from None
            # bsdtar writes every attribute twice; its SCHILY twin holds the same bytes.
            found.setdefault(unquote_to_bytes(key[len(LIBARCHIVE_XATTR) :]), decoded)
    if any(not 0 < len(name) <= XATTR_NAME_MAX or b"\0" in name for name in found):
        raise BadLayer("invalid tar header: the name of an extended attribute")
    if sum(len(name) + len(value) for name, value in found.items()) > XATTRS_MAX:
        raise BadLayer(f"more than {XATTRS_MAX} bytes of extended attributes on one file")
    return found or NO_XATTRS


def checked(member: Member, flag: bytes = b"0") -> Member:
    """A member as it is taken: within the kernel's limits, and the same to all programs. Raises BadLayer."""
    path, kind = member.path, member.kind
    if kind is Kind.FILE and path.endswith(b"/"):
        # Before POSIX a directory was a file whose name ends in a slash. With the type "0" programs disagree.
        if flag != b"\0" or member.size:
            raise BadLayer(f"invalid tar header: a file called {path!r}")
        member = member._replace(kind=Kind.DIRECTORY)
    elif kind is not Kind.FILE and member.size:
        if kind is Kind.HARDLINK or member.size < 0:
            raise BadLayer(f"invalid tar header: {path!r} cannot have data")
        member = member._replace(size=0)  # for the others it is a hint, and no program expects data
    if not path or len(path) > NAME_MAX or b"\0" in path:
        raise BadLayer(f"invalid name in the layer: {path[:64]!r}")
    link = member.link
    if kind in (Kind.SYMLINK, Kind.HARDLINK) and (not 0 < len(link) < NAME_MAX or b"\0" in link):
        raise BadLayer(f"invalid link target of {path!r}")
    if member.size < 0 or not 0 <= member.uid < 2**32 - 1 or not 0 <= member.gid < 2**32 - 1:
        raise BadLayer(f"invalid tar header: size or owner of {path!r} is out of range")
    major, minor = member.device
    if not 0 <= major < 1 << 12 or not 0 <= minor < 1 << 20:  # dev_t of linux/kdev_t.h
        raise BadLayer(f"invalid device number of {path!r}")
    return member
