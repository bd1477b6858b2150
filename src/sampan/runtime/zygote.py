"""Where do container processes come from?

From a small process that has everything loaded and nothing to hide: one thread, the standard library only, no open
files but one socket, no knowledge beyond what each message brings. It forks a shim for every container; a fork of a
large daemon would cost three times as much and drag its threads' locks along. One shim is always forked ahead: it
waits for descriptors, and reads its order from the control socket among them, so no start waits for a fork.

It lives in a mount namespace of its own, in which the layers are mounted: the host never sees a mount of ours, and
when the last process in it ends they are gone, whoever was killed in whatever order.
"""

import gc
import os
import resource
import signal
import socket
import sys
from typing import NoReturn

from sampan.linux.close_range import close_range
from sampan.linux.mount import MountFlag, UmountFlag, mount, umount2
from sampan.linux.poll import readable
from sampan.linux.prctl import set_dumpable, set_name
from sampan.linux.sched import CloneFlag, clone3, unshare
from sampan.runtime import credentials, packing, rehearsal, shim, shim_rehearsal
from sampan.runtime.protocol import BrokenMessage, Message, close_all, receive, send
from sampan.runtime.steps import sentence

PAUSE_SECONDS = 0.015
REHEARSALS = 10  # the interpreter adapts code to what it does after eight calls (PEP 659)


def main(fd: int) -> NoReturn:
    """Serve the engine at the other end of socket `fd` until it closes it."""
    harden(fd)
    engine = socket.socket(fileno=fd)
    mounted: set[str] = set()
    gc.collect()
    _filling = packing.close_gaps()  # kept for good, by a function that never returns
    # What is here now is never looked at again by a collection, so a child's copy-on-write pages stay shared.
    gc.freeze()
    gc.disable()
    send(engine, {"ready": True})
    spare: socket.socket | None = None
    while True:
        # Not right after a start, when the container needs the processors, but as soon as there is a pause.
        if spare is None and not readable(fd, PAUSE_SECONDS):
            spare = fork_spare(engine, ahead=True)
        try:
            received = receive(engine)
        except (OSError, BrokenMessage):
            received = None
        if received is None:
            os._exit(0)
        message, fds = received
        if message.get("op") == "start":
            shim_socket = spare or fork_spare(engine)
            _start(message, fds, engine, shim_socket, mounted)
            shim_socket.close()
            spare = None
        elif message.get("op") == "unmount":
            _unmount(message["targets"], mounted)
        close_all(fds)


def fork_spare(engine: socket.socket, *, ahead: bool = False) -> socket.socket:
    """Fork a shim that waits for its container; the socket over which it gets one. `ahead`: nobody waits for it yet."""
    ours, theirs = socket.socketpair()
    # Not os.fork, which runs the hooks of every module in the child; one thread needs none of them (sched.py).
    pid, pidfd = clone3(CloneFlag(0))
    if pid == 0:
        engine.close()
        ours.close()
        shim.wait_for_order(theirs, shim_rehearsal.rehearse if ahead else None)
    os.close(pidfd)
    theirs.close()
    return ours


def harden(fd: int) -> None:
    """Let nobody look in, and nothing be loaded later from a container's files."""
    close_range(fd + 1)
    set_name("sampan:zygote")
    # No core file, no ptrace, no /proc/PID/{mem,environ,fd} for others; every shim and init inherits it (A02, A45).
    set_dumpable(False)
    credentials.core_limit = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, credentials.core_limit[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    unshare(CloneFlag.NEWNS)
    mount("", "/", "", MountFlag.SLAVE | MountFlag.REC)
    os.umask(0o022)
    gc.collect()
    before = packing.close_gaps()
    packing.gather(_rehearse)
    del before
    for _ in range(REHEARSALS):
        _rehearse()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # shims are reaped by the kernel; they report their ends themselves
    # Python imports lazily; inside a container that would run the image's files (CVE-2019-14271).
    sys.path.clear()
    sys.meta_path.clear()
    sys.path_importer_cache.clear()


def _rehearse() -> None:
    rehearsal.rehearse()
    shim_rehearsal.rehearse()


def _start(message: Message, fds: list[int], engine: socket.socket, spare: socket.socket, mounted: set[str]) -> None:
    """Give one container to the spare shim; what goes wrong is said on the shim's own control socket, the first fd."""
    try:
        for layer in message["shared"]:
            _mount_layer(layer, mounted)
        try:
            send(spare, {"go": True}, fds)
        except BrokenPipeError:  # somebody killed the one that waited
            with fork_spare(engine) as another:
                send(another, {"go": True}, fds)
    except OSError as error:
        _refuse(fds[0], sentence(error))


def _refuse(fd: int, reason: str) -> None:
    control = socket.socket(fileno=os.dup(fd))
    try:
        send(control, {"event": "failed", "error": reason, "exit_code": 125})
    except OSError:
        pass  # nobody waits for the answer any more
    control.close()


def _mount_layer(layer: Message, mounted: set[str]) -> None:
    target = layer["target"]
    if target in mounted:
        return
    os.makedirs(target, 0o700, exist_ok=True)
    data = ",".join(option for option in layer["options"] if option != "ro")
    mount(layer["source"], target, layer["type"], MountFlag.RDONLY | MountFlag.NODEV, data)
    mounted.add(target)


def _unmount(targets: list[str], mounted: set[str]) -> None:
    """Let go of layers that are being removed and volumes out of use; others keep a hold of their own."""
    for target in targets:
        try:
            umount2(target, UmountFlag.DETACH)
        except OSError:
            pass  # not mounted, or gone already
        mounted.discard(target)
