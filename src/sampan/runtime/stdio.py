"""How are a process's three standard streams made?"""

import fcntl
import os
import stat
from dataclasses import dataclass, field

from sampan.runtime.streams import Stdio

# Room for a burst of output while the shim is busy; the default of 64 KiB makes a fast writer wait at every turn.
PIPE_SIZE = 1 << 20
F_SETPIPE_SZ = 1031


@dataclass(slots=True)
class Pipes:
    """The process's ends, in order, and the shim's: `stdin` to write, `outputs` (descriptor, stream) to read."""

    theirs: tuple[int, ...] = ()
    stdin: int = -1
    outputs: list[tuple[int, int]] = field(default_factory=list)

    def belong_to(self, owner: tuple[int, int]) -> None:
        """Let root of a user namespace, who is `owner` (uid, gid) out here, open its own streams again."""
        if owner != (0, 0):
            for fd in self.theirs:
                if stat.S_ISFIFO(os.fstat(fd).st_mode):
                    os.fchown(fd, *owner)

    def close_theirs(self) -> None:
        """The process has its own copies now."""
        for fd in self.theirs:
            os.close(fd)
        self.theirs = ()

    def close(self) -> None:
        """The process was never started: nothing is left open."""
        self.close_theirs()
        for fd in ([self.stdin] if self.stdin >= 0 else []) + [fd for fd, _ in self.outputs]:
            os.close(fd)
        self.stdin, self.outputs = -1, []


def make_pipes(stdio: Stdio) -> Pipes:
    """Pipes for a process without a terminal; one with a terminal gets none, its own devpts makes the pty."""
    if stdio.terminal:
        return Pipes()
    pipes = Pipes()
    if stdio.stdin_open:
        reader, pipes.stdin = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(pipes.stdin, False)
    else:
        reader = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    writers = []
    for stream in (1, 2):
        fd, writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(fd, False)
        _enlarge(fd)
        pipes.outputs.append((fd, stream))
        writers.append(writer)
    pipes.theirs = (reader, *writers)
    return pipes


def _enlarge(fd: int) -> None:
    try:
        fcntl.fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE)
    except OSError:
        pass  # over fs.pipe-user-pages-soft: the default size works too
