"""How do bytes get from the event loop to a thread, and from a thread to the event loop?

A `Feed` is filled by a coroutine and read by synchronous code; `drawn` is the other direction. Both hold a bounded
number of bytes: whoever is faster waits for the other.
"""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator

FEED_BYTES = 4 << 20


class Abandoned(Exception):
    """The writer of a feed has given up."""


class Feed:
    """A stream with one writer in the event loop and one reader in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._pieces: deque[bytes] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._room = asyncio.Event()
        self._ended = self._closed = False
        self._error: BaseException | None = None

    async def put(self, piece: bytes) -> bool:
        """Pass a piece on; waits while the reader is far behind. False when it reads no more."""
        self._room.clear()
        with self._changed:
            if self._closed:
                return False
            self._pieces.append(piece)
            self._bytes += len(piece)
            full = self._bytes >= FEED_BYTES
            self._changed.notify()
        if full:
            await self._room.wait()
        return not self._closed

    def end(self, error: BaseException | None = None) -> None:
        """There is no more; with an error, the reader gets that instead of an end."""
        with self._changed:
            self._ended = True
            self._error = self._error or error
            self._changed.notify()

    def get(self) -> bytes:
        """In the thread: the next piece; empty at the end. Raises Abandoned where the stream ended with an error."""
        with self._changed:
            while not self._pieces and not self._ended:
                self._changed.wait()
            if self._error is not None:
                raise Abandoned from self._error
            if not self._pieces:
                return b""
            piece = self._pieces.popleft()
            before, self._bytes = self._bytes, self._bytes - len(piece)
        if before >= FEED_BYTES > self._bytes:
            self._loop.call_soon_threadsafe(self._room.set)
        return piece

    def close(self) -> None:
        """In the thread: nothing will be read any more, so nobody needs to wait."""
        with self._changed:
            self._closed = True
            self._pieces.clear()
            self._bytes = 0
        self._loop.call_soon_threadsafe(self._room.set)


async def drawn(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces that synchronous code makes, each made in a thread while the one before is being used."""
    upcoming = asyncio.create_task(asyncio.to_thread(next, pieces, b""))
    try:
        while piece := await upcoming:
            upcoming = asyncio.create_task(asyncio.to_thread(next, pieces, b""))
            yield piece
    finally:
        # A generator that is at work cannot be closed: its thread comes to its end first.
        await asyncio.gather(upcoming, return_exceptions=True)
