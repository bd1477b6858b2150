"""How does an HTTP connection become a container's stdio?

    client ── POST …/attach, Upgrade: tcp ──► aiohttp reads the request
           ◄─ 101 UPGRADED ──────────────────  written here, and the last thing that the daemon writes
           ◄════════ raw bytes ═════════════► the shim, which is given the client's own socket

Not a copy loop: the very socket goes away. So a client stays attached when the daemon dies, and half-closing works
because it is the client's real connection. asyncio keeps its own descriptor of the socket and merely close(2)s it (it
never calls shutdown(2)), which leaves the duplicate alone. Bytes that the client sent before it saw the 101 are
kept by the connection: they travel along as `initial`.

docker-py reads the head through a buffer and everything after it past that buffer, so what has come along with the
head is lost. dockerd is slow enough not to notice; here, an exec waits until the head is read (`head_first`). An attach
does not: its client may start the container as soon as it has read the head, and the stream must be there then.

An encrypted client's socket is a socketpair from the start (see `tls.py`), so nothing here knows of TLS.
"""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from aiohttp import web

from sampan.api import reply
from sampan.api.call import Call
from sampan.api.connection import Connection
from sampan.api.status import sentence_of
from sampan.errors import InvalidRequest
from sampan.linux.socket import unread
from sampan.runtime.streams import Stream
from sampan.wire import detachkeys, stdcopy

TURNS_SECONDS, PAUSE_SECONDS = 0.0005, 0.001
HEAD_SECONDS = 0.2  # a client that is not given the processor for so long may miss something


class Hijacked(web.StreamResponse):
    """Tells aiohttp that there is nothing left to send, and to let go of its descriptor."""

    @property
    def keep_alive(self) -> bool:
        """Never: this is no HTTP connection any more."""
        return False

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing: the head has been written."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing: the shim writes, and it decides when to end."""


async def take_socket(call: Call, *, terminal: bool, head_first: bool = False) -> tuple[int, bytes]:
    """Answer 101 (200 to a client that did not ask for an upgrade) and take the client's socket.

    `head_first`: when the client has read that answer, or had the time to.

    Returns a descriptor that the caller owns and the bytes that the client has already sent behind its request. The
    route must return `Hijacked()` afterwards. Raises InvalidRequest when there is no socket to take.
    """
    transport = call.request.transport
    shared: socket.socket | None = transport.get_extra_info("socket") if transport else None
    if transport is None or shared is None:
        raise InvalidRequest("the connection cannot be upgraded")
    # From here on the kernel keeps what the client sends, for whoever reads the socket next.
    transport.pause_reading()
    transport.write(_head(call, terminal=terminal))
    await call.request.writer.drain()
    if head_first:
        await head_is_read(shared.fileno())
    return os.dup(shared.fileno()), cast(Connection, call.request.protocol).early


async def head_is_read(client: int) -> None:
    """Wait until the client at the other end of a socket has read what it was sent; nothing announces that."""
    began = time.monotonic()
    while unread(client) and (waited := time.monotonic() - began) < HEAD_SECONDS:
        # Most have it after some turns of the loop; the shortest real sleep is much longer.
        await asyncio.sleep(0 if waited < TURNS_SECONDS else PAUSE_SECONDS)


@asynccontextmanager
async def hijacked(
    call: Call, *, terminal: bool, stdin: bool, stdout: bool, stderr: bool, detach_keys: str, head_first: bool = False
) -> AsyncIterator[Stream]:
    """Answer, and hand out the client's connection as a `Stream` for the block to give away.

    What the block raises is told to the client in its output, as dockerd does: its status line has long been sent.
    """
    # Only a terminal has keys; without one a stream of bytes is just that. Parsed first, for an error of its own.
    keys = detachkeys.parse(detach_keys) if terminal else b""
    descriptor, initial = await take_socket(call, terminal=terminal, head_first=head_first)
    with socket.socket(fileno=os.dup(descriptor)) as client:
        try:
            yield Stream(
                fd=descriptor, stdin=stdin, stdout=stdout, stderr=stderr,
                framed=not terminal, detach_keys=keys, initial=initial,
            )  # fmt: skip
        except Exception as error:
            _say(client, sentence_of(error), terminal=terminal)


def _say(client: socket.socket, sentence: str, *, terminal: bool) -> None:
    line = f"{sentence}\r\n".encode()
    client.setblocking(False)
    try:
        client.send(line if terminal else stdcopy.encode(stdcopy.Stream.STDOUT, line))
    except OSError:
        pass  # it has left: nobody to tell


def _head(call: Call, *, terminal: bool) -> bytes:
    if not call.wants_upgrade:
        return f"HTTP/1.1 200 OK\r\nContent-Type: {reply.RAW_STREAM}\r\n\r\n".encode()
    content_type = reply.output_type(terminal=terminal, version=call.version)
    return (
        f"HTTP/1.1 101 UPGRADED\r\nContent-Type: {content_type}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
    ).encode()
