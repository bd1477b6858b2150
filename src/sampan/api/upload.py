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
            while not self._chunks and not self._ended:
                if not self._changed.wait(self._patience):
                    raise InvalidRequest(f"the request body stalled for {self._patience:.0f} seconds")
            if not self._chunks:
                if self._broken:
                    raise InvalidRequest("unexpected EOF: the request body ended before its time")
                return 0
            chunk = self._chunks[0]
            count = min(len(chunk), len(buffer))
            buffer[:count] = chunk[:count]
            if count == len(chunk):
                self._chunks.popleft()
            else:
                self._chunks[0] = chunk[count:]
            before, self._waiting_bytes = self._waiting_bytes, self._waiting_bytes - count
        if before >= BUFFER_BYTES > self._waiting_bytes:
            self._loop.call_soon_threadsafe(self._room.set)
        return count


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
