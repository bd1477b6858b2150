"""What may one client's connection do, and for how long?

aiohttp parses HTTP/1.1 strictly (llhttp without its lenient switches). Added here: a head that comes in drops has
HEAD_SECONDS to be complete, a connection that says nothing is closed after IDLE_SECONDS, bytes that are not HTTP get
Docker's error body and the end of the connection. Line, field and count limits bound what a head can hold.

A client may end its own direction once it has asked (`nc -N` does) and still gets its answer, unless the answer may
never come: from here, that client looks like one that has left.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import StreamReader, web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from sampan.api import reply
from sampan.api.upgrade import Divider
from sampan.errors import InvalidRequest
from sampan.linux.socket import peer_credentials

HEAD_SECONDS = 10.0
IDLE_SECONDS = 600.0
HEAD_BYTES = 64 << 10
HEADERS = 100
READ_BYTES = 256 << 10

_log = logging.getLogger("sampan.api")

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Connection(RequestHandler):
    """One connection: aiohttp's, with a clock on heads and Docker's error bodies."""

    has_ended = False  # the client has said that it will send nothing more
    is_broken = False  # what it sent stopped being HTTP
    watching = False  # the request at work may last for ever
    early = b""  # what an upgrade request's client sent behind it
    _body: StreamReader | None = None  # of the latest request
    _clock: asyncio.TimerHandle | None = None
    _divider: Divider

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come in."""
        self._divider = Divider(HEAD_BYTES)
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("connected %s", _who(transport))
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Feed the parser with what is HTTP, and keep what follows an upgrade request."""
        if self.is_broken:
            return
        data, behind = self._divider.feed(data)
        if data or not behind:  # nothing at all is aiohttp's own call: go on with what was held back
            self._parse(data)
        if behind:
            self.early += behind
            # The kernel holds the rest, for whoever reads the socket next.
            if self.transport is not None and not self._close:
                self.transport.pause_reading()

    def _parse(self, data: bytes) -> None:
        complete = self._request_count
        super().data_received(data)
        if self._request_count > complete:
            self._take_note(*self._messages[-1])
        # The clock runs while the parser has the beginning of a head and nothing else is going on.
        if self._clock is not None and (self._request_count > complete or self._upgraded):
            self._stop_clock()
        elif self._clock is None and self._request_count == complete and not self._request_in_progress:
            self._clock = self._loop.call_later(HEAD_SECONDS, self._too_slow)

    def _take_note(self, message: object, body: StreamReader) -> None:
        """A request has come in, or what aiohttp queues for bytes that are none."""
        if isinstance(message, RawRequestMessage) or self._body is None or self._body.is_eof():
            self._body = body
            return
        # They went wrong in the middle of a body. aiohttp would let its reader wait for the rest, and answer twice.
        self._messages.pop()
        self.is_broken = self.has_ended = True
        self._body.set_exception(InvalidRequest("Bad request: the body is not what its headers promise"))
        self._body.feed_eof()

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio's protocol says bool; aiohttp's merely passes
        """The client sends nothing more; True keeps the connection for what it has asked."""
        self.has_ended = True
        # aiohttp has a waiter only while it waits for the next request.
        is_busy = bool(self._messages) or self._waiter is None or self._waiter.done()
        return is_busy and not self.watching and self._body is not None and self._body.is_eof()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the answer; the last one of a client that will ask no more ends the connection."""
        if self.has_ended and not self._messages:
            resp.force_close()
        result = await super().finish_response(request, resp, start_time)
        if resp.keep_alive and not self._messages:
            self._expect_request()
        return result

    def _expect_request(self) -> None:
        """The request at work is done; what followed an upgrade that was declined is HTTP after all."""
        early, self.early, self._divider = self.early, b"", Divider(HEAD_BYTES)
        if early:
            if self.transport is not None:
                self.transport.resume_reading()
            self.data_received(early)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection is gone."""
        self._stop_clock()
        super().connection_lost(exc)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Bytes that are no request: one answer, then nothing more is read."""
        sentence = (message or "internal error").splitlines()[0]
        response = reply.failure(status, f"Bad request: {sentence}" if status == 400 else sentence)
        response.force_close()
        return response

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _too_slow(self) -> None:
        self._clock = None
        if not self._request_in_progress:
            self.force_close()


def _who(transport: asyncio.BaseTransport) -> str:
    """The process at the other end, as far as the kernel tells (unix(7), SO_PEERCRED); a tunnel's end is our own."""
    connection = transport.get_extra_info("socket")
    if connection is None or connection.family != socket.AF_UNIX:
        return f"peer={transport.get_extra_info('peername')}"
    pid, uid, gid = peer_credentials(connection)
    return f"pid={pid} uid={uid} gid={gid}"


class Server(web.Server):
    """Makes a `Connection` for every client, all answered by one handler."""

    def __init__(self, handler: Handler) -> None:
        limits: dict[str, Any] = {
            "max_line_size": HEAD_BYTES,
            "max_field_size": HEAD_BYTES,
            "max_headers": HEADERS,
            "keepalive_timeout": IDLE_SECONDS,
            "read_bufsize": READ_BYTES,
            # A compressed body is data here, as for dockerd; inflating is a decision of whoever reads it.
            "auto_decompress": False,
            "access_log": None,
        }
        # With cancellation on, a route that only watches ends with its client; `app` shields those that change things.
        super().__init__(handler, handler_cancellation=True, **limits)

    def __call__(self) -> Connection:
        """The protocol of a new connection."""
        return Connection(self, loop=self._loop, **self._kwargs)

    async def finish(self, seconds: float) -> None:
        """Cut those who only watch, who would stay for ever; give `seconds` to what changes something; then cut all."""
        for connection in self.connections:
            if isinstance(connection, Connection) and connection.watching:
                connection.force_close()
        self.pre_shutdown()
        await self.shutdown(seconds)
