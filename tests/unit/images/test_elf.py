"""Reading ELF files: those of this machine, made-up ones and damaged ones."""

import struct
import sys
from pathlib import Path

import pytest

from sampan.images.elf import MAGIC, read_elf


def crafted(*, needed: list[str], rpath: str = "", runpath: str = "", interpreter: str = "", order: str = "<") -> bytes:
    """A 64-bit ELF file with a dynamic section, loaded at 0x400000."""
    base = 0x400000
    strings = bytearray(b"\0")
    entries = []
    for tag, value in [(1, name) for name in needed] + [(15, rpath), (29, runpath)]:
        if value:
            entries.append((tag, len(strings)))
            strings += value.encode() + b"\0"
    headers = 64 + 3 * 56
    text_at = headers
    strings_at = text_at + len(interpreter) + 1
    dynamic_at = strings_at + len(strings)
    dynamic = b"".join(struct.pack(order + "qQ", *entry) for entry in [*entries, (5, base + strings_at), (0, 0)])
    total = dynamic_at + len(dynamic)

    def segment(kind: int, offset: int, size: int) -> bytes:
        return struct.pack(order + "IIQQQQQQ", kind, 4, offset, base + offset, 0, size, size, 1)

    ident = MAGIC + bytes([2, 1 if order == "<" else 2, 1]) + bytes(9)
    head = ident + struct.pack(order + "HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 3, 0, 0, 0)
    interp = segment(3, text_at, len(interpreter) + 1) if interpreter else segment(0, 0, 0)
    table = segment(1, 0, total) + segment(2, dynamic_at, len(dynamic)) + interp
    return head + table + interpreter.encode() + b"\0" + bytes(strings) + dynamic


@pytest.mark.parametrize("order", ["<", ">"])
def test_what_the_loader_wants_to_know(tmp_path: Path, order: str) -> None:
    path = tmp_path / "program"
    path.write_bytes(
        crafted(
            needed=["libc.so.6", "liba.so"], rpath="/r", runpath="/u:$ORIGIN", interpreter="/lib/ld.so", order=order
        )
    )
    elf = read_elf(path)
    assert elf is not None
    assert elf.needed == ("libc.so.6", "liba.so")
    assert (elf.rpath, elf.runpath, elf.interpreter) == (("/r",), ("/u:$ORIGIN",), "/lib/ld.so")
    assert elf.kind == (2, 1 if order == "<" else 2, 62)


def test_this_python_is_one() -> None:
    elf = read_elf(Path(sys.executable).resolve())
    assert elf is not None
    assert elf.interpreter.startswith("/")
    assert any(name.startswith("libc.so") for name in elf.needed)


def test_what_is_none(tmp_path: Path) -> None:
    for data in (b"", b"#!/bin/sh\n", MAGIC, MAGIC + bytes(100), b"\x7fELF\x03\x01" + bytes(100)):
        path = tmp_path / "none"
        path.write_bytes(data)
        elf = read_elf(path)
        assert elf is None or elf.needed == ()


def test_no_damage_breaks_the_reader(tmp_path: Path) -> None:
    data = crafted(needed=["libc.so.6"], interpreter="/lib/ld.so")
    path = tmp_path / "damaged"
    for position in range(len(data)):
        for value in (0x00, 0xFF):
            path.write_bytes(data[:position] + bytes([value]) + data[position + 1 :])
            read_elf(path)
        path.write_bytes(data[:position])
        read_elf(path)
