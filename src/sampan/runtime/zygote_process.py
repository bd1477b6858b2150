"""How does the daemon start its zygote?

The interpreter is executed from a sealed in-memory copy of its own file, so that /proc/self/exe of a process on its way
into a container is nothing that could be written to (CVE-2019-5736; P5). The environment is two variables.
"""

import os
import resource
import socket
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from sampan.errors import Unavailable
from sampan.linux.memfd import sealed_copy
from sampan.runtime.protocol import receive

PROGRAM = "import sys; sys.path.insert(0, {path!r}); from sampan.runtime.zygote import main; main({fd})"
SOCKET_FD = 3
START_SECONDS = 20.0
OPEN_FILES = resource.getrlimit(resource.RLIMIT_NOFILE)  # as this process was given them


class Zygote(NamedTuple):
    """A running zygote and the socket to it."""

    process: "subprocess.Popen[bytes]"
    socket: socket.socket

    def reap(self) -> None:
        """End it, if it has not ended itself, and collect it. Containers do not depend on it."""
        self.process.kill()
        self.process.wait()


def spawn() -> Zygote:
    """A running zygote. Raises Unavailable when it does not come up."""
    ours, theirs = socket.socketpair()
    interpreter = os.path.realpath(sys.executable)
    image = sealed_copy(interpreter, "sampan:zygote")
    try:
        process = _execute(image, theirs)
        # Containers inherit the zygote's limits, and those are to be the engine's own, not what its daemon raised.
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, OPEN_FILES)
        theirs.close()
        ours.settimeout(START_SECONDS)
        if receive(ours) is None:
            raise Unavailable(
                "the zygote, which starts the containers, ended while it was starting: see the daemon's log"
            )
    except (OSError, ValueError) as error:
        raise Unavailable(f"the zygote, which starts the containers, did not start: {error}") from None
    finally:
        os.close(image)
        theirs.close()
    ours.settimeout(None)
    return Zygote(process, ours)


def _execute(image: int, theirs: socket.socket) -> "subprocess.Popen[bytes]":
    source = str(Path(__file__).parents[2])
    # -I would ignore PYTHONHOME, which an interpreter without a path needs; -P -s -S -B and a bare environment come to
    # the same.
    arguments = ["sampan-zygote", "-P", "-s", "-S", "-B", "-c", PROGRAM.format(path=source, fd=theirs.fileno())]
    environment = {"PYTHONHOME": sys.base_prefix, "LC_ALL": "C.UTF-8"}
    return subprocess.Popen(
        arguments,
        executable=f"/proc/self/fd/{image}",
        env=environment,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=(theirs.fileno(), image),
        start_new_session=True,
    )
