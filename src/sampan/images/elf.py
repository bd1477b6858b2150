"""What does a program need to be loaded?

The part of an ELF file (elf(5)) that the dynamic loader reads: the interpreter, and from the dynamic section the names
of the libraries and where to look for them. Nothing is executed; every offset is checked against the file.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"\x7fELF"
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB, _DT_SONAME, _DT_RPATH, _DT_RUNPATH = 1, 5, 14, 15, 29
_MAX_TEXT = 4096


@dataclass(frozen=True, slots=True)
class Elf:
    """What the loader wants to know. `kind` is (class, byte order, machine): libraries must have the same."""

    kind: tuple[int, int, int]
    interpreter: str
    needed: tuple[str, ...]
    rpath: tuple[str, ...]
    runpath: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Segment:
    type: int
    offset: int
    address: int
    size: int


def read_elf(path: Path) -> Elf | None:
    """The ELF file at `path`; None if it is none, or is damaged. Raises OSError."""
    data = path.read_bytes()
    if not data.startswith(MAGIC) or len(data) < 64 or data[4] not in (1, 2) or data[5] not in (1, 2):
        return None
    try:
        return _parse(data)
    except (struct.error, IndexError, ValueError, OverflowError):
        return None


def _parse(data: bytes) -> Elf:
    order = "<" if data[5] == 1 else ">"
    is_64 = data[4] == 2
    (machine,) = struct.unpack_from(order + "H", data, 18)
    segments = _segments(data, order, is_64)
    interpreter = ""
    entries: list[tuple[int, int]] = []
    for segment in segments:
        if segment.type == _PT_INTERP:
            interpreter = _text(data, segment.offset)
        elif segment.type == _PT_DYNAMIC:
            entries = _dynamic(data, segment, order, is_64)
    strings = next((_offset(segments, value) for tag, value in entries if tag == _DT_STRTAB), 0)

    def texts(wanted: int) -> tuple[str, ...]:
        return tuple(_text(data, strings + value) for tag, value in entries if tag == wanted)

    return Elf((data[4], data[5], machine), interpreter, texts(_DT_NEEDED), texts(_DT_RPATH), texts(_DT_RUNPATH))


def _segments(data: bytes, order: str, is_64: bool) -> list[_Segment]:
    table, size, count = (
        (*struct.unpack_from(order + "Q", data, 32), *struct.unpack_from(order + "HH", data, 54))
        if is_64
        else (*struct.unpack_from(order + "I", data, 28), *struct.unpack_from(order + "HH", data, 42))
    )
    found = []
    for position in range(table, table + size * count, size or 1):
        if is_64:
            kind, _, offset, address, _, in_file = struct.unpack_from(order + "IIQQQQ", data, position)
        else:
            kind, offset, address, _, in_file = struct.unpack_from(order + "IIIII", data, position)
        found.append(_Segment(kind, offset, address, in_file))
    return found


def _dynamic(data: bytes, segment: _Segment, order: str, is_64: bool) -> list[tuple[int, int]]:
    entry = struct.Struct(order + ("qQ" if is_64 else "iI"))
    found = []
    for position in range(segment.offset, segment.offset + segment.size - entry.size + 1, entry.size):
        tag, value = entry.unpack_from(data, position)
        if tag == 0:
            break
        found.append((tag, value))
    return found


def _offset(segments: list[_Segment], address: int) -> int:
    """Where in the file the byte lies that is loaded at `address`."""
    for segment in segments:
        if segment.type == _PT_LOAD and segment.address <= address < segment.address + segment.size:
            return address - segment.address + segment.offset
    raise ValueError("an address outside of the file")


def _text(data: bytes, offset: int) -> str:
    end = data.index(b"\0", offset, offset + _MAX_TEXT)
    return data[offset:end].decode()
