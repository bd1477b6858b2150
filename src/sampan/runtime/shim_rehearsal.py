"""What can a shim walk through before it has a container?

The same as in `rehearsal.py`: whatever it touches for the first time costs it a page fault, since its memory is a copy
of the zygote's that nobody has made yet. So while it waits it keeps a container that is none: a child that has ended
already, on a filesystem in memory that nobody else sees.
"""

import os
import socket
from collections.abc import Sequence
from dataclasses import asdict
from typing import NoReturn

from sampan.linux.pidfd import pidfd_open
from sampan.linux.poll import readable
from sampan.linux.sched import CloneFlag, clone3
from sampan.runtime.cgroup import Cgroup
from sampan.runtime.driver import OwnDriver
from sampan.runtime.launch import Launched
from sampan.runtime.protocol import receive, receive_body, send, send_body
from sampan.runtime.rehearsal import scratch
from sampan.runtime.shim import HIERARCHIES, Shim
from sampan.runtime.stdio import make_pipes
from sampan.runtime.streams import LogOptions, Stdio

NOWHERE = "/sampan-rehearsal"  # a cgroup that is never made
END_SECONDS = 1.0
# Made once, in the zygote: whatever only a rehearsal does, a shim would keep the pages of.
ORDER = {"cgroup": NOWHERE, "own_pids": True, "poststop": False, "stdio": asdict(Stdio())}
LOG = asdict(LogOptions())


class Nobody(OwnDriver):
    """Of a container whose only process has ended before it begins."""

    def __init__(self, launched: Launched) -> None:
        super().__init__(_no_plan, Cgroup(HIERARCHIES, NOWHERE), None)
        self._launched = launched

    def launch(self, stdio: Sequence[int]) -> Launched:
        """It has been."""
        return self._launched


def rehearse() -> None:
    """Keep a container that is none, from its order to the moment when it runs."""
    try:
        keep(ended())
    except OSError:
        pass  # what fails here will say so when it matters


def ended() -> Launched:
    """A child that has ended. Made first of all: its fork write-protects every page once more."""
    pid, pidfd = clone3(CloneFlag(0))
    if pid == 0:
        os._exit(0)
    readable(pidfd, END_SECONDS)
    os.close(pidfd)
    return Launched(pid=pid, pidfd=pidfd_open(pid))  # opened as that of a real one is


def keep(nobody: Launched) -> None:
    """Be the shim of a container whose only process was `nobody`. Raises OSError."""
    directory = scratch()
    engine, ours = socket.socketpair()
    with engine:
        send(engine, {**ORDER, "log": {**LOG, "directory": f"/proc/self/fd/{directory}"}})
        send_body(engine, b"{}")
        received = receive(ours)
        assert received is not None
        order = received[0]
        encoded = receive_body(ours)
        stdio = Stdio(**order["stdio"])
        pipes = make_pipes(stdio)
        os.write(pipes.theirs[1], b"x\n")
        shim = Shim(order, encoded, directory, stdio, pipes, None)
        shim.driver = Nobody(nobody)
        shim.start([])
        shim.control.adopt(ours)
        shim.control.tell(shim.started)
        shim.control.close()
    # From here on it would be its end, which is not walked through: who waits for a container may keep it for long.
    for fd, _ in pipes.outputs:
        os.close(fd)
    ours.close()
    shim.log.close()
    os.close(directory)
    os.close(nobody.pidfd)
    os.waitpid(nobody.pid, 0)


def _no_plan() -> NoReturn:
    raise OSError("a rehearsal has no plan")
