"""How do stdout and stderr share one connection?

When a container has no terminal, every piece of output is preceded by eight bytes (Engine API, "Stream format"):

    1 byte stream (0 stdin, 1 stdout, 2 stderr, 3 the engine's own error) · 3 bytes zero · 4 bytes length, big-endian

The decoder is fed bytes cut anywhere and never holds more than seven of them: the pieces of a long frame are handed on
as they come, so a header that promises 4 GiB costs nothing. Sockets live elsewhere.
"""

import struct
from collections.abc import Iterator
from enum import IntEnum

from sampan.errors import InvalidRequest

HEADER = struct.Struct(">BxxxL")


class Stream(IntEnum):
    """Which of the process's streams a piece belongs to."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    SYSTEM_ERROR = 3


def encode(stream: Stream | int, payload: bytes) -> bytes:
    """One frame."""
    return HEADER.pack(stream, len(payload)) + payload


class Decoder:
    """Turns bytes, cut anywhere, into pieces of streams in their order."""

    def __init__(self) -> None:
        self._header = bytearray()
        self._stream = Stream.STDIN
        self._missing = 0

    @property
    def is_between_frames(self) -> bool:
        """Whether the input may end here without having been cut."""
        return not self._header and not self._missing

    def feed(self, data: bytes) -> Iterator[tuple[Stream, bytes]]:
        """The pieces that `data` completes or continues; raises InvalidRequest on an unknown stream number."""
        position = 0
        while position < len(data):
            if self._missing:
                piece = data[position : position + self._missing]
                position += len(piece)
                self._missing -= len(piece)
                yield self._stream, piece
                continue
            wanted = HEADER.size - len(self._header)
            self._header += data[position : position + wanted]
            position += wanted
            if len(self._header) == HEADER.size:
                number, self._missing = HEADER.unpack(self._header)
                self._header.clear()
                if number > Stream.SYSTEM_ERROR:
                    raise InvalidRequest(f"Unrecognized stream: {number}")
                self._stream = Stream(number)
