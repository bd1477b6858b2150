"""How does what a client types reach the container?

Bytes go from the client's socket into the container's stdin, a pipe or a pty master. While the container does not
read, nothing more is taken from the socket than one piece, so that the client waits and no memory is spent.
"""

import os
import socket
from collections.abc import Callable

from sampan.runtime.reactor import READ, WRITE, Reactor

PIECE = 32 << 10


class DetachKeys:
    """Finds the key sequence that ends an attachment (docker: ctrl-p ctrl-q) in what is typed, cut anywhere."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._matched = 0

    def filter(self, data: bytes) -> tuple[bytes, bool]:
        """What to pass on of `data`, and whether the sequence is complete; an unfinished one is held back."""
        if not self._keys:
            return data, False
        passed = bytearray()
        for byte in data:
            if byte == self._keys[self._matched]:
                self._matched += 1
                if self._matched == len(self._keys):
                    return bytes(passed), True
                continue
            passed += self._keys[: self._matched]
            self._matched = 0
            if byte == self._keys[0]:
                self._matched = 1
            else:
                passed.append(byte)
        return bytes(passed), False


class Input:
    """The write end of a process's stdin. `once`: the end of a client's input is the end of the process's."""

    def __init__(self, reactor: Reactor, fd: int, *, once: bool, terminal: bool) -> None:
        self._reactor = reactor
        self._fd = fd
        self._once = once
        self._terminal = terminal
        self._waiting = b""
        self._blocked: list[tuple[socket.socket, Callable[[], None]]] = []
        self._ending = False

    @property
    def is_open(self) -> bool:
        """Whether the process can still be given input."""
        return self._fd >= 0

    def write(self, data: bytes) -> bool:
        """Pass `data` on; False when the caller should stop reading until `resume` of `block` is called."""
        if self._fd < 0:
            return True  # the process closed its stdin: what is typed is dropped, as by a shell's dead pipeline
        try:
            sent = os.write(self._fd, data) if not self._waiting else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return True
        self._waiting += data[sent:]
        if self._waiting:
            self._watch()
        return not self._waiting

    def _watch(self) -> None:
        # A pty's master is read elsewhere too; a descriptor of its own keeps the two watches apart.
        self._reactor.watch(self._fd, WRITE, self._writable)

    def _writable(self, events: int) -> None:
        if not events & WRITE:
            return self.close()
        waiting, self._waiting = self._waiting, b""
        self._reactor.forget(self._fd)
        if self.write(waiting):
            blocked, self._blocked = self._blocked, []
            for _, resume in blocked:
                resume()
            if self._ending and not self._waiting:
                self.close()

    def block(self, sock: socket.socket, resume: Callable[[], None]) -> None:
        """Call `resume` when more can be written."""
        self._blocked.append((sock, resume))

    def end(self) -> None:
        """A client's input has ended."""
        if self._once and not self._terminal:
            self._ending = True
            if not self._waiting:
                self.close()

    def close(self) -> None:
        """No more input: the process reads the end of file."""
        if self._fd >= 0:
            self._reactor.forget(self._fd)
            os.close(self._fd)
            self._fd = -1
        self._waiting = b""
        blocked, self._blocked = self._blocked, []
        for _, resume in blocked:
            resume()


class Typist:
    """One client's socket as a source of input. `on_change`: `waits_for` is another than it was."""

    def __init__(
        self,
        sock: socket.socket,
        target: Input,
        keys: bytes,
        on_detach: Callable[[], None],
        on_change: Callable[[], None],
    ) -> None:
        self._sock = sock
        self._input = target
        self._keys = DetachKeys(keys)
        self._on_detach = on_detach
        self._on_change = on_change
        self.waits_for = READ

    def take(self, data: bytes) -> None:
        """Bytes from the client; b"" is the end of them."""
        if not data:
            self.waits_for = 0
            self._input.end()
            return
        passed, detached = self._keys.filter(data)
        if passed and not self._input.write(passed):
            self.waits_for = 0
            self._input.block(self._sock, self._resume)
        if detached:
            self._on_detach()

    def receive(self) -> None:
        """The socket has bytes, or its end."""
        try:
            data = self._sock.recv(PIECE, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.take(data)

    def _resume(self) -> None:
        self.waits_for = READ
        if self._sock.fileno() >= 0:
            self._on_change()
