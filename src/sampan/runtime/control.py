"""How does the shim listen to the engine?

On a socket in its own directory, 0600 below a directory of mode 0700, and only to its own user; there is no abstract
socket that a container on the host's network could find (security catalogue A35, P18). A daemon that died is replaced
by one that connects anew. Replies and news to an engine that does not read are bounded: it is disconnected.
"""

import array
import os
import socket
from collections.abc import Callable, Sequence
from typing import Protocol

from sampan.linux.socket import peer_credentials, receive_with_fds
from sampan.runtime.protocol import BrokenMessage, Decoder, Message, encode
from sampan.runtime.reactor import READ, WRITE, Reactor

OUT_LIMIT = 1 << 20
RECEIVE = 64 << 10
MAX_FDS = 32
NO_WAIT = int(socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


class Answer(Protocol):
    """Replies to one request; copies of `fds` go along."""

    def __call__(self, reply: Message, fds: Sequence[int] = ()) -> None: ...


Handler = Callable[[Message, list[int], Answer], None]


class Connection:
    """One engine at the other end."""

    def __init__(
        self, reactor: Reactor, sock: socket.socket, handler: Handler, on_close: "Callable[[Connection], None]"
    ):
        self._reactor = reactor
        self._sock = sock
        self._handler = handler
        self._on_close = on_close
        self._decoder = Decoder()
        self._out = b""
        sock.setblocking(False)
        reactor.watch(sock.fileno(), READ, self._ready)

    def _ready(self, events: int) -> None:
        if events & WRITE:
            self._flush()
        if events & ~WRITE and self._sock.fileno() >= 0:
            self._receive()

    def _receive(self) -> None:
        try:
            data, fds = receive_with_fds(self._sock, RECEIVE, MAX_FDS)
        except BlockingIOError:
            return None
        except OSError:
            return self.close()
        if not data:
            return self.close()
        try:
            for message, own in self._decoder.feed(data, fds):
                self._handler(message, own, self._answer(message.get("id")))
        except BrokenMessage:
            self.close()

    def _answer(self, number: object) -> Answer:
        return lambda reply, fds=(): self.send({**reply, "id": number}, fds)

    def send(self, message: Message, fds: Sequence[int] = ()) -> None:
        """Tell the engine, without waiting for it; copies of `fds` go along."""
        if self._sock.fileno() < 0:
            return None
        if fds:
            return self._send_with(fds, encode(message, len(fds)))
        self._out += encode(message)
        if len(self._out) > OUT_LIMIT:
            return self.close()
        self._flush()

    def _send_with(self, fds: Sequence[int], data: bytes) -> None:
        # Descriptors travel with the first byte of their message, so nothing may be waiting before it.
        if self._out:
            return self.close()
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
        try:
            sent = self._sock.sendmsg([data], rights, NO_WAIT)
        except OSError:
            return self.close()
        self._out = data[sent:]
        self._flush()

    def _flush(self) -> None:
        try:
            sent = self._sock.send(self._out, NO_WAIT) if self._out else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            return self.close()
        self._out = self._out[sent:]
        self._reactor.wait_for(self._sock.fileno(), READ | (WRITE if self._out else 0))

    def close(self) -> None:
        """The engine is gone."""
        if self._sock.fileno() >= 0:
            self._reactor.forget(self._sock.fileno())
            self._sock.close()
            self._decoder.close()
            self._on_close(self)


class Control:
    """The shim's socket and everyone connected to it."""

    def __init__(self, reactor: Reactor, directory: int, handler: Handler) -> None:
        self._reactor = reactor
        self._directory = directory
        self._handler = handler
        self._connections: list[Connection] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        umask = os.umask(0o177)
        try:
            try:
                os.unlink("shim.sock", dir_fd=directory)
            except FileNotFoundError:
                pass
            # By way of the descriptor: a path may be longer than a socket address takes (unix(7): 108 bytes).
            self._listener.bind(f"/proc/self/fd/{directory}/shim.sock")
        finally:
            os.umask(umask)
        self._listener.listen(16)
        self._listener.setblocking(False)
        reactor.watch(self._listener.fileno(), READ, self._accept)

    def _accept(self, events: int) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        _, uid, _ = peer_credentials(sock)
        if uid not in (0, os.geteuid()):
            sock.close()
            return
        self.adopt(sock)

    def adopt(self, sock: socket.socket) -> None:
        """Serve a connected engine."""
        self._connections.append(Connection(self._reactor, sock, self._handler, self._closed))

    def _closed(self, connection: Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)

    def tell(self, news: Message) -> None:
        """Send `news` to every engine that is connected."""
        for connection in list(self._connections):
            connection.send(news)

    def close(self) -> None:
        """Stop listening; the socket's name goes too."""
        self._reactor.forget(self._listener.fileno())
        self._listener.close()
        try:
            os.unlink("shim.sock", dir_fd=self._directory)
        except FileNotFoundError:
            pass
