"""One client's connection: strict HTTP, and limits on what it may hold up (G04, G09, G10)."""

import socket
import time

import pytest

from sampan.api import connection

from .conftest import Served

PING = b"GET /_ping HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00",  # TLS to a plain socket
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /_ping\r\n\r\n",
        b"GET /_ping HTTP/1.1\r\nHost : x\r\n\r\n",
        PING + b" folded: x\r\n\r\n",
        PING + b"A: b\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /_ping HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /_ping HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /_ping HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nabcde",
        b"POST /_ping HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        PING + b"X: \x00\r\n\r\n",
        PING + b"X: " + b"a" * (connection.HEAD_BYTES + 1) + b"\r\n\r\n",
        PING + b"".join(b"H%d: x\r\n" % number for number in range(connection.HEADERS + 1)) + b"\r\n",
        b"GET /" + b"a" * (connection.HEAD_BYTES + 1) + b" HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_not_strict_http_gets_one_400_and_the_end(api: Served, request_bytes: bytes) -> None:
    answer = api.raw(request_bytes + PING + b"\r\n")
    assert answer[:12] in (b"HTTP/1.0 400", b"HTTP/1.1 400")
    assert answer.count(b"Ostype: linux") == 1
    assert b'{"message":"Bad request: ' in answer


def test_a_body_that_goes_wrong_ends_its_request_at_once(api: Served) -> None:
    head = b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with api.connect() as client:
        client.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{")
        assert api.request("GET", "/_ping")[0] == 200  # by now the first part has been read
        client.sendall(b"    no line ends here")
        answer = b""
        while data := client.recv(1 << 16):
            answer += data
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"the body is not what its headers promise" in answer
    assert answer.count(b"Ostype: linux") == 1


def test_half_a_request_gets_no_answer_and_harms_nobody(api: Served) -> None:
    assert api.raw(b"GET /_ping HT") == b""
    assert api.request("GET", "/_ping")[0] == 200


def test_a_head_that_comes_in_drops_has_its_time(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.1)
    with api.connect() as client:
        client.sendall(b"GET /_ping HTTP/1.1\r\nHost")
        assert client.recv(100) == b""


def test_a_connection_is_kept_for_the_next_request(api: Served) -> None:
    with api.connect() as client:
        for _ in range(3):
            client.sendall(PING + b"\r\n")
            assert client.recv(1 << 16).endswith(b"OK")


def test_pipelined_requests_are_answered_in_order(api: Served) -> None:
    answer = api.raw(PING + b"\r\nGET /nope HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.index(b"200 OK") < answer.index(b"404 Not Found")


def test_the_end_of_the_server_does_not_wait_for_those_who_watch(api: Served) -> None:
    with api.connect() as client:
        client.sendall(b"POST /containers/plain/wait HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 200")
        started = time.monotonic()
        api.stop()
        assert time.monotonic() - started < 4
        assert client.recv(100) == b""


def test_a_client_that_leaves_ends_what_only_watched(api: Served) -> None:
    with api.connect() as client:
        client.sendall(b"POST /containers/plain/wait HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 200")  # the head, though nothing has ended yet
        assert api.containers.waiters == 1
        client.shutdown(socket.SHUT_RDWR)
    for _ in range(1000):
        if not api.containers.waiters:
            break
        api.request("GET", "/_ping")
    assert api.containers.waiters == 0
