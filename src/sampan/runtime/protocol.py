"""How do the engine, the zygote and the shims talk?

Every message is a JSON object behind a 4-byte big-endian length, on a stream socket; file descriptors travel with the
first byte (unix(7), SCM_RIGHTS). The kernel may hand over the tail of one message together with the head of the next
and its descriptors, so a message says in `fds` how many are its own.

    ┌────────┬──────────────┐
    │ length │ JSON, UTF-8  │  + descriptors
    └────────┴──────────────┘
"""

import json
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import Any

from sampan.linux.socket import receive_with_fds, send_with_fds

LENGTH = struct.Struct(">I")
MAX_MESSAGE = 16 << 20
MAX_FDS = 32

Message = dict[str, Any]


class BrokenMessage(ValueError):
    """The peer sent what is not a message; the connection is of no more use."""


def encode(message: Message, fds: int = 0) -> bytes:
    """One message as bytes; `fds` descriptors will travel with it."""
    body = json.dumps({**message, "fds": fds} if fds else message, separators=(",", ":")).encode()
    if len(body) > MAX_MESSAGE:
        raise BrokenMessage(f"a message of {len(body)} bytes is over the limit of {MAX_MESSAGE}")
    return LENGTH.pack(len(body)) + body


def decode_body(body: bytes) -> Message:
    """The object in `body`; raises BrokenMessage for anything else."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BrokenMessage(f"not JSON: {error}") from None
    if not isinstance(message, dict):
        raise BrokenMessage("not a JSON object")
    return message


def send(sock: socket.socket, message: Message, fds: Sequence[int] = ()) -> None:
    """Send one message and its descriptors over a blocking socket."""
    data = encode(message, len(fds))
    send_with_fds(sock, data, fds)


def send_body(sock: socket.socket, body: bytes) -> None:
    """Pass on a message that was taken by `receive_body`."""
    sock.sendall(LENGTH.pack(len(body)) + body)


def receive_body(sock: socket.socket) -> bytes:
    """Wait for a message without descriptors, and leave it undecoded: for who only passes it on."""
    (length,) = LENGTH.unpack(_exactly(sock, LENGTH.size))
    if length > MAX_MESSAGE:
        raise BrokenMessage(f"a message of {length} bytes is over the limit of {MAX_MESSAGE}")
    return _exactly(sock, length)


def receive(sock: socket.socket) -> tuple[Message, list[int]] | None:
    """Wait for one message on a blocking socket; None when the peer has closed it."""
    head, fds = receive_with_fds(sock, LENGTH.size, MAX_FDS)
    if not head:
        return None
    try:
        head += _exactly(sock, LENGTH.size - len(head))
        (length,) = LENGTH.unpack(head)
        if length > MAX_MESSAGE:
            raise BrokenMessage(f"a message of {length} bytes is over the limit of {MAX_MESSAGE}")
        message = decode_body(_exactly(sock, length))
        if message.pop("fds", 0) != len(fds):
            raise BrokenMessage("descriptors were lost on the way")
        return message, fds
    except BaseException:
        close_all(fds)
        raise


def _exactly(sock: socket.socket, count: int) -> bytes:
    parts = []
    while count:
        part = sock.recv(count)
        if not part:
            raise BrokenMessage("the connection ended in the middle of a message")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def close_all(fds: Sequence[int]) -> None:
    """Close descriptors that arrived with a message nobody wants."""
    for fd in fds:
        os.close(fd)


class Decoder:
    """Turns bytes and descriptors, cut anywhere, into whole messages: for sockets that are read without waiting."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._fds: list[int] = []

    def feed(self, data: bytes, fds: Sequence[int] = ()) -> Iterator[tuple[Message, list[int]]]:
        """Messages completed by `data`, each with the descriptors that it counts as its own."""
        self._buffer += data
        self._fds += fds
        if len(self._fds) > MAX_FDS:
            raise BrokenMessage("more descriptors than any message has")
        while len(self._buffer) >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self._buffer)
            if length > MAX_MESSAGE:
                raise BrokenMessage(f"a message of {length} bytes is over the limit of {MAX_MESSAGE}")
            end = LENGTH.size + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[LENGTH.size : end])
            del self._buffer[:end]
            message = decode_body(body)
            count = message.pop("fds", 0)
            if not isinstance(count, int) or not 0 <= count <= len(self._fds):
                raise BrokenMessage("descriptors were lost on the way")
            taken, self._fds = self._fds[:count], self._fds[count:]
            yield message, taken

    def close(self) -> None:
        """Give up: descriptors of an unfinished message are closed."""
        close_all(self._fds)
        self._fds = []
