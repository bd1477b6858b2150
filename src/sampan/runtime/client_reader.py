"""What is one attached client to the shim: a reader of output and, perhaps, a writer of input?"""

import socket
from collections.abc import Callable

from sampan.runtime.input import Input, Typist
from sampan.runtime.output import Output
from sampan.runtime.reactor import READ, WRITE, Reactor
from sampan.runtime.reader import Reader
from sampan.runtime.streams import Stream


class ClientReader(Reader):
    """A reader whose socket may also bring what the client types."""

    def __init__(
        self,
        reactor: Reactor,
        output: Output,
        stream: Stream,
        target: Input | None,
        keys: bytes,
        on_detach: Callable[[], None],
    ) -> None:
        super().__init__(
            socket.socket(fileno=stream.fd), stdout=stream.stdout, stderr=stream.stderr, framed=stream.framed
        )
        self._reactor = reactor
        self._output = output
        self._told = on_detach
        self._typist = Typist(self.sock, target, keys, self._detach, self._wait) if target else None
        self.waits_for = READ if target else 0
        reactor.watch(self.sock.fileno(), self.waits_for, self._ready)

    def begin(self, initial: bytes) -> None:
        """Pass on what the client had already sent."""
        if initial and self._typist:
            self._typist.take(initial)
            self._wait()

    def _ready(self, events: int) -> None:
        if events & WRITE:
            self._output.catch_up(self)
        if self.sock.fileno() < 0:
            return
        if events & READ and self._typist:
            self._typist.receive()
            self._wait()
        elif events & ~(READ | WRITE):
            self._output.remove(self)

    def _wait(self) -> None:
        if self._typist and self.sock.fileno() >= 0:
            self.waits_for = self._typist.waits_for
            self._reactor.wait_for(self.sock.fileno(), self.waits_for | (WRITE if self.behind else 0))

    def _detach(self) -> None:
        self._output.remove(self)
        self._told()

    def close(self) -> None:
        """End the client's stream, and let go of what it could type into."""
        self._typist = None
        super().close()
