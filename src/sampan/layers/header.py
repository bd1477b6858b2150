"""What do the 512 bytes of a tar header say?

Formats: POSIX.1-2017 pax ("ustar Interchange Format", "pax Header Block"), GNU tar ("Basic Tar Format": base-256
numbers, `ustar  ` magic), star (131-byte prefix). Numbers and records that two parsers could read differently are
refused: a layer must not mean one thing to a scanner and another to the engine.
"""

import struct
import zlib
from functools import lru_cache

from sampan.errors import InvalidRequest

BLOCK = 512
ZERO_BLOCK = bytes(BLOCK)
RECORDS_MAX = 4096  # records in one pax header; real ones hold a dozen

FIELDS = struct.Struct("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12s")
CHECKSUM = slice(148, 156)
CHECKSUM_AS_SPACES = 8 * ord(" ")


class BadLayer(InvalidRequest):
    """The bytes are not a layer that can be stored faithfully."""


@lru_cache(maxsize=2048)
def parse_number(field: bytes) -> int:
    """The number in a header field: octal text, or base-256 when the top bit is set."""
    if field[0] & 0x80:
        return _parse_base256(field)
    digits, _, rest = field.partition(b"\0")
    digits = digits.strip(b" ")
    if rest.strip(b"\0 "):
        raise BadLayer("invalid tar header: bytes follow the end of a number")
    if not digits:
        return 0
    if not digits.isdigit() or b"8" in digits or b"9" in digits:
        raise BadLayer(f"invalid tar header: not an octal number: {digits!r}")
    return int(digits, 8)


def _parse_base256(field: bytes) -> int:
    if field[0] & 0x40:  # two's complement: the marker bit is then a copy of the sign
        value = int.from_bytes(field, "big", signed=True)
    else:
        value = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    if not -(1 << 63) <= value < 1 << 63:
        raise BadLayer("invalid tar header: a number is out of range")
    return value


def text(field: bytes) -> bytes:
    """The bytes of a text field up to its first NUL."""
    return field.partition(b"\0")[0]


def sum_of(block: bytes) -> int:
    """The sum of a block's bytes."""
    # Adler-32's low half is 1 plus the sum of the bytes modulo 65521; 256 bytes cannot reach that.
    return (zlib.adler32(block[:256]) & 0xFFFF) + (zlib.adler32(block[256:]) & 0xFFFF) - 2


def verify_checksum(block: bytes) -> None:
    """Raise BadLayer unless the sum of the header's bytes is the one that it states."""
    stated = parse_number(block[CHECKSUM])
    total = sum_of(block) + CHECKSUM_AS_SPACES - sum(block[CHECKSUM])
    if total == stated:
        return
    # Historic tars summed signed bytes (POSIX asks readers to accept both).
    signed = total - 256 * sum(byte > 127 for byte in block[: CHECKSUM.start] + block[CHECKSUM.stop :])
    if signed != stated:
        raise BadLayer("invalid tar header: checksum mismatch")


def parse_records(data: bytes) -> dict[bytes, bytes]:
    """The records of a pax extended header; the last one of a name wins (POSIX)."""
    records: dict[bytes, bytes] = {}
    position = 0
    while position < len(data):
        space = data.find(b" ", position, position + 9)
        digits = data[position:space]
        end = position + int(digits) if space > 0 and digits.isdigit() else 0
        if not space + 2 < end <= len(data) or data[end - 1] != 0x0A:
            raise BadLayer("invalid tar header: malformed pax record")
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if not key or not equals:
            raise BadLayer("invalid tar header: malformed pax record")
        records[key] = value
        if len(records) > RECORDS_MAX:
            raise BadLayer(f"invalid tar header: more than {RECORDS_MAX} pax records")
        position = end
    return records


def parse_decimal(value: bytes) -> int:
    """A non-negative decimal integer of a pax record."""
    if not value.isdigit() or len(value) > 19:
        raise BadLayer(f"invalid tar header: not a number: {value[:32]!r}")
    return int(value)


def parse_time(value: bytes) -> int:
    """Nanoseconds since the epoch of a pax time such as `-1.25`; digits past the ninth are dropped."""
    sign = -1 if value[:1] == b"-" else 1
    whole, point, fraction = value.lstrip(b"-").partition(b".")
    if len(value) > 64 or not whole.isdigit() or (point and not (fraction or b"0").isdigit()):
        raise BadLayer(f"invalid tar header: not a time: {value[:32]!r}")
    nanoseconds = int(whole) * 10**9 + int(fraction[:9].ljust(9, b"0"))
    if nanoseconds >> 93:
        raise BadLayer("invalid tar header: a time is out of range")
    return sign * nanoseconds
