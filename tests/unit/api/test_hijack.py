"""The client's own socket goes to the container; no byte of it is lost."""

import asyncio
import os
import socket

from sampan.api.hijack import HEAD_SECONDS, head_is_read
from sampan.runtime.streams import Stream

from .conftest import Served

HEAD = b"POST /v1.44/containers/%s/attach?stream=1&stdin=1&stdout=1%s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"


def head_of(client: socket.socket) -> bytes:
    """An answer's head, to the byte."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += client.recv(1)
    return head


def shim_end(stream: Stream) -> socket.socket:
    """The connection as the shim gets it."""
    connection = socket.socket(fileno=stream.fd)
    connection.settimeout(10)
    return connection


def test_bytes_go_both_ways_and_either_side_may_stop_first(api: Served) -> None:
    with api.connect() as client:
        client.sendall(HEAD % (b"plain", b"") + UPGRADE)
        head = head_of(client)
        assert head.startswith(b"HTTP/1.1 101 UPGRADED\r\n")
        assert b"Content-Type: application/vnd.docker.multiplexed-stream\r\n" in head
        stream = api.attached()
        assert (stream.framed, stream.stdin, stream.stdout, stream.stderr) == (True, True, True, False)
        with shim_end(stream) as shim:
            client.sendall(b"input")
            client.shutdown(socket.SHUT_WR)
            assert shim.recv(100) == b"input"
            assert shim.recv(100) == b""
            shim.sendall(b"output after the input has ended")
        assert client.recv(100) == b"output after the input has ended"
        assert client.recv(100) == b""


def test_the_connection_outlives_the_daemon(api: Served) -> None:
    with api.connect() as client:
        client.sendall(HEAD % (b"term", b"") + UPGRADE)
        head_of(client)
        stream = api.attached()
        api.stop()
        with shim_end(stream) as shim:
            shim.sendall(b"still here")
            assert client.recv(100) == b"still here"


def test_bytes_sent_with_the_request_travel_along(api: Served) -> None:
    early = os.urandom(100_000)
    with api.connect() as client:
        client.sendall(HEAD % (b"plain", b"") + UPGRADE + early)
        head_of(client)
        client.shutdown(socket.SHUT_WR)
        stream = api.attached()
        received = stream.initial
        with shim_end(stream) as shim:
            while data := shim.recv(1 << 16):
                received += data
    assert received == early


def test_a_terminal_is_raw_and_has_detach_keys(api: Served) -> None:
    with api.connect() as client:
        client.sendall(HEAD % (b"term", b"&detachKeys=ctrl-a,x") + UPGRADE)
        assert b"application/vnd.docker.raw-stream" in head_of(client)
        stream = api.attached()
        assert (stream.framed, stream.detach_keys) == (False, b"\x01x")
        os.close(stream.fd)


def test_clients_before_1_42_know_one_content_type(api: Served) -> None:
    with api.connect() as client:
        client.sendall((HEAD % (b"plain", b"") + UPGRADE).replace(b"/v1.44/", b"/v1.41/"))
        assert b"application/vnd.docker.raw-stream" in head_of(client)
        os.close(api.attached().fd)


def test_without_upgrade_it_is_200(api: Served) -> None:
    with api.connect() as client:
        client.sendall(HEAD % (b"plain", b"") + b"\r\n")
        assert head_of(client) == b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"
        with shim_end(api.attached()) as shim:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert shim.recv(100) == b"GET / HTTP/1.1\r\n\r\n"


def test_failures_before_the_upgrade_are_answers(api: Served) -> None:
    assert api.message("POST", "/containers/gone/attach?stream=1", Connection="Upgrade", Upgrade="tcp") == (
        404,
        "No such container: gone",
    )
    status, sentence = api.message("POST", "/containers/term/attach?stream=1&detachKeys=nokey")
    assert (status, sentence) == (400, "Invalid detach keys (nokey) provided")


def test_failures_after_the_upgrade_are_output(api: Served) -> None:
    with api.connect() as client:
        client.sendall((HEAD % (b"term", b"") + UPGRADE).replace(b"stream=1", b"stream=0"))
        head_of(client)
        assert client.recv(100) == b"nothing to attach to\r\n"


def test_attaching_leaves_no_descriptors_behind(api: Served) -> None:
    def attach() -> None:
        with api.connect() as client:
            client.sendall(HEAD % (b"plain", b"") + UPGRADE)
            head_of(client)
            os.close(api.attached().fd)
            assert client.recv(1) == b""

    attach()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        attach()
    api.request("GET", "/_ping")
    assert len(os.listdir("/proc/self/fd")) <= before + 1


def test_a_declined_upgrade_leaves_an_http_connection(api: Served) -> None:
    ping = b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = api.raw(HEAD % (b"gone", b"") + UPGRADE + ping)
    assert answer.startswith(b"HTTP/1.1 404")
    assert answer.endswith(b"OK")


def test_nothing_follows_the_head_before_it_is_read() -> None:
    """docker-py loses what its buffer takes in together with the head."""
    asyncio.run(_head_before_the_rest())


async def _head_before_the_rest() -> None:
    engine, client = socket.socketpair()
    with engine, client:
        engine.sendall(b"head")
        waiting = asyncio.ensure_future(head_is_read(engine.fileno()))
        await asyncio.sleep(0)
        assert not waiting.done()
        client.recv(4)
        await asyncio.wait_for(waiting, HEAD_SECONDS)
        engine.sendall(b"head of a client that never reads")
        await asyncio.wait_for(head_is_read(engine.fileno()), 10 * HEAD_SECONDS)
