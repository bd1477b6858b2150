"""What does the shim keep of a process that joined the container (docker exec)?

Its streams have one client and no log. While that client does not read, neither does the shim, and the process waits
as it would at any pipe; the container itself and everybody else go on. When the client is gone its output is dropped.
"""

import os
import signal
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from sampan.linux.pidfd import pidfd_send_signal
from sampan.linux.pty import set_size
from sampan.runtime.input import Input, Typist
from sampan.runtime.launch import Launched
from sampan.runtime.reactor import READ, WRITE, Reactor
from sampan.runtime.stdio import Pipes
from sampan.runtime.streams import Stdio, Stream

READ_SIZE = 64 << 10
NO_WAIT = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
IDLE_ROUNDS = 30  # how many times LINGER_SECONDS a client may take nothing
LINGER_SECONDS = 2.0  # how long moby, too, waits for output that a background process keeps open


class Session:
    """One joined process, from its first instruction until its client has all its output."""

    def __init__(
        self,
        reactor: Reactor,
        exec_id: str,
        launched: Launched,
        stdio: Stdio,
        stream: Stream | None,
        on_exit: "Callable[[Session, int], None]",
    ) -> None:
        self.exec_id = exec_id
        self.note: dict[str, Any] = {}  # the engine's, for the one that comes next
        self._launched = launched
        self._pidfd = launched.pidfd
        self._reactor = reactor
        self._stdio = stdio
        self._stream = stream
        self._on_exit = on_exit
        self._sock = socket.socket(fileno=stream.fd) if stream else None
        self._pipes: dict[int, int] = {}
        self._pending = memoryview(b"")
        self._input: Input | None = None
        self._typist: Typist | None = None
        self._master = -1
        self._code: int | None = None

    def run(self, pipes: Pipes, terminal: int) -> None:
        """The program runs: begin to serve it."""
        self._pidfd = self._launched.pidfd
        pipes.close_theirs()
        outputs, stdin = pipes.outputs, pipes.stdin
        if terminal >= 0:
            self._master = terminal
            os.set_blocking(terminal, False)
            outputs, stdin = [(terminal, 1)], os.dup(terminal)
        for fd, number in outputs:
            self._pipes[fd] = number
        self._listen(True)
        if stdin >= 0:
            self._input = Input(self._reactor, stdin, once=True, terminal=self._stdio.terminal)
        if self._sock is not None:
            self._attach(self._sock)
        elif self._input and not self._stdio.terminal:
            self._input.close()
        self._reactor.watch(self._pidfd, READ, self._ended)

    @property
    def pid(self) -> int:
        """Its pid, 0 while another runtime has yet to tell."""
        return self._launched.pid

    @property
    def has_client(self) -> bool:
        """Whether somebody may still be owed output."""
        return self._sock is not None

    def _listen(self, wanted: bool) -> None:
        """Read the process's output, or leave it where it is: not watched at all, since its end cannot be unwatched."""
        for fd in self._pipes:
            if wanted:
                self._reactor.watch(fd, READ, partial(self._output, fd))
            else:
                self._reactor.forget(fd)

    def _attach(self, sock: socket.socket) -> None:
        stream = self._stream
        if stream and stream.stdin and self._input:
            keys = stream.detach_keys if self._stdio.terminal else b""
            self._typist = Typist(sock, self._input, keys, self._drop_client, self._wait)
        self._reactor.watch(sock.fileno(), READ if self._typist else 0, self._client)
        if self._typist and stream and stream.initial:
            self._typist.take(stream.initial)

    def _client(self, events: int) -> None:
        if self._sock is None:
            return None
        if events & WRITE:
            self._flush()
        if events & READ and self._typist and self._typist.waits_for:
            self._typist.receive()
        elif events & ~(READ | WRITE):
            return self._drop_client()
        self._wait()

    def _wait(self) -> None:
        if self._sock is not None:
            wanted = (self._typist.waits_for if self._typist else 0) | (WRITE if self._pending else 0)
            self._reactor.wait_for(self._sock.fileno(), wanted)

    def _output(self, fd: int, events: int = READ) -> None:
        if self._pending:
            return None  # the other stream's, in the same turn, filled the client's socket
        try:
            data = os.read(fd, READ_SIZE)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        if not data:
            self._reactor.forget(fd)
            number = self._pipes.pop(fd)
            if fd == self._master:
                self._master = -1
            os.close(fd)
            del number
            return self._maybe_finish()
        if self._sock is None or self._stream is None:
            return None
        number = self._pipes[fd]
        if not (self._stream.stdout if number == 1 else self._stream.stderr):
            return None
        head = bytes((number, 0, 0, 0)) + len(data).to_bytes(4, "big") if self._stream.framed else b""
        self._pending = memoryview(bytes(self._pending) + head + data)
        self._flush()

    def _flush(self) -> None:
        if self._sock is None:
            return None
        try:
            sent = self._sock.send(self._pending, NO_WAIT) if self._pending else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            return self._drop_client()
        self._pending = self._pending[sent:]
        self._listen(not self._pending)
        self._wait()
        if not self._pending:
            self._maybe_finish()

    def _drop_client(self) -> None:
        """The client went away or detached; what the process says from now on is read and dropped."""
        if self._sock is not None:
            self._reactor.forget(self._sock.fileno())
            try:
                self._sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            self._sock.close()
            self._sock = None
        self._pending = memoryview(b"")
        self._typist = None
        if self._input and not self._stdio.terminal:
            self._input.close()
        self._listen(True)

    def _ended(self, events: int) -> None:
        _, status = os.waitpid(self.pid, 0)
        self._reactor.forget(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        code = os.waitstatus_to_exitcode(status)
        self._code = code if code >= 0 else 128 - code
        # Told before the client can see its stream end: it asks for the exit code the moment that it does.
        self._on_exit(self, self._code)
        for fd in list(self._pipes):
            if not self._pending:
                self._output(fd)
        if self._pipes or self._pending:
            self._reactor.later(LINGER_SECONDS, partial(self._linger, len(self._pending), IDLE_ROUNDS))
        self._maybe_finish()

    def _linger(self, before: int, rounds: int) -> None:
        """A background process that keeps the output open is not waited for; a client that takes its time is."""
        if self._pending and rounds:
            rounds = rounds - 1 if len(self._pending) == before else IDLE_ROUNDS
            self._reactor.later(LINGER_SECONDS, partial(self._linger, len(self._pending), rounds))
        else:
            self.finish()

    def _maybe_finish(self) -> None:
        if self._code is not None and not self._pipes and not self._pending:
            self.finish()

    def abandon(self) -> None:
        """The program could not be executed: the connection is the engine's again, to say why."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def finish(self) -> None:
        """Nothing more will be served: close what is open."""
        for fd in list(self._pipes):
            self._reactor.forget(fd)
            os.close(fd)
        self._pipes.clear()
        self._drop_client()
        if self._input:
            self._input.close()
            self._input = None

    def resize(self, rows: int, columns: int) -> None:
        """Tell the process's terminal its size."""
        if self._master >= 0:
            set_size(self._master, rows, columns)

    def kill(self) -> None:
        """End the process."""
        self.signal(signal.SIGKILL)

    def signal(self, number: int) -> None:
        """Send the process a signal; nothing once it has ended."""
        if self._pidfd >= 0:
            pidfd_send_signal(self._pidfd, number)
