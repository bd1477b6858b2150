"""Which key was pressed?

The terminal gives keys one by one and unechoed (termios(3), cbreak), and is as it was afterwards whatever happens.
Arrows come as escape sequences (console_codes(4)).
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager

ARROWS = {b"A": "up", b"B": "down", b"5~": "page up", b"6~": "page down"}
LONGEST = 16
ESCAPE_SECONDS = 0.05


@contextmanager
def one_by_one(fd: int) -> Iterator[None]:
    """Keys come unechoed and without waiting for a newline; ctrl-c still interrupts."""
    import termios
    import tty

    former = termios.tcgetattr(fd)
    tty.setcbreak(fd, termios.TCSANOW)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, former)


def read(fd: int, seconds: float) -> str:
    """The key pressed within `seconds`: a character, "up", "down", "page up", "page down"; "" when none was.

    "q" when nobody can press any more: the terminal is gone.
    """
    if not _ready(fd, seconds):
        return ""
    try:
        data = os.read(fd, 1)
    except OSError:
        data = b""
    if not data:
        return "q"
    if data != b"\x1b":
        return data.decode("ascii", "ignore")
    return ARROWS.get(_sequence(fd), "")


def _sequence(fd: int) -> bytes:
    """What is between ESC [ and the end of the sequence; not a byte more, since that is the next key."""
    found = b""
    while len(found) < LONGEST and _ready(fd, ESCAPE_SECONDS):
        byte = os.read(fd, 1)
        found += byte
        if found[:1] not in (b"[", b"O") or (len(found) > 1 and 0x40 <= byte[0] <= 0x7E):
            break
    return found[1:]


def _ready(fd: int, seconds: float) -> bool:
    return bool(select.select([fd], [], [], max(seconds, 0))[0])
