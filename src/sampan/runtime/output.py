"""Where does a container's output go?

Into the log first, then to everyone attached. A reader that cannot keep up reads the log later (reader.py); one that
takes nothing for a minute after the container has ended is let go. Where no log is kept a slow reader holds the
container up, as any pipe would, but not for long: one that takes nothing for some seconds meanwhile is let go too.
"""

import os
import time
from functools import partial

from sampan.runtime.log_writer import LogWriter, Spool
from sampan.runtime.reactor import READ, WRITE, Reactor
from sampan.runtime.reader import Reader, ReaderGone

READ_SIZE = 64 << 10
IDLE_SECONDS = 60.0
STALL_SECONDS = 5.0
TURN_READS = 16  # reads of one descriptor in a turn, so that others get theirs


class Output:
    """The container's two output streams, its log and its readers."""

    def __init__(self, reactor: Reactor, log: LogWriter | Spool) -> None:
        self._reactor = reactor
        self._log = log
        self._pipes: dict[int, int] = {}
        self.readers: list[Reader] = []
        self._closing = False
        self._held = False

    def add_pipe(self, fd: int, stream: int) -> None:
        """Read output from `fd`, a non-blocking pipe or pty master, as `stream` (1 stdout, 2 stderr)."""
        self._pipes[fd] = stream
        self._reactor.watch(fd, READ, partial(self._readable, fd))

    def reads(self, fd: int) -> bool:
        """Whether `fd` is still open here."""
        return fd in self._pipes

    def _readable(self, fd: int, events: int) -> None:
        self.pump(fd)

    def pump(self, fd: int, *, to_the_end: bool = False) -> bool:
        """Take what the container has written; True if there may be more."""
        for _ in range(TURN_READS):
            if self._log.is_full and not to_the_end:
                self._hold()
                return False
            try:
                data = os.read(fd, READ_SIZE)
            except BlockingIOError:
                return False
            except OSError:
                data = b""  # EIO: the last process with the pty's other end is gone (pty(7))
            if not data:
                self._reactor.forget(fd)
                del self._pipes[fd]
                os.close(fd)
                return False
            self._write(self._pipes[fd], data)
        return True

    def _write(self, stream: int, payload: bytes) -> None:
        self._log.append(stream, time.time_ns(), payload)
        for reader in list(self.readers):
            was_behind = reader.behind
            try:
                reader.offer(stream, payload, self._log)
            except ReaderGone:
                self.remove(reader)
                continue
            if reader.behind and not was_behind:
                self._log.keep_only_if(True)
                self._reactor.wait_for(reader.sock.fileno(), reader.waits_for | WRITE)

    def _hold(self) -> None:
        """Take nothing more from the container before the readers have caught up."""
        if not self._held:
            self._held = True
            for fd in self._pipes:
                self._reactor.forget(fd)
            self._reactor.later(STALL_SECONDS, partial(self._let_go_of_stalled, self._places()))

    def _let_go_of_stalled(self, before: dict[int, tuple[int, int, int]]) -> None:
        if self._held:
            now = self._places()
            for reader in [r for r in self.readers if r.behind and before.get(id(r)) == now[id(r)]]:
                self.remove(reader)
            if self._held:
                self._reactor.later(STALL_SECONDS, partial(self._let_go_of_stalled, now))

    def _places(self) -> dict[int, tuple[int, int, int]]:
        return {id(reader): reader.place for reader in self.readers}

    def _settle(self) -> None:
        """A reader has caught up or is gone: perhaps nothing need be kept, and the container can go on."""
        self._log.keep_only_if(any(reader.behind for reader in self.readers))
        if self._held and not self._log.is_full:
            self._held = False
            for fd in self._pipes:
                self._reactor.watch(fd, READ, partial(self._readable, fd))

    def add(self, reader: Reader, *, replay: bool) -> None:
        """Serve `reader` from now on; with `replay`, from the beginning of the log. Its socket is already watched."""
        self.readers.append(reader)
        if replay:
            try:
                reader.start_at(self._log, self._log.oldest_generation(), 0)
            except ReaderGone:
                return self.remove(reader)
            self._reactor.wait_for(reader.sock.fileno(), reader.waits_for | WRITE)

    def catch_up(self, reader: Reader) -> None:
        """The reader's socket takes more."""
        try:
            reader.catch_up(self._log)
        except ReaderGone:
            return self.remove(reader)
        if reader.behind:
            return None
        self._settle()
        if self._closing:
            return self.remove(reader)
        self._reactor.wait_for(reader.sock.fileno(), reader.waits_for)

    def remove(self, reader: Reader) -> None:
        """The reader is done or gone."""
        if reader in self.readers:
            self.readers.remove(reader)
            self._reactor.forget(reader.sock.fileno())
            reader.close()
            self._settle()

    def drain(self) -> bool:
        """Take what a container that has ended left in its pipes; True when every writer has ended too."""
        for fd in list(self._pipes):
            while self.pump(fd, to_the_end=True):
                pass
        return not self._pipes

    def finish(self) -> None:
        """No more output will come: readers that are up to date end now, the others when they are."""
        for fd in list(self._pipes):
            self._reactor.forget(fd)
            os.close(fd)
        self._pipes.clear()
        self._log.finish()
        self._closing = True
        for reader in [reader for reader in self.readers if not reader.behind]:
            self.remove(reader)
        if self.readers:
            self._let_go_of_idle({})

    def _let_go_of_idle(self, before: dict[int, tuple[int, int, int]]) -> None:
        """A minute without progress ends a reader that nobody would wait for otherwise."""
        now = self._places()
        for reader in [r for r in self.readers if before.get(id(r)) == now[id(r)]]:
            self.remove(reader)
        if self.readers:
            self._reactor.later(IDLE_SECONDS, lambda: self._let_go_of_idle(now))
