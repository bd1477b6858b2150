"""How does an encrypted client look like any other?

    client ◄─ TLS over TCP ─► tunnel ◄─ plain bytes, socketpair ─► `connection.Server`

The server's end is an ordinary socket, so hijacking (see `hijack.py`) needs no second way. It also gives what
asyncio's own TLS does not: a client that has sent its last byte (close_notify, RFC 8446, 6.1) still hears the answer,
which is how `docker run -i` ends its input. Clients must show a certificate that our authority signed: who may talk to
this port is root on this machine.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable

HANDSHAKE_SECONDS = 10
READ_BYTES = 64 << 10

Accept = Callable[[socket.socket], Awaitable[None]]


def mutual_context(*, ca: str, certificate: str, key: str) -> ssl.SSLContext:
    """A server's context that refuses clients without a certificate of `ca`. Raises OSError, ssl.SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cafile=ca)
    context.load_cert_chain(certificate, key)
    # No h2: this server does not speak it, and an upgraded connection would be something else than it seems.
    context.set_alpn_protocols(["http/1.1"])
    return context


async def serve(client: socket.socket, context: ssl.SSLContext, accept: Accept) -> None:
    """Carry one client's bytes until both directions have ended; `accept` gets the plain end after the handshake."""
    with client:
        tunnel = _Tunnel(client, context)
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                await tunnel.handshake()
        except (OSError, TimeoutError):  # ssl.SSLError is an OSError
            return
        ours, theirs = socket.socketpair()
        with ours:
            ours.setblocking(False)
            theirs.setblocking(False)
            await accept(theirs)
            await asyncio.gather(tunnel.inward(ours), tunnel.outward(ours), return_exceptions=True)


class _Tunnel:
    """One TLS session over a non-blocking socket."""

    def __init__(self, client: socket.socket, context: ssl.SSLContext) -> None:
        self._loop = asyncio.get_running_loop()
        self._client = client
        self._received = ssl.MemoryBIO()
        self._to_send = ssl.MemoryBIO()
        self._session = context.wrap_bio(self._received, self._to_send, server_side=True)
        self._sending = asyncio.Lock()

    async def handshake(self) -> None:
        """Agree on keys; raises ssl.SSLError when the client shows no good certificate."""
        while True:
            try:
                self._session.do_handshake()
                return
            except ssl.SSLWantReadError:
                await self._flush()
                await self._receive()
            finally:
                await self._flush()  # the alert that says why, too

    async def inward(self, plain: socket.socket) -> None:
        """Client to server, until the client says that it has nothing more to send."""
        try:
            while True:
                try:
                    data = self._session.read(READ_BYTES)
                except ssl.SSLWantReadError:
                    await self._receive()
                    continue
                if not data:
                    break
                await self._loop.sock_sendall(plain, data)
        except (ssl.SSLZeroReturnError, ConnectionError, ssl.SSLEOFError):
            pass
        finally:
            _end_writing(plain)

    async def outward(self, plain: socket.socket) -> None:
        """Server to client, until the server has nothing more to say."""
        try:
            while data := await self._loop.sock_recv(plain, READ_BYTES):
                self._session.write(data)
                await self._flush()
            self._session.unwrap()  # writes close_notify; does not wait for the client's
        except ssl.SSLWantReadError:
            pass
        finally:
            await self._flush()
            _end_writing(self._client)

    async def _receive(self) -> None:
        data = await self._loop.sock_recv(self._client, READ_BYTES)
        if not data:
            raise ConnectionResetError("the client closed the connection")
        self._received.write(data)

    async def _flush(self) -> None:
        async with self._sending:  # two directions write: records must not interleave
            if data := self._to_send.read():
                await self._loop.sock_sendall(self._client, data)


def _end_writing(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the other side was faster
