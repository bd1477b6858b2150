"""How does a WebSocket become a container's stdio?

    client ◄─ WebSocket frames ─► the daemon ◄─ socketpair ─► the shim

Frames have to be packed and unpacked by somebody, so this client is attached for as long as the daemon lives. RFC 6455;
messages are binary and their boundaries mean nothing.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import WSMsgType, web

from sampan.api.call import Call
from sampan.runtime.streams import Stream
from sampan.wire import detachkeys

MESSAGE_BYTES = 1 << 20
READ_BYTES = 64 << 10


@asynccontextmanager
async def over_websocket(
    call: Call, *, stdin: bool, stdout: bool, stderr: bool, detach_keys: str
) -> AsyncIterator[tuple[web.WebSocketResponse, Stream]]:
    """Accept the WebSocket and hand out a `Stream`; after the block, carry bytes until either side ends."""
    keys = detachkeys.parse(detach_keys)
    response = web.WebSocketResponse(max_msg_size=MESSAGE_BYTES)
    await response.prepare(call.request)
    ours, theirs = socket.socketpair()
    with ours:
        yield (
            response,
            Stream(
                fd=theirs.detach(), stdin=stdin, stdout=stdout, stderr=stderr,
                framed=False, detach_keys=keys, initial=b"",
            ),
        )  # fmt: skip
        ours.setblocking(False)
        await _carry(response, ours)


async def _carry(response: web.WebSocketResponse, local: socket.socket) -> None:
    inward = asyncio.create_task(_inward(response, local), name="websocket to container")
    try:
        await _outward(response, local)
        await response.close()
    finally:
        inward.cancel()
        await asyncio.gather(inward, return_exceptions=True)


async def _inward(response: web.WebSocketResponse, local: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    async for message in response:
        if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
            break
        data = message.data
        await loop.sock_sendall(local, data.encode() if isinstance(data, str) else data)
    local.shutdown(socket.SHUT_RDWR)


async def _outward(response: web.WebSocketResponse, local: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(local, READ_BYTES):
        await response.send_bytes(data)
