"""The process that unpacks: one order, one archive, one answer, each in a fork of what is loaded here.

A fork says that it has begun, gives up all but the directory that it was handed (`confinement`), does what anybody may
call (`layers.extract`, `layers.unpack`), says how it ended, and is gone. If the engine is gone it comes to an end as
well: there is nothing more to read.
"""

import os
import signal
import socket
from typing import NoReturn

from sampan.errors import SampanError
from sampan.layers.extract import Rules, extract
from sampan.layers.stream import CHUNK_BYTES
from sampan.layers.unpack import unpack
from sampan.linux.poll import readable
from sampan.linux.prctl import set_dumpable, set_name
from sampan.linux.sched import CloneFlag, clone3
from sampan.runtime.protocol import Message, close_all, receive, send
from sampan.unpacking.confinement import confine

IDLE_SECONDS = 30


class _Pipe:
    """The archive, as it comes in."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, size: int) -> bytes:
        return os.read(self._descriptor, min(size, CHUNK_BYTES))


def main(fd: int) -> NoReturn:
    """Serve the engine at the other end of socket `fd` until it closes it, or has nothing to unpack for a while."""
    set_name("sampan:unpacker")
    set_dumpable(False)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the forks, which tell their ends themselves
    engine = socket.socket(fileno=fd)
    while readable(fd, IDLE_SECONDS):
        received = receive(engine)
        if not received:
            break
        pid, pidfd = clone3(CloneFlag(0))  # not os.fork, which runs the hooks of every module in the child
        if pid == 0:
            engine.close()
            _serve(*received)
        os.close(pidfd)
        close_all(received[1])
    os._exit(0)


def _serve(order: Message, fds: list[int]) -> NoReturn:
    set_name("sampan:unpack")
    control = socket.socket(fileno=fds.pop(0))
    try:
        send(control, {"begun": True})
        send(control, _answer(order, fds))
    except OSError:
        pass  # nobody waits for it any more
    os._exit(0)


def _answer(order: Message, fds: list[int]) -> Message:
    try:
        _work(order, fds)
    except SampanError as error:
        return {"error": type(error).__name__, "text": str(error)}
    except OSError as error:
        path = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else None  # or a descriptor
        return {"error": "OSError", "errno": error.errno, "text": error.strerror, "path": path}
    except BaseException as error:
        return {"error": type(error).__name__, "text": str(error)}
    return {}


def _work(order: Message, fds: list[int]) -> None:
    root = fds[0]
    confine(root, bytes.fromhex(order["filter"]))
    if order["work"] == "layer":
        _, index, tar = fds
        return unpack(index, tar, root, order["name"])
    owner = order["owner"]
    rules = Rules(keeps_kinds=order["keeps_kinds"], owner=(owner[0], owner[1]) if owner else None)
    return extract(_Pipe(fds[1]), root, order["path"], rules)
