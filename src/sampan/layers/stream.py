"""How do the bytes of a layer come in?

Once, from front to back. `Stream` hands out exact numbers of bytes and knows its position; a subclass sees every
chunk as it arrives (see `ingest.Intake`), so that copying, hashing and parsing share one pass over the data.
"""

from collections.abc import Iterable
from typing import Protocol

CHUNK_BYTES = 1 << 20


class Source(Protocol):
    """Anything with a file's `read`: at most `size` bytes, empty only at the end."""

    def read(self, size: int, /) -> bytes: ...


class Pieces:
    """A source made of pieces that somebody produces, such as `pack`."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""

    def read(self, size: int) -> bytes:
        """At most `size` bytes; empty at the end. Small pieces are joined."""
        parts = [self._rest]
        length = len(self._rest)
        while length < size and (piece := next(self._pieces, None)) is not None:
            parts.append(piece)
            length += len(piece)
        joined = b"".join(parts)
        self._rest = joined[size:]
        return joined[:size]


class Stream:
    """A source read in chunks, handed out in exact pieces."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._chunk = b""
        self._start = 0  # first byte of the chunk that was not handed out
        self.position = 0

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer only when the source ends."""
        end = self._start + size
        if end <= len(self._chunk):
            piece = self._chunk[self._start : end]
            self._start = end
            self.position += size
            return piece
        return self._read_across(size)

    def _read_across(self, size: int) -> bytes:
        pieces = []
        missing = size
        while missing:
            if self._start == len(self._chunk) and not self._next_chunk():
                break
            piece = self._chunk[self._start : self._start + missing]
            self._start += len(piece)
            missing -= len(piece)
            pieces.append(piece)
        self.position += size - missing
        return b"".join(pieces)

    def some(self, size: int) -> bytes:
        """At most the next `size` bytes, as they lie there: nothing is joined. Empty at the end of the source."""
        if self._start == len(self._chunk) and not self._next_chunk():
            return b""
        piece = self._chunk[self._start : self._start + size]
        self._start += len(piece)
        self.position += len(piece)
        return piece

    def skip(self, size: int) -> int:
        """Pass over `size` bytes; return how many there were."""
        missing = size
        while missing:
            if self._start == len(self._chunk) and not self._next_chunk():
                break
            step = min(missing, len(self._chunk) - self._start)
            self._start += step
            missing -= step
        self.position += size - missing
        return size - missing

    def drain(self) -> int:
        """Pass over all that is left; return how many bytes that was."""
        begin = self.position
        while self.skip(CHUNK_BYTES):
            pass
        return self.position - begin

    def _next_chunk(self) -> bool:
        self._chunk = self._source.read(CHUNK_BYTES)
        self._start = 0
        if self._chunk:
            self.arrived(self._chunk)
        return bool(self._chunk)

    def arrived(self, chunk: bytes) -> None:
        """Called once with every chunk, in order."""
