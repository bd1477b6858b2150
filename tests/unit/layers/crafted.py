"""How is a tar made that no tar program would write?

Header by header, every field as the test wants it, written here and not with the code under test.
"""

import hashlib
from collections.abc import Mapping

END = bytes(1024)


def octal(value: int, width: int) -> bytes:
    """A number as tar writes it: octal digits and a NUL."""
    return b"%0*o\0" % (width - 1, value)


def base256(value: int, width: int) -> bytes:
    """A number as GNU tar writes large or negative ones."""
    return (value & ((1 << 8 * width) - 1) | 1 << (8 * width - 1)).to_bytes(width, "big")


def header(
    name: bytes,
    *,
    type: bytes = b"0",
    mode: int = 0o644,
    uid: int | bytes = 0,
    gid: int | bytes = 0,
    size: int | bytes = 0,
    mtime: int | bytes = 0,
    link: bytes = b"",
    magic: bytes = b"ustar\x0000",
    device: tuple[int, int] = (0, 0),
    prefix: bytes = b"",
    checksum: int | None = None,
) -> bytes:
    """One 512-byte header; numbers given as bytes go in as they are."""

    def field(value: int | bytes, width: int) -> bytes:
        return value.ljust(width, b"\0") if isinstance(value, bytes) else octal(value, width)

    front = name.ljust(100, b"\0") + octal(mode, 8) + field(uid, 8) + field(gid, 8) + field(size, 12) + field(mtime, 12)
    back = type + link.ljust(100, b"\0") + magic.ljust(8, b"\0") + bytes(64) + octal(device[0], 8) + octal(device[1], 8)
    back += prefix.ljust(167, b"\0")
    assert len(front) == 148 and len(back) == 356
    total = sum(front) + 8 * 32 + sum(back) if checksum is None else checksum
    return front + b"%06o\0 " % total + back


def padded(data: bytes) -> bytes:
    """Data with zeros up to the next block."""
    return data + bytes(-len(data) % 512)


def file(name: bytes, data: bytes = b"", **fields: object) -> bytes:
    """A regular file."""
    return header(name, size=len(data), **fields) + padded(data)  # type: ignore[arg-type]


def directory(name: bytes, mode: int = 0o755, **fields: object) -> bytes:
    """A directory."""
    return header(name, type=b"5", mode=mode, **fields)  # type: ignore[arg-type]


def symlink(name: bytes, target: bytes, **fields: object) -> bytes:
    """A symbolic link."""
    return header(name, type=b"2", mode=0o777, link=target, **fields)  # type: ignore[arg-type]


def hardlink(name: bytes, target: bytes, **fields: object) -> bytes:
    """A hard link."""
    return header(name, type=b"1", link=target, **fields)  # type: ignore[arg-type]


def device(name: bytes, major: int, minor: int, type: bytes = b"3", **fields: object) -> bytes:
    """A device node."""
    return header(name, type=type, device=(major, minor), **fields)  # type: ignore[arg-type]


def records(values: Mapping[bytes, bytes]) -> bytes:
    """The body of a pax header."""
    body = b""
    for key, value in values.items():
        rest = b" " + key + b"=" + value + b"\n"
        length = len(rest) + 1
        while len(b"%d" % length) + len(rest) != length:
            length += 1
        body += b"%d" % length + rest
    return body


def pax(values: Mapping[bytes, bytes], type: bytes = b"x") -> bytes:
    """A pax extended header for the member that follows, or (type g) for all that follow."""
    return file(b"pax", records(values), type=type)


def long_name(name: bytes, type: bytes = b"L") -> bytes:
    """A GNU long name (L) or long link (K) for the member that follows."""
    return file(b"././@LongLink", name + b"\0", type=type, magic=b"ustar  \0")


def archive(*members: bytes) -> bytes:
    """The members with the end-of-archive mark."""
    return b"".join(members) + END


def diff_id(tar: bytes) -> str:
    """The diff ID of an uncompressed tar."""
    return "sha256:" + hashlib.sha256(tar).hexdigest()
