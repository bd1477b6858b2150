"""How are netlink attributes packed and read?

netlink(7): length, kind, value, padded to four bytes.
"""

import struct
from collections.abc import Iterator

NESTED = 0x8000
_ATTRIBUTE = struct.Struct("=HH")


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute."""
    return _ATTRIBUTE.pack(len(value) + 4, kind) + value + bytes(-len(value) % 4)


def text(kind: int, value: str) -> bytes:
    """An attribute that is a text."""
    return attribute(kind, value.encode() + b"\0")


def nested(kind: int, *parts: bytes) -> bytes:
    """An attribute of attributes."""
    return attribute(kind | NESTED, b"".join(parts))


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(kind, value) of each attribute."""
    offset = 0
    while offset + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < 4:
            return
        yield kind & 0x3FFF, data[offset + 4 : offset + length]
        offset += (length + 3) & ~3


def unpack(data: bytes) -> dict[int, bytes]:
    """Attributes by kind; of several of one kind, the last."""
    return dict(attributes(data))
