"""How is one stream of stdcopy frames split into stdout and stderr?

A frame is one byte for the stream, three zero bytes, the payload's length (four bytes, big-endian), and the payload
(Docker Engine API, "Stream format" of /containers/{id}/attach). Payload is passed on as it arrives, before its frame is
complete: a terminal shows it sooner, and a frame that claims 4 GB costs nothing.
"""

from __future__ import annotations

from sampan.errors import Unavailable

STDIN, STDOUT, STDERR, SYSTEM_ERROR = range(4)
HEADER_SIZE = 8


class Demultiplexer:
    """Fed bytes cut anywhere; gives back (stream, payload) pairs, neighbours of one stream joined."""

    def __init__(self) -> None:
        self._header = b""
        self._stream = STDOUT
        self._left = 0

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The payload in `data`. Raises Unavailable for bytes that are not stdcopy."""
        found: list[tuple[int, list[bytes]]] = []
        at, end = 0, len(data)
        while at < end:
            if not self._left:
                taken = min(HEADER_SIZE - len(self._header), end - at)
                self._header += data[at : at + taken]
                at += taken
                if len(self._header) == HEADER_SIZE:
                    self._start_frame()
                continue
            piece = data[at : at + self._left]
            at += len(piece)
            self._left -= len(piece)
            if found and found[-1][0] == self._stream:
                found[-1][1].append(piece)
            else:
                found.append((self._stream, [piece]))
        return [(stream, b"".join(pieces)) for stream, pieces in found]

    @property
    def is_between_frames(self) -> bool:
        """Whether the stream may end here."""
        return not self._left and not self._header

    def _start_frame(self) -> None:
        header, self._header = self._header, b""
        if header[0] > SYSTEM_ERROR or header[1:4] != b"\0\0\0":
            raise Unavailable(f"the engine's output is not multiplexed as it should be: frame header {header.hex()}")
        self._stream = header[0]
        self._left = int.from_bytes(header[4:], "big")
