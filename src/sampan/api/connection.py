"""What may one client's connection do, and for how long?

aiohttp parses HTTP/1.1 strictly (llhttp without its lenient switches). Added here: a head that comes in drops has
HEAD_SECONDS to be complete, a connection that says nothing is closed after IDLE_SECONDS, bytes that are not HTTP get
Docker's error body and the end of the connection. Line, field and count limits bound what a head can hold.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from sampan.api import reply

HEAD_SECONDS = 10.0
IDLE_SECONDS = 600.0
HEAD_BYTES = 64 << 10
HEADERS = 100
READ_BYTES = 256 << 10

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Connection(RequestHandler):
    """One connection: aiohttp's, with a clock on heads and Docker's error bodies."""

    _clock: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Feed the parser; the clock runs while it has the beginning of a head and nothing else to do."""
        complete = self._request_count
        super().data_received(data)
        if self._clock is not None and (self._request_count > complete or self._upgraded):
            self._stop_clock()
        elif self._clock is None and self._request_count == complete and not self._request_in_progress:
            self._clock = self._loop.call_later(HEAD_SECONDS, self._too_slow)

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
