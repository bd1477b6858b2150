"""How does a client watch work that runs on the event loop?

The work awaits `emit` for each message; each becomes a line of JSON. At most QUEUED lines wait for a slow client, then
the work waits, too. Until the first line nothing has been sent, so an early failure is an HTTP status; a later one is a
last line with `error`. When the client leaves, the work is cancelled, and has ended before this does.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from sampan.api import reply
from sampan.api.call import Call
from sampan.wire.images import progress_line

QUEUED = 256
Emit = Callable[[Mapping[str, Any]], Awaitable[None]]
ErrorLine = Callable[[Exception], bytes]


class Outlet:
    """Lines on their way to one client."""

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque()
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self.is_closed = False

    async def emit(self, message: Mapping[str, Any]) -> None:
        """Send one message; waits for room."""
        while not self.is_closed and len(self._lines) >= QUEUED:
            self._room.clear()
            await self._room.wait()
        if not self.is_closed:
            self._lines.append(progress_line(message))
            self._changed.set()

    def close(self) -> None:
        """Nobody reads any more, or nothing more comes."""
        self.is_closed = True
        self._room.set()
        self._changed.set()

    async def pieces(self) -> "bytes | None":
        """What is waiting; None when nothing more comes."""
        while not self._lines:
            if self.is_closed:
                return None
            self._changed.clear()
            await self._changed.wait()
        joined = b"".join(self._lines)
        self._lines.clear()
        self._room.set()
        return joined


async def streamed(call: Call, work: Callable[[Emit], Awaitable[None]], error_line: ErrorLine) -> web.StreamResponse:
    """Run `work` and stream what it emits. Raises what it raises if that comes before any message."""
    outlet = Outlet()
    response = reply.stream()

    async def run() -> None:
        try:
            await work(outlet.emit)
        finally:
            outlet.close()

    working = asyncio.create_task(run(), name="streamed work")
    try:
        while (piece := await outlet.pieces()) is not None:
            if not response.prepared:
                await response.prepare(call.request)
            await response.write(piece)
        try:
            await working
        except ConnectionError:
            raise
        except Exception as error:
            if not response.prepared:
                raise
            await response.write(error_line(error))
        if not response.prepared:
            await response.prepare(call.request)
        await response.write_eof()
    finally:
        outlet.close()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    return response
