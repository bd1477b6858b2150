"""How does a client watch work that runs in a thread?

The work calls `emit` with a message; each becomes a line of JSON on the wire. Until the first message nothing has been
sent, so an early failure is an HTTP status; a later one is a last line with `error`.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterator, Mapping
from functools import partial
from typing import Any

from aiohttp import web

from sampan.api import reply
from sampan.api.call import Call
from sampan.api.status import sentence_of
from sampan.errors import Unavailable
from sampan.threads import finished
from sampan.wire.images import error_line, progress_line

Emit = Callable[[Mapping[str, Any]], None]
BATCH_BYTES = 256 << 10
_QUEUED = 1024


async def watched(call: Call, work: Callable[[Emit], Any], *, always_streams: bool = False) -> web.StreamResponse:
    """Run `work` in a thread and stream what it emits. Raises what it raises if that comes before any message.

    With `always_streams` even an early failure is a line of a stream that began with 200.
    """
    response = reply.stream()
    try:
        async for line in _lines(work):
            if not response.prepared:
                await response.prepare(call.request)
            await response.write(line)
    except ConnectionError:
        raise
    except Exception as error:
        if not response.prepared:
            if not always_streams:
                raise
            await response.prepare(call.request)
        await response.write(error_line(sentence_of(error)))
    if not response.prepared:
        await response.prepare(call.request)
    await response.write_eof()
    return response


async def followed(call: Call, work: Callable[[Emit], Coroutine[Any, Any, Any]]) -> web.StreamResponse:
    """The same for work that is a coroutine: it ends when the client leaves. Its `emit` never waits."""
    response = reply.stream()
    lines: asyncio.Queue[bytes | None] = asyncio.Queue()

    def emit(message: Mapping[str, Any]) -> None:
        # How far something is can be left out for a client that does not read; everything else is little.
        if lines.qsize() < _QUEUED or not message.get("progressDetail"):
            lines.put_nowait(progress_line(message))

    working = asyncio.create_task(work(emit), name="followed work")
    working.add_done_callback(lambda _: lines.put_nowait(None))
    try:
        while (line := await lines.get()) is not None:
            if not response.prepared:
                await response.prepare(call.request)
            await response.write(line)
        await working
    except ConnectionError:
        raise
    except Exception as error:
        if not response.prepared:
            raise
        await response.write(error_line(sentence_of(error)))
    finally:
        if not working.done():
            working.cancel()
            await asyncio.wait([working])
        working.add_done_callback(_heard)
    if not response.prepared:
        await response.prepare(call.request)
    await response.write_eof()
    return response


async def _lines(work: Callable[[Emit], Any]) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[bytes | None] = asyncio.Queue()
    room = threading.Semaphore(_QUEUED)
    left = threading.Event()

    def emit(message: Mapping[str, Any]) -> None:
        room.acquire()  # a client that does not read holds the work back instead of filling memory
        if left.is_set():
            room.release()
            raise Unavailable("the client has left")
        loop.call_soon_threadsafe(lines.put_nowait, progress_line(message))

    working = asyncio.create_task(asyncio.to_thread(work, emit), name="watched work")
    working.add_done_callback(lambda _: lines.put_nowait(None))
    try:
        while (line := await lines.get()) is not None:
            room.release()
            yield line
        await working
    finally:
        working.add_done_callback(_heard)
        left.set()  # nobody reads any more: the thread must not wait for a reader
        room.release()


def _heard(work: "asyncio.Task[Any]") -> None:
    """Look at how it ended: when the client has left, nobody else does, and asyncio would call that a mistake."""
    if not work.cancelled():
        work.exception()


async def batches(pieces: Iterator[bytes]) -> AsyncGenerator[bytes, None]:
    """The bytes of a synchronous iterator, made in a thread, in pieces of about BATCH_BYTES.

    Whoever stops listening waits for the thread: what it reads from may be closed then.
    """
    try:
        while batch := await finished(partial(_batch, pieces)):
            yield batch
    finally:
        if isinstance(pieces, Generator):
            await finished(pieces.close)


def _batch(pieces: Iterator[bytes]) -> bytes:
    gathered, size = [], 0
    for piece in pieces:
        gathered.append(piece)
        size += len(piece)
        if size >= BATCH_BYTES:
            break
    return b"".join(gathered)
