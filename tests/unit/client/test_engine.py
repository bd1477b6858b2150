"""Does the client speak with an engine as docker's clients do? A few canned answers on a real socket."""

import json
import socket
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.client.connection import CannotConnect, Connection, Response
from sampan.client.endpoint import Endpoint
from sampan.client.engine import Engine, Refused, named, values
from sampan.client.http import Head, ResponseParser, render_request
from sampan.errors import Unavailable

PING = b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 0\r\n\r\n"


class Canned:
    """An engine that gives the next answer to each request, whatever it is, and keeps the requests."""

    def __init__(self, path: Path, answers: list[bytes]) -> None:
        self.requests: list[bytes] = []
        self._answers = iter(answers)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self.endpoint = Endpoint(f"unix://{path}")
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            while request := self._request(connection):
                self.requests.append(request)
                answer = next(self._answers, b"")
                if not answer:
                    return
                connection.sendall(answer)

    @staticmethod
    def _request(connection: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            if not (piece := connection.recv(4096)):
                return b""
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        is_chunked = b"transfer-encoding: chunked" in head.lower()
        while len(body) < length or (is_chunked and not body.endswith(b"0\r\n\r\n")):
            body += connection.recv(4096)
        return head + b"\r\n\r\n" + body

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def canned(tmp_path: Path) -> Iterator[type[Canned]]:
    """Makes Canned engines; their sockets are closed afterwards."""
    made: list[Canned] = []

    def make(answers: list[bytes]) -> Canned:
        made.append(Canned(tmp_path / f"{len(made)}.sock", answers))
        return made[-1]

    yield make  # type: ignore[misc]
    for each in made:
        each.close()


def answer(value: object, status: str = "200 OK") -> bytes:
    """A JSON answer."""
    body = json.dumps(value).encode()
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status.encode(), len(body), body)


def test_the_older_of_two_versions_is_spoken(canned: type[Canned]) -> None:
    server = canned([PING, answer([])])  # type: ignore[arg-type]
    assert Engine(server.endpoint).get("/containers/json", {"all": "1"}) == []
    assert server.requests[0].startswith(b"HEAD /_ping HTTP/1.1\r\n")
    assert server.requests[1].startswith(b"GET /v1.41/containers/json?all=1 HTTP/1.1\r\n")


def test_a_ping_by_get_when_head_is_refused(canned: type[Canned]) -> None:
    refused = b"HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n"
    server = canned([refused, PING, answer({})])  # type: ignore[arg-type]
    Engine(server.endpoint).get("/info")
    assert [request.split()[0] for request in server.requests] == [b"HEAD", b"GET", b"GET"]


def test_a_pinned_version_asks_nothing(canned: type[Canned]) -> None:
    server = canned([answer({"a": 1})])  # type: ignore[arg-type]
    assert Engine(server.endpoint, version="1.30").get("/info") == {"a": 1}
    assert server.requests[0].startswith(b"GET /v1.30/info ")


def test_an_error_carries_the_engines_sentence(canned: type[Canned]) -> None:
    text = b"HTTP/1.1 500 Oh\r\nContent-Length: 5\r\n\r\nplain"
    server = canned([answer({"message": "No such container: x"}, "404 Not Found"), text])  # type: ignore[arg-type]
    engine = Engine(server.endpoint, version="1.41")
    with pytest.raises(Refused, match=r"^Error response from daemon: No such container: x$") as caught:
        engine.delete(named("containers", "x"))
    assert (caught.value.status, caught.value.message) == (404, "No such container: x")
    with pytest.raises(Refused, match="daemon: plain"):
        engine.get("/x")


def test_a_body_and_an_upload(canned: type[Canned]) -> None:
    server = canned([answer({"Id": "x"}, "201 Created"), answer({})])  # type: ignore[arg-type]
    engine = Engine(server.endpoint, version="1.41")
    assert engine.post("/containers/create", {"name": "n"}, body={"Image": "ü"}) == {"Id": "x"}
    engine.send("POST", "/images/load", data=iter([b"abc", b"", b"d" * 20])).read()
    assert server.requests[0].endswith(b'\r\n\r\n{"Image":"\\u00fc"}')
    assert server.requests[1].endswith(b"\r\n\r\n3\r\nabc\r\n14\r\n" + b"d" * 20 + b"\r\n0\r\n\r\n")


def test_an_upgraded_connection_is_handed_over(canned: type[Canned]) -> None:
    server = canned([b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\n\r\nfirst"])  # type: ignore[arg-type]
    stream, first = Engine(server.endpoint, version="1.41").upgrade("/containers/x/attach", {"stream": "1"}).hijack()
    assert first == b"first"
    assert b"Upgrade: tcp\r\n" in server.requests[0]
    stream.close()


def test_an_engine_that_goes_away_is_told(canned: type[Canned]) -> None:
    server = canned([b""])  # type: ignore[arg-type]
    with pytest.raises(Unavailable, match="closed the connection"):
        Engine(server.endpoint, version="1.41").get("/info")


def test_nobody_there_is_told_and_woken_once(tmp_path: Path) -> None:
    asked: list[str] = []

    def wake(endpoint: Endpoint) -> bool:
        asked.append(endpoint.url)
        return False

    engine = Engine(Endpoint(f"unix://{tmp_path}/none.sock"), wake=wake)
    for _ in range(2):
        with pytest.raises(CannotConnect, match=r"Cannot connect to the sampan daemon at unix://.*none\.sock"):
            engine.get("/info")
    assert len(asked) == 1


def test_names_are_safe_in_paths() -> None:
    assert named("images", "a/b:c@sha256:d", "json") == "/images/a/b:c@sha256:d/json"
    assert named("containers", "x?force=1#") == "/containers/x%3Fforce%3D1%23"


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=8) | st.integers()), max_size=6), st.data())
def test_a_stream_of_values_is_the_same_however_it_is_cut(sent: list[dict[str, object]], data: st.DataObject) -> None:
    text = "".join(
        json.dumps(value, ensure_ascii=False) + data.draw(st.sampled_from(["", "\n", "\r\n"])) for value in sent
    )
    raw = text.encode("utf-8", "replace")
    places = data.draw(st.lists(st.integers(0, len(raw))))
    edges = sorted({0, len(raw), *places})
    pieces = [raw[a:b] for a, b in pairwise(edges)]
    ours, theirs = socket.socketpair()
    with ours, theirs:
        response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        response += b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        theirs.sendall(response)
        got = Connection(ours).send("GET", render_request("GET", "/", {}))
        assert list(values(got)) == json.loads("[" + ",".join(json.dumps(value) for value in sent) + "]") or any(
            "\ud800" <= c <= "\udfff" for c in text
        )


def test_a_stream_that_is_cut_off_is_told() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}")
        theirs.shutdown(socket.SHUT_WR)
        response = Connection(ours).send("GET", render_request("GET", "/", {}))
        with pytest.raises(Unavailable, match="closed the connection"):
            response.read()


def test_a_response_can_be_read_in_pieces() -> None:
    parser = ResponseParser("GET")
    first = parser.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        response = Response(Connection(ours), parser, Head(200, "OK", {}, False), first)
        assert list(response.pieces()) == [b"ab"]
