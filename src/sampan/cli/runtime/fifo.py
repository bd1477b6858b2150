"""What holds a created container until it is started?

Its first process, ready but for the last step, reads one byte from a fifo in the container's directory; `start` writes
it. The fifo is opened before the container's root is made and inherited, so that nothing of the container's files, not
even /proc, is needed to wait. A descriptor open for both directions never sees the end of a fifo without writers
(fifo(7)), and ends with execve as all others do.
"""

import os
import signal
import socket
from collections.abc import Callable

from sampan.errors import Conflict
from sampan.runtime.protocol import send

DEADLY = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def make(path: str) -> int:
    """A new fifo, open for the process that will wait at it."""
    os.mkfifo(path, 0o600)
    return os.open(path, os.O_RDWR | os.O_CLOEXEC)


def holder(fd: int) -> Callable[[socket.socket], None]:
    """What the container's first process does right before execve: say so, and wait at the fifo `fd`."""

    def hold(channel: socket.socket) -> None:
        # The first process of a pid namespace ignores what it does not handle (pid_namespaces(7)), but a created
        # container can be killed like any other.
        for number in DEADLY:
            signal.signal(number, lambda received, frame: os._exit(128 + received))
        send(channel, {"held": True})
        # Nobody listens from here on: what fails now is said on standard error.
        channel.close()
        os.read(fd, 1)
        for number in DEADLY:
            signal.signal(number, signal.SIG_DFL)
        os.close(fd)

    return hold


def release(path: str) -> None:
    """Let the process that waits at the fifo go on. Raises Conflict when nobody waits."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # ENXIO: the process is gone; ENOENT: it has been let go already
        raise Conflict("cannot start a container that has stopped") from None
    try:
        os.write(fd, b"\0")
        os.unlink(path)
    finally:
        os.close(fd)
