"""What does a container's log look like on disk?

Append-only frames, one for each read from the container, exactly as it came; lines are cut only when somebody reads.

    ┌────────┬─┬─┬─┬────────┬───────────┬─────────┬────────┐
    │ stream │0│0│0│ length │ time (ns) │ payload │ length │
    └────────┴─┴─┴─┴────────┴───────────┴─────────┴────────┘
      the first 8 bytes are a stdcopy header; the length stands at both ends, so that the end can be read backwards

The newest file is `log`, older ones `log.1`, `log.2`, …
"""

import os
import struct
from typing import NamedTuple

HEAD = struct.Struct(">B3xIQ")
TAIL = struct.Struct(">I")
OVERHEAD = HEAD.size + TAIL.size
MAX_PAYLOAD = 1 << 20
STDOUT, STDERR = 1, 2


class Entry(NamedTuple):
    """What was read from the container at once: `stream` 1 stdout, 2 stderr; `time_ns` since the epoch."""

    stream: int
    time_ns: int
    payload: bytes


def file_name(age: int) -> str:
    """The name of the log file that was rotated `age` times."""
    return f"log.{age}" if age else "log"


def frame(stream: int, time_ns: int, payload: bytes) -> list[bytes]:
    """The parts of one frame, for writev(2)."""
    return [HEAD.pack(stream, len(payload), time_ns), payload, TAIL.pack(len(payload))]


def whole_size(fd: int) -> int:
    """How many bytes from the start hold whole frames; less than the file's size after a power loss."""
    size = os.fstat(fd).st_size
    if size == 0 or _ends_whole(fd, size):
        return size
    offset = 0
    while offset + OVERHEAD <= size:
        _, length, _ = HEAD.unpack(os.pread(fd, HEAD.size, offset))
        end = offset + OVERHEAD + length
        if length > MAX_PAYLOAD or end > size or TAIL.unpack(os.pread(fd, TAIL.size, end - TAIL.size))[0] != length:
            break
        offset = end
    return offset


def _ends_whole(fd: int, size: int) -> bool:
    """Whether the file's end looks like a frame's: cheap, and right unless the disk lost something in the middle."""
    if size < OVERHEAD:
        return False
    (length,) = TAIL.unpack(os.pread(fd, TAIL.size, size - TAIL.size))
    start = size - OVERHEAD - length
    if length > MAX_PAYLOAD or start < 0:
        return False
    stream, again, _ = HEAD.unpack(os.pread(fd, HEAD.size, start))
    return again == length and stream in (STDOUT, STDERR)
