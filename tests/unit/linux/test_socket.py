"""Do descriptors arrive whole, close-on-exec, and never more of them than were asked for?"""

import errno
import os
import socket

import pytest

from sampan.linux.socket import FDS_MAX, peer_credentials, receive_with_fds, send_with_fds, unread


@pytest.fixture
def pair() -> "tuple[socket.socket, socket.socket]":
    left, right = socket.socketpair()
    with left, right:
        yield left, right


def descriptors() -> int:
    """How many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


def test_descriptors_arrive_with_the_data(pair: "tuple[socket.socket, socket.socket]") -> None:
    left, right = pair
    reader, writer = os.pipe()
    send_with_fds(left, b"hello", [reader, writer])
    data, fds = receive_with_fds(right, 100, 2)
    assert data == b"hello"
    assert len(fds) == 2
    assert not any(os.get_inheritable(fd) for fd in fds)
    os.write(fds[1], b"through")
    assert os.read(reader, 100) == b"through"
    for fd in (reader, writer, *fds):
        os.close(fd)


def test_data_alone(pair: "tuple[socket.socket, socket.socket]") -> None:
    left, right = pair
    send_with_fds(left, b"x", [])
    assert receive_with_fds(right, 100, 0) == (b"x", [])
    left.close()
    assert receive_with_fds(right, 100, 4) == (b"", [])


def test_long_data_goes_out_whole(pair: "tuple[socket.socket, socket.socket]") -> None:
    left, right = pair
    sent = bytes(range(256)) * 4096
    pid = os.fork()
    if pid == 0:
        send_with_fds(left, sent, [0])
        os._exit(0)
    received, fds = b"", []
    while len(received) < len(sent):
        data, more = receive_with_fds(right, 1 << 16, 1)
        received += data
        fds += more
    assert received == sent
    assert len(fds) == 1
    os.close(fds[0])
    os.waitpid(pid, 0)


@pytest.mark.parametrize(("sent", "wanted"), [(1, 0), (2, 1), (3, 1), (FDS_MAX, 1), (5, 4)])
def test_more_than_wanted_is_refused_and_leaks_nothing(
    pair: "tuple[socket.socket, socket.socket]", sent: int, wanted: int
) -> None:
    left, right = pair
    before = descriptors()
    send_with_fds(left, b"x", [0] * sent)
    with pytest.raises(OSError, match="more descriptors") as caught:
        receive_with_fds(right, 100, wanted)
    assert caught.value.errno == errno.EMSGSIZE
    assert descriptors() == before


def test_descriptors_need_a_byte(pair: "tuple[socket.socket, socket.socket]") -> None:
    with pytest.raises(OSError, match="at least one byte"):
        send_with_fds(pair[0], b"", [0])


def test_credentials_are_those_of_the_maker(pair: "tuple[socket.socket, socket.socket]") -> None:
    assert peer_credentials(pair[0]) == (os.getpid(), os.geteuid(), os.getegid())


def test_what_waits_for_its_reader(pair: "tuple[socket.socket, socket.socket]") -> None:
    left, right = pair
    assert unread(left.fileno()) == 0
    left.sendall(b"head")
    assert unread(left.fileno()) > 0 and unread(right.fileno()) == 0
    right.recv(2)
    assert unread(left.fileno()) > 0
    right.recv(2)
    assert unread(left.fileno()) == 0
