"""How is the daemon started when a command needs it and nobody answers?

Only for the default socket, only as root. The daemon becomes a child of init (double fork, its own session), its output
goes to a log file beside the socket, and the command goes on as soon as the socket accepts connections. A lock keeps
commands that start at the same moment from starting two. Anything that fails says so with the log's last lines.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import sys
import time

from sampan.client.endpoint import Endpoint
from sampan.errors import Unavailable

PATIENCE_SECONDS = 20.0
POLL_MILLISECONDS = 10
LOG_LINES = 12


def wake(endpoint: Endpoint) -> bool:
    """Start the daemon and wait until its socket answers; True when it does. Raises Unavailable."""
    directory = os.path.dirname(endpoint.path)
    os.makedirs(directory, mode=0o755, exist_ok=True)
    lock = os.open(f"{directory}/start.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if answers(endpoint.path):
            return True  # another command was faster
        log = f"{directory}/daemon.log"
        alive = spawn([sys.executable, "-m", "sampan", "daemon"], log)
        try:
            return wait(endpoint, alive, log)
        finally:
            os.close(alive)
    finally:
        os.close(lock)


def spawn(words: list[str], log: str) -> int:
    """Run `words` detached from us; a pipe that reads end-of-file when the process is gone."""
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        os.waitpid(child, 0)
        return reader
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for fd, target in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(fd, target)
        os.set_inheritable(writer, True)
        os.chdir("/")
        os.execv(words[0], words)
    except BaseException as error:
        os.write(2, f"cannot start the daemon: {error}\n".encode("utf-8", "replace"))
    finally:
        os._exit(1)


def wait(endpoint: Endpoint, alive: int, log: str) -> bool:
    """Until the socket answers, the process is gone, or our patience is. Raises Unavailable."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    poll = select.poll()
    poll.register(alive, select.POLLIN)
    while time.monotonic() < deadline:
        if answers(endpoint.path):
            return True
        if poll.poll(POLL_MILLISECONDS):
            raise Unavailable(f"the daemon was started and ended at once; its last words, from {log}:\n{tail(log)}")
    raise Unavailable(
        f"the daemon was started but does not answer at {endpoint.url} after {PATIENCE_SECONDS:.0f} seconds; "
        f"its last words, from {log}:\n{tail(log)}"
    )


def answers(path: str) -> bool:
    """Whether somebody accepts connections at a unix socket."""
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        probe.connect(path)
    except OSError:
        return False
    finally:
        probe.close()
    return True


def tail(path: str) -> str:
    """The last lines of a log, indented."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()[-LOG_LINES:]
    except OSError as error:
        lines = [str(error)]
    return "\n".join(f"  {line}" for line in lines) or "  (nothing)"
