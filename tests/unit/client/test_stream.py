"""Do a hijacked connection and our stdio feed each other? Real sockets, pipes and a real terminal."""

import os
import socket
import threading
from collections.abc import Iterator

import pytest

from sampan.client.stream import Detached, Screen, Streams
from sampan.errors import InvalidRequest, Unavailable
from sampan.wire.stdcopy import encode

KEYS = b"\x10\x11"


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """(our end, the container's end)."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def pipe_with(data: bytes) -> int:
    """A file descriptor to read `data` from, and then its end."""
    reader, writer = os.pipe()
    os.write(writer, data)
    os.close(writer)
    return reader


def test_frames_go_to_stdout_and_stderr(
    pair: tuple[socket.socket, socket.socket], capfd: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = pair
    theirs.sendall(encode(1, b"out") + encode(2, b"err") + encode(1, b" more"))
    theirs.close()
    Streams(ours, encode(1, b"first "), framed=True).copy()
    assert capfd.readouterr() == ("first out more", "err")


def test_a_terminals_output_is_raw(
    pair: tuple[socket.socket, socket.socket], capfd: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = pair
    theirs.sendall(b"\x01\x00raw")
    theirs.close()
    Streams(ours, b"", framed=False).copy()
    assert capfd.readouterr().out == "\x01\x00raw"


def test_the_end_of_our_input_is_told_and_output_goes_on(
    pair: tuple[socket.socket, socket.socket], capfd: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = pair

    def echo() -> None:
        data = b"".join(iter(lambda: theirs.recv(1000), b""))
        theirs.sendall(data.upper())
        theirs.close()

    container = threading.Thread(target=echo)
    container.start()
    Streams(ours, b"", framed=False, stdin=pipe_with(b"typed")).copy()
    container.join()
    assert capfd.readouterr().out == "TYPED"


def test_a_container_that_does_not_read_can_still_print(
    pair: tuple[socket.socket, socket.socket], capfd: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = pair
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with open("/dev/zero", "rb") as endless:
        theirs.sendall(b"x" * 1000)
        theirs.shutdown(socket.SHUT_WR)
        Streams(ours, b"", framed=False, stdin=endless.fileno()).copy()
    assert len(capfd.readouterr().out) == 1000


def test_detach_keys_end_the_conversation(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    with pytest.raises(Detached):
        Streams(ours, b"", framed=False, stdin=pipe_with(b"abc" + KEYS + b"def"), keys=KEYS).copy()
    assert theirs.recv(100) == b"abc"


def test_without_output_it_ends_with_our_input(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    Streams(ours, b"", framed=True, stdin=pipe_with(b"abc")).copy(output=False)
    assert theirs.recv(100) == b"abc"
    assert theirs.recv(100) == b""


def test_the_engines_own_error_is_told() -> None:
    with pytest.raises(Unavailable, match="error from daemon in stream: lost it"):
        Screen(framed=True).show(encode(3, b"lost it"))
    with pytest.raises(InvalidRequest):
        Screen(framed=True).show(b"HTTP/1.1 200 OK")
