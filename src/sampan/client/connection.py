"""How does one request travel to the engine, and its response back?

Blocking sockets, one request at a time per connection. A response is read as it is consumed, so that logs, events and
images of any size pass through in bounded memory.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator

from sampan.client.endpoint import Endpoint
from sampan.client.http import BadResponse, Head, ResponseParser
from sampan.errors import Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.client.tls import TlsSocket

READ_SIZE = 64 * 1024


class CannotConnect(Unavailable):
    """Nobody answers at the endpoint."""

    def __init__(self, endpoint: Endpoint, error: OSError) -> None:
        if isinstance(error, PermissionError):
            hint = f"permission denied: run the command as root, or as a member of the group that owns {endpoint.path}"
        elif endpoint.path:
            hint = "Is the daemon running? Start it with `sampan daemon`"
        else:
            hint = f"Is the daemon running? ({error.strerror or error})"
        super().__init__(f"Cannot connect to the sampan daemon at {endpoint.url}. {hint}")
        self.error = error


def connect(endpoint: Endpoint) -> socket.socket | TlsSocket:
    """A connected blocking socket. Raises CannotConnect."""
    try:
        if endpoint.path:
            unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            unix.connect(endpoint.path)
            return unix
        tcp = socket.create_connection((endpoint.host, endpoint.port), timeout=30)
        tcp.settimeout(None)
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if endpoint.tls is None:
            return tcp
        from sampan.client.tls import TlsSocket

        return TlsSocket(tcp, endpoint.host, endpoint.tls)
    except OSError as error:
        raise CannotConnect(endpoint, error) from None


class Response:
    """A response whose head has arrived; the body is read from the connection when asked for."""

    def __init__(self, connection: Connection, parser: ResponseParser, head: Head, first: bytes) -> None:
        self.head = head
        self._connection = connection
        self._parser = parser
        self._first = first

    def pieces(self) -> Iterator[bytes]:
        """The body as it arrives, in pieces of any size above zero. Raises BadResponse if it is cut off."""
        piece, self._first = self._first, b""
        if piece:
            yield piece
        while not self._parser.finished:
            piece = self._connection.receive(self._parser)
            if piece:
                yield piece
        self._connection.done(self.head)

    def read(self) -> bytes:
        """The whole body."""
        return b"".join(self.pieces())

    def hijack(self) -> tuple[socket.socket | TlsSocket, bytes]:
        """The socket, now a raw stream that belongs to the caller, and the bytes already read from it."""
        return self._connection.socket, self._first + self._parser.rest()

    def close(self) -> None:
        """Give up on the rest of the body."""
        self._connection.close()


class Connection:
    """One connection; `idle` when it can carry the next request."""

    def __init__(self, opened: socket.socket | TlsSocket) -> None:
        self.socket = opened
        self.idle = True
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether it can carry nothing any more."""
        return self._closed

    def send(self, method: str, request: bytes, body: Iterable[bytes] = ()) -> Response:
        """Send a rendered request, and `body` in chunks; returns when the response's head is there."""
        self.idle = False
        try:
            self.socket.sendall(request)
            for piece in body:
                if piece:
                    self.socket.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
            if body != ():
                self.socket.sendall(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass  # the engine refused early: its answer, which says why, may be waiting to be read
        parser = ResponseParser(method)
        first = b""
        while parser.head is None:
            first = self.receive(parser)
        return Response(self, parser, parser.head, first)

    def receive(self, parser: ResponseParser) -> bytes:
        """Read once from the socket into the parser; the body bytes that came."""
        try:
            data = self.socket.recv(READ_SIZE)
        except ConnectionResetError:
            data = b""
        if data:
            return parser.feed(data)
        self.close()
        try:
            parser.feed_end()
        except BadResponse:
            raise Unavailable("the engine closed the connection before it had answered") from None
        return b""

    def done(self, head: Head) -> None:
        """The response was read to its end."""
        self.idle = head.keeps_alive and not self._closed
        if not self.idle:
            self.close()

    def close(self) -> None:
        """Idempotent."""
        self._closed = True
        self.idle = False
        self.socket.close()
