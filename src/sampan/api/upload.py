"""How does code that reads a file read a request body without end?

    client ─► aiohttp ─► Upload.feed (event loop) ─► at most BUFFER_BYTES ─► Upload.readinto (a thread)

Image archives have any size; they are read by synchronous code in a thread. When that code is slower than the network,
the loop stops reading the connection, and the kernel holds the client back.
"""

import asyncio
import io
import threading
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sampan.api.call import Call
from sampan.errors import InvalidRequest

BUFFER_BYTES = 8 << 20
BATCH_BYTES = 1 << 20
GATHER_SECONDS = 0.05


class Upload(io.RawIOBase):
    """A request body as a raw binary file, readable from any one thread.

    `patience`: after so many seconds in which nothing comes, reading raises InvalidRequest.
    """

    def __init__(self, patience: float | None = None) -> None:
        super().__init__()
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._chunks: deque[memoryview] = deque()
        self._waiting_bytes = 0
        self._wanted = 1  # how much must be there before the reader is woken
        self._changed = threading.Condition()
        self._room = asyncio.Event()
        self._ended = False
        self._broken = False

    async def feed(self, call: Call) -> None:
        """Pass the body on until it ends; returns early when nobody reads it any more."""
        call.say_continue()
        try:
            async for chunk in call.request.content.iter_any():
                self._room.clear()
                with self._changed:
                    self._chunks.append(memoryview(chunk))
                    self._waiting_bytes += len(chunk)
                    full = self._waiting_bytes >= BUFFER_BYTES
                    if self._waiting_bytes >= self._wanted:
                        self._changed.notify()
                if full:
                    await self._room.wait()
        except BaseException:
            self._broken = True
            raise
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` with what has arrived, waiting for at least a byte; 0 at the end of the body."""
        with self._changed:
            self._await_bytes(len(buffer))
            if not self._chunks:
                if self._broken:
                    raise InvalidRequest("unexpected EOF: the request body ended before its time")
                return 0
            count = 0
            while self._chunks and count < len(buffer):
                chunk = self._chunks[0]
                size = min(len(chunk), len(buffer) - count)
                buffer[count : count + size] = chunk[:size]
                count += size
                if size == len(chunk):
                    self._chunks.popleft()
                else:
                    self._chunks[0] = chunk[size:]
            before, self._waiting_bytes = self._waiting_bytes, self._waiting_bytes - count
        if before >= BUFFER_BYTES > self._waiting_bytes:
            self._loop.call_soon_threadsafe(self._room.set)
        return count

    def _await_bytes(self, wanted: int) -> None:
        """Wait for as much as fills the reader's buffer, so that two threads need not take turns at every piece.

        What comes slowly is not waited for any longer than that.
        """
        if self._chunks or self._ended:
            return
        self._wanted = min(wanted, BATCH_BYTES)
        if not self._changed.wait_for(lambda: self._ended or self._waiting_bytes >= self._wanted, GATHER_SECONDS):
            self._wanted = 1
            if not self._changed.wait_for(lambda: self._ended or self._waiting_bytes > 0, self._patience):
                raise InvalidRequest(f"the request body stalled for {self._patience or 0:.0f} seconds")


@asynccontextmanager
async def upload(call: Call, patience: float | None = None) -> AsyncIterator[io.BufferedReader]:
    """The body of `call` as a file for a thread to read, while the block runs."""
    body = Upload(patience)
    feeding = asyncio.create_task(body.feed(call), name="feed upload")
    try:
        yield io.BufferedReader(body, 1 << 20)
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
