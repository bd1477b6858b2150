"""How does a test talk to the engine without a client's good manners? HTTP/1.1 by hand over the unix socket."""

import http.client
import json
import socket
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def message(self) -> str:
        """The sentence of an error body, which has dockerd's shape."""
        return str(self.json()["message"])


class UnixConnection(http.client.HTTPConnection):
    """http.client over a unix socket."""

    def __init__(self, path: str, timeout: float = 30) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        """Connect to the socket's path in place of a host."""
        self.sock = connect(self.path, self.timeout or 30)


def connect(path: str, timeout: float = 30) -> socket.socket:
    """A connected stream socket."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout)
    connection.connect(path)
    return connection


def call(path: str, method: str, target: str, body: object = None, headers: dict[str, str] | None = None) -> Answer:
    """One request on a connection of its own; a body that is not bytes is sent as JSON."""
    connection = UnixConnection(path)
    try:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **(headers or {})} if data is not None else headers or {}
        try:
            connection.request(method, target, body=data, headers=sent)
        except BrokenPipeError:
            pass  # refused before all of it was sent; the answer is there to be read
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


def exchange(path: str, request: bytes, *, end: bool = False, timeout: float = 10) -> bytes:
    """Send bytes, half-close if asked to, and read until the other side closes or `timeout` seconds of silence."""
    with connect(path, timeout) as connection:
        try:
            connection.sendall(request)
            if end:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it had heard enough; what it said is what counts
        received = b""
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except OSError:
            pass  # silence, or a reset after the answer
        return received
