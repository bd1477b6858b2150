"""How do a hijacked connection and our stdin, stdout and stderr feed each other until one side is done?

One thread and one poll(2). Output has priority over input, and a container that does not read its stdin does not keep
us from showing what it prints. Half-close: the end of our stdin is told to the container while its output goes on.
"""

from __future__ import annotations

import os
import select
import socket

from sampan.client.detach import Watcher
from sampan.errors import Unavailable
from sampan.wire.stdcopy import Decoder, Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.client.tls import TlsSocket

READ_SIZE = 64 * 1024
STDOUT, STDERR = 1, 2


class Detached(Exception):
    """The user pressed the detach keys; the container goes on."""


class Streams:
    """One attachment. `stdin` is our file descriptor to read from, or None; `keys` are watched for when given."""

    def __init__(
        self,
        connection: socket.socket | TlsSocket,
        first: bytes,
        *,
        framed: bool,
        stdin: int | None = None,
        keys: bytes = b"",
    ) -> None:
        self._connection = connection
        self._first = first
        self._screen = Screen(framed=framed)
        self._stdin = stdin
        self._watcher = Watcher(keys) if keys else None
        self._unsent = b""
        self._input_ended = False

    def copy(self, *, output: bool = True) -> None:
        """Copy until the container's output ends (or, without `output`, until our input does). Raises Detached."""
        if self._first:
            self._screen.show(self._first)
        if getattr(self._connection, "pending", lambda: 0)() and not self._take_output():
            return
        if self._stdin is None:
            self._end_input()
        while output or not self._input_ended:
            ready = self._ready()
            if self._connection.fileno() in ready and not self._take_output():
                return
            if self._unsent:
                self._send(b"")
            elif self._stdin is not None and self._stdin in ready:
                self._take_input(self._stdin)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _ready(self) -> set[int]:
        poll = select.poll()
        poll.register(self._connection, select.POLLIN | (select.POLLOUT if self._unsent else 0))
        if self._stdin is not None and not self._input_ended and not self._unsent:
            poll.register(self._stdin, select.POLLIN)
        events = poll.poll()
        return {fd for fd, event in events if event != select.POLLOUT}

    def _take_output(self) -> bool:
        """Show what has come; False at the end of the stream."""
        while True:
            try:
                # Never waits here: what made an encrypted connection readable may hold no data, and the other side may
                # be waiting for our input.
                data = self._connection.recv(READ_SIZE, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return True
            except ConnectionResetError:
                return False
            if not data:
                return False
            self._screen.show(data)
            # TLS may hold decrypted bytes of which poll(2) knows nothing.
            if not getattr(self._connection, "pending", lambda: 0)():
                return True

    def _take_input(self, stdin: int) -> None:
        try:
            data = os.read(stdin, READ_SIZE)
        except OSError:
            data = b""  # a terminal that was hung up reads as EIO
        if not data:
            self._end_input()
            return
        if self._watcher is not None:
            data = self._watcher.feed(data)
        self._send(data)
        if self._watcher is not None and self._watcher.detached:
            raise Detached

    def _send(self, data: bytes) -> None:
        self._unsent += data
        if not self._unsent:
            return
        try:
            sent = self._connection.send(self._unsent, socket.MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        except OSError:
            # The container reads no more; what it still prints is shown all the same.
            self._input_ended, sent = True, len(self._unsent)
        self._unsent = self._unsent[sent:]

    def _end_input(self) -> None:
        self._input_ended = True
        try:
            self._connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the other side has already gone


class Screen:
    """Where a container's output goes: our stdout and stderr, as its frames say; stdout when there are none."""

    def __init__(self, *, framed: bool) -> None:
        self._decoder = Decoder() if framed else None

    def show(self, data: bytes) -> None:
        """Write what `data` brings. Raises Unavailable when the engine reports that it lost the container's output."""
        if self._decoder is None:
            write_all(STDOUT, data)
            return
        joined: list[tuple[Stream, list[bytes]]] = []
        for stream, piece in self._decoder.feed(data):
            if joined and joined[-1][0] == stream:
                joined[-1][1].append(piece)
            else:
                joined.append((stream, [piece]))
        for stream, pieces in joined:
            payload = b"".join(pieces)
            if stream == Stream.SYSTEM_ERROR:
                raise Unavailable(f"error from daemon in stream: {payload.decode('utf-8', 'replace')}")
            write_all(STDERR if stream == Stream.STDERR else STDOUT, payload)


def write_all(fd: int, data: bytes) -> None:
    """write(2) until all of it is written. Raises BrokenPipeError when nobody reads any more."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            # Someone else made the terminal non-blocking: wait until it takes more.
            poll = select.poll()
            poll.register(fd, select.POLLOUT)
            poll.poll()
