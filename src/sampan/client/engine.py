"""How are an engine's API operations called: versions, JSON bodies, error sentences?

Docker Engine API over the connections of `connection.py`. The first request is preceded by `HEAD /_ping`, whose answer
decides the version that both sides speak, as docker's own clients do it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator

from sampan.client.connection import CannotConnect, Connection, Response, connect
from sampan.client.endpoint import Endpoint
from sampan.client.http import quote, render_query, render_request
from sampan.errors import SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NEWEST_VERSION = "1.51"
OLDEST_VERSION = "1.24"


class Refused(SampanError):
    """The engine answered with an error status; `message` is the engine's own sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"Error response from daemon: {message}")
        self.status = status
        self.message = message


class Engine:
    """An engine at an endpoint. `wake` may start one that does not answer yet, and says whether it did."""

    def __init__(
        self, endpoint: Endpoint, *, version: str = "", wake: Callable[[Endpoint], bool] | None = None
    ) -> None:
        self.endpoint = endpoint
        self.server_fields: dict[str, str] = {}  # the header of its answer to /_ping
        self._version = version
        self._wake = wake
        self._connections: list[Connection] = []

    @property
    def version(self) -> str:
        """The API version both sides speak, "1.41"; asks the engine on first use."""
        if not self._version:
            self.ping()
        return self._version

    def ping(self) -> None:
        """Ask which version the engine speaks; settles `version` and `server_fields`."""
        response = self._send("HEAD", "/_ping", {}, b"", ())
        response.read()
        if response.head.status >= 400:
            response = self._send("GET", "/_ping", {}, b"", ())
            response.read()
        self.server_fields = response.head.fields
        offered = self.server_fields.get("api-version", OLDEST_VERSION)
        self._version = self._version or min(offered, NEWEST_VERSION, key=version_number)

    def send(
        self,
        method: str,
        path: str,
        query: dict[str, str | list[str]] | None = None,
        *,
        body: object = None,
        data: Iterable[bytes] = (),
        fields: dict[str, str] | None = None,
    ) -> Response:
        """One request; `body` goes as JSON, `data` as a chunked tar. Raises Refused for a status of 400 or more."""
        target = f"/v{self.version}{path}{render_query(query or {})}"
        headers = dict(fields or {})
        content = b""
        if body is not None:
            content = json.dumps(body, separators=(",", ":")).encode("ascii")
            headers["Content-Type"] = "application/json"
        if data != ():
            headers.setdefault("Content-Type", "application/x-tar")
            headers["Transfer-Encoding"] = "chunked"
        elif method != "GET" and method != "HEAD":
            headers["Content-Length"] = str(len(content))
        response = self._send(method, target, headers, content, data)
        if response.head.status >= 400:
            raise Refused(response.head.status, error_message(response))
        return response

    def get(self, path: str, query: dict[str, str | list[str]] | None = None) -> Any:
        """GET a JSON value."""
        return self._json("GET", path, query, None)

    def post(self, path: str, query: dict[str, str | list[str]] | None = None, *, body: object = None) -> Any:
        """POST a JSON value (or nothing); the JSON value that comes back, or None."""
        return self._json("POST", path, query, body)

    def delete(self, path: str, query: dict[str, str | list[str]] | None = None) -> Any:
        """DELETE; the JSON value that comes back, or None."""
        return self._json("DELETE", path, query, None)

    def upgrade(self, path: str, query: dict[str, str | list[str]], body: object = None) -> Response:
        """POST that turns the connection into a raw stream; take it with `Response.hijack`."""
        fields = {"Connection": "Upgrade", "Upgrade": "tcp"}
        if body is None:
            fields["Content-Type"] = "text/plain"
        return self.send("POST", path, query, body=body, fields=fields)

    def beside(self) -> Engine:
        """The same engine over connections of its own: for signal handlers, which may interrupt a request."""
        return Engine(self.endpoint, version=self.version)

    def _json(self, method: str, path: str, query: dict[str, str | list[str]] | None, body: object) -> Any:
        content = self.send(method, path, query, body=body).read()
        return json.loads(content) if content else None

    def _send(
        self, method: str, target: str, fields: dict[str, str], content: bytes, data: Iterable[bytes]
    ) -> Response:
        headers = {"Host": "sampan", "User-Agent": "sampan", **fields}
        request = render_request(method, target, headers, content)
        return self._connection().send(method, request, data)

    def _connection(self) -> Connection:
        self._connections = [each for each in self._connections if not each.closed]
        for each in self._connections:
            if each.idle:
                return each
        try:
            opened = connect(self.endpoint)
        except CannotConnect as failure:
            wake, self._wake = self._wake, None
            if wake is None or isinstance(failure.error, PermissionError) or not wake(self.endpoint):
                raise
            opened = connect(self.endpoint)
        self._connections.append(Connection(opened))
        return self._connections[-1]


def version_number(version: str) -> tuple[int, ...]:
    """ "1.41" as (1, 41), so that versions compare."""
    return tuple(int(part) if part.isdigit() else 0 for part in version.split("."))


def error_message(response: Response) -> str:
    """The sentence in an error response: docker's {"message": …}, or the text as it is."""
    text = response.read().decode("utf-8", "replace").strip()
    try:
        value = json.loads(text)
        return str(value["message"]).strip()
    except (ValueError, KeyError, TypeError):
        return text or f"{response.head.status} {response.head.reason}".strip()


def values(response: Response) -> Iterator[Any]:
    """The JSON values of a progress or event stream as they arrive; they may touch, or be cut anywhere."""
    decoder = json.JSONDecoder()
    buffer = ""
    undecoded = b""
    for piece in response.pieces():
        undecoded += piece
        # A value ends with } on docker's streams; waiting for one keeps half a character out of the decoder.
        if b"}" not in piece:
            continue
        cut = undecoded.rindex(b"}") + 1
        buffer += undecoded[:cut].decode("utf-8", "replace")
        undecoded = undecoded[cut:]
        buffer = buffer.lstrip()
        while buffer:
            try:
                value, end = decoder.raw_decode(buffer)
            except ValueError:
                break  # the rest of it is still to come
            yield value
            buffer = buffer[end:].lstrip()


def named(kind: str, name: str, action: str = "") -> str:
    """`/containers/NAME/ACTION`, with the name made safe for a path."""
    return f"/{kind}/{quote(name, keep='/:@')}" + (f"/{action}" if action else "")
