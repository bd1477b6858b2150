"""A body without end, read by a thread: whole, in order, and never more of it in memory than the limit (P17)."""

import hashlib
import os
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import pytest

from sampan.api import upload
from sampan.errors import InvalidRequest

from .conftest import Served

HEAD = b"POST /images/load HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-tar\r\nConnection: close\r\n"
Load = Callable[[BinaryIO, Callable[[Mapping[str, Any]], None]], None]


def loading(api: Served, load: Load) -> None:
    """Have `POST /images/load` call `load`."""
    api.images.load = lambda archive, emit, **wishes: load(archive, emit)


def test_the_bytes_that_were_sent_are_read(api: Served) -> None:
    data = os.urandom(20 << 20)
    loading(api, lambda archive, emit: emit({"stream": hashlib.sha256(archive.read()).hexdigest()}))
    for framing, body in [
        (b"Content-Length: %d\r\n\r\n" % len(data), data),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data)),
    ]:
        with api.connect() as client:
            client.sendall(HEAD + framing + body)
            answer = b"".join(iter(lambda: client.recv(1 << 16), b""))
        assert hashlib.sha256(data).hexdigest().encode() in answer
        assert answer.startswith(b"HTTP/1.1 200")


def test_a_slow_reader_holds_the_client_back(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "BUFFER_BYTES", 1 << 20)
    go_on = threading.Event()

    def load(archive: BinaryIO, emit: object) -> None:
        archive.read(1)
        go_on.wait(10)
        archive.read()

    loading(api, load)
    with api.connect() as client:
        client.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % (64 << 20))
        client.settimeout(1)
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 64 << 20:
                sent += client.send(bytes(1 << 20))
        # What is under way: the limit, aiohttp's own buffer, a chunk and the socket's two ends.
        assert sent < 16 << 20
        go_on.set()


def test_a_body_that_ends_early_is_an_error_and_no_short_file(api: Served) -> None:
    seen: list[Exception] = []
    ended = threading.Event()

    def load(archive: BinaryIO, emit: object) -> None:
        try:
            archive.read()
        except InvalidRequest as error:
            seen.append(error)
            raise
        finally:
            ended.set()

    loading(api, load)
    with api.connect() as client:
        client.sendall(HEAD + b"Content-Length: 100\r\n\r\nabc")
        client.shutdown(socket.SHUT_RDWR)
    assert ended.wait(10)
    assert "ended before its time" in str(seen[0])


def test_failures_before_anything_was_said_have_a_status_but_for_load(api: Served) -> None:
    def fail(archive: BinaryIO, *arguments: object, **wishes: object) -> None:
        raise InvalidRequest("not an archive")

    api.images.import_tar = fail
    target, tar = "/images/create?fromSrc=-", "application/x-tar"
    assert api.message("POST", target, b"x", Content_Type=tar) == (400, "not an archive")
    # dockerd's load answers 200 before it looks at the archive, and clients look for the error in the stream.
    loading(api, fail)
    status, _, body = api.request("POST", "/images/load", b"x", Content_Type=tar)
    assert (status, body.split(b"\r\n")[0]) == (
        200,
        b'{"errorDetail":{"message":"not an archive"},"error":"not an archive"}',
    )


def test_failures_after_it_are_the_last_line(api: Served) -> None:
    def load(archive: BinaryIO, emit: Callable[[Mapping[str, Any]], None]) -> None:
        emit({"stream": "half of it\n"})
        raise InvalidRequest("broken")

    loading(api, load)
    status, _, body = api.request("POST", "/images/load", b"x", Content_Type="application/x-tar")
    assert status == 200
    assert body.split(b"\r\n")[:2] == [
        b'{"stream":"half of it\\n"}',
        b'{"errorDetail":{"message":"broken"},"error":"broken"}',
    ]


def test_a_client_that_leaves_does_not_leave_a_thread_waiting(api: Served) -> None:
    ended = threading.Event()

    def load(archive: BinaryIO, emit: Callable[[Mapping[str, Any]], None]) -> None:
        try:
            for _ in range(1_000_000):
                emit({"stream": "x" * 1000})
        finally:
            ended.set()

    loading(api, load)
    with api.connect() as client:
        client.sendall(HEAD + b"Content-Length: 1\r\n\r\nx")
        assert client.recv(100).startswith(b"HTTP/1.1 200")
    assert ended.wait(10)
