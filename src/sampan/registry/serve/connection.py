"""What may one client's connection do, and for how long?

aiohttp parses HTTP/1.1 strictly; what it does not have is a clock on a request's head: one that comes in drops has
HEAD_SECONDS to be complete, like a connection that says nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from sampan.registry.serve.refusal import Refusal

HEAD_SECONDS = 15.0
IDLE_SECONDS = 75.0
HEAD_BYTES = 32 << 10
READ_BYTES = 1 << 20
CONNECTIONS = 2000

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Connection(RequestHandler):
    """One connection: aiohttp's, with a clock on heads."""

    _clock: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come in."""
        super().connection_made(transport)
        if self._manager is not None and len(self._manager.connections) > CONNECTIONS:
            self.force_close()
        self._start()

    def data_received(self, data: bytes) -> None:
        """Feed the parser; the clock runs while it has the beginning of a head and nothing else is going on."""
        before = self._request_count
        super().data_received(data)
        if self._request_count > before:
            self._stop()
        elif not self._request_in_progress:
            self._start()

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection is gone."""
        self._stop()
        super().connection_lost(exc)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Bytes that are no request: one answer, no word in the log, nothing more is read."""
        sentence = (message or "internal error").splitlines()[0][:200]
        refusal = Refusal("UNSUPPORTED" if status < 500 else "UNKNOWN", f"bad request: {sentence}", status=status)
        response = web.Response(status=status, body=refusal.body(), content_type="application/json")
        response.force_close()
        return response

    def _start(self) -> None:
        if self._clock is None:
            self._clock = self._loop.call_later(HEAD_SECONDS, self._too_slow)

    def _stop(self) -> None:
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
        super().__init__(
            handler,
            max_line_size=HEAD_BYTES,
            max_field_size=HEAD_BYTES,
            max_headers=100,
            keepalive_timeout=IDLE_SECONDS,
            read_bufsize=READ_BYTES,
            auto_decompress=False,  # what a blob is, is its bytes
            access_log=None,
        )

    async def finish(self, seconds: float) -> None:
        """Close the connections on which nothing goes on; give the others so many seconds."""
        await asyncio.sleep(0)  # who has just come in begins to wait for a request, and can be told not to
        self.pre_shutdown()
        await self.shutdown(seconds)

    def __call__(self) -> Connection:
        """The protocol of a new connection."""
        return Connection(self, loop=self._loop, **self._kwargs)
