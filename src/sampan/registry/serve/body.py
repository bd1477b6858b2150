"""How is a request's body read when its sender is not trusted to send it, or to send it soon?

At least SLOWEST bytes within so many seconds, in pieces of at most PIECE, never more than a limit where it is held in
memory.
"""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from sampan.registry.serve.refusal import TOO_LARGE, TOO_SLOW, Refusal

PIECE = 1 << 20
SLOWEST = 64 << 10
SECONDS = 60.0


async def pieces(request: web.BaseRequest, patience: float) -> AsyncIterator[bytes]:
    """The body as it comes. What came before a failure is yielded first, so that an upload can be resumed behind it."""
    _say_continue(request)
    loop = asyncio.get_running_loop()
    gathered = bytearray()
    deadline, since = loop.time() + patience, 0
    failure: Exception | None = None
    while failure is None:
        try:
            async with asyncio.timeout_at(deadline):
                chunk = await request.content.readany()
        except TimeoutError:
            failure = Refusal("UNKNOWN", "the body comes too slowly", status=TOO_SLOW)
            break
        except Exception as error:  # the client has left, or its framing is wrong
            failure = error
            break
        if not chunk:
            break
        gathered += chunk
        since += len(chunk)
        if since >= SLOWEST:
            deadline, since = loop.time() + patience, 0
        while len(gathered) >= PIECE:
            yield bytes(gathered[:PIECE])
            del gathered[:PIECE]
    if gathered:
        yield bytes(gathered)
    if failure is not None:
        raise failure


async def whole(request: web.BaseRequest, patience: float, limit: int, what: str) -> bytes:
    """The whole body. Raises Refusal when it is larger than `limit` bytes."""
    too_large = Refusal("MANIFEST_INVALID", f"{what} is too large: at most {limit} bytes", status=TOO_LARGE)
    if (request.content_length or 0) > limit:
        raise too_large
    received = bytearray()
    async for piece in pieces(request, patience):
        received += piece
        if len(received) > limit:
            raise too_large
    return bytes(received)


def _say_continue(request: web.BaseRequest) -> None:
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
