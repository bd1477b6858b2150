"""Who does the work of a start, and takes with it the memory that it costs?

A short-lived process between the shim and the container's init. It is forked ahead of time, together with the shim that
waits for its container, enters namespaces of its own and walks once through what it will have to do (`rehearsal.py`),
so that all this is over when an order comes. Then it makes cgroup, overlay and nearly the whole tree, and goes on as
the container's init: a new child of the *shim* (CLONE_PARENT), in pid namespace and cgroup, with the memory that
it had (`clone_in_place`). The shim, which stays as long as the container, has dirtied none of the pages that this took.

    shim ──fork──▶ starter                 waits, in its own network, uts and ipc namespaces
      plan, stdio ──▶ 1 namespaces          those that the plan wants otherwise: joined, or the shim's
                      2 cgroup, overlay
                      3 the root filesystem but for /proc
      ◀── pid ─────── 4 clone_in_place      it is the init from here on
      ◀── terminal ──── `init.arrive`       the rest, from the inside; a failure, or the end of the channel: it runs

What it cannot do, `launch.py` does from the shim: user namespaces, and hooks that belong outside.
"""

import os
import signal
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from typing import NamedTuple, NoReturn

from sampan.linux.cgroupfs import Hierarchy
from sampan.linux.close_range import close_range
from sampan.linux.netdevice import set_up
from sampan.linux.pidfd import pidfd_open
from sampan.linux.prctl import set_pdeathsig
from sampan.linux.ptrace import hold_after_vfork
from sampan.linux.sched import CloneFlag, clone3, clone_in_place, setns, unshare
from sampan.runtime import init, namespaces, rehearsal
from sampan.runtime.cgroup import Cgroup
from sampan.runtime.launch import Launched, converse, reap
from sampan.runtime.overlay import make_overlay
from sampan.runtime.plan import ContainerPlan, container_from_json
from sampan.runtime.protocol import BrokenMessage, decode_body, receive, receive_body, send, send_body
from sampan.runtime.status import StartFailed
from sampan.runtime.steps import failure, sentence, step

READY = CloneFlag.NEWNET | CloneFlag.NEWUTS | CloneFlag.NEWIPC
FILES = (("net", CloneFlag.NEWNET), ("uts", CloneFlag.NEWUTS), ("ipc", CloneFlag.NEWIPC))
CHANNEL = 3


class Starter(NamedTuple):
    """A process that waits for a plan."""

    pid: int
    pidfd: int
    channel: socket.socket

    def dismiss(self) -> None:
        """It is not needed, or has done what it could: end it, and collect it."""
        self.channel.close()
        os.kill(self.pid, signal.SIGKILL)
        self.collect()

    def collect(self) -> None:
        """Wait until nothing is left of it; it has been killed."""
        os.close(self.pidfd)
        os.waitpid(self.pid, 0)


def fits(plan: ContainerPlan) -> bool:
    """Whether a starter can do this plan."""
    others = CloneFlag.NEWUSER | CloneFlag.NEWNS
    outside = plan.hooks.prestart or plan.hooks.create_runtime
    return not (
        plan.new_namespaces & CloneFlag.NEWUSER
        or not plan.new_namespaces & CloneFlag.NEWNS
        or any(flag & others for flag, _ in plan.joined)
        or outside
    )


def fork(hierarchies: Sequence[Hierarchy], *, ahead: bool) -> Starter:
    """A starter; one that is forked `ahead` of its order gets ready for it."""
    ours, theirs = socket.socketpair()
    shim = os.getpid()
    pid, pidfd = clone3(CloneFlag(0))
    if pid == 0:
        channel = _alone(theirs)
        with step(channel, "0 namespaces"):
            init.reset_signals()
            unshare(READY)
            set_up("lo")
            if ahead:
                rehearsal.rehearse()
                rehearsal.rehearse_apart()
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # see hold_after_vfork
        _work(channel, hierarchies, shim)
    theirs.close()
    return Starter(pid, pidfd, ours)


def _alone(theirs: socket.socket) -> socket.socket:
    """Keep the channel and nothing else of the shim's, and end with it."""
    set_pdeathsig(signal.SIGKILL)
    os.dup2(theirs.detach(), CHANNEL, inheritable=False)
    close_range(CHANNEL + 1)
    return socket.socket(fileno=CHANNEL)


def order(starter: Starter, plan: bytes, stdio: Sequence[int], hierarchies: Sequence[Hierarchy]) -> Starter:
    """Have the container of a plan started, by another starter if somebody killed this one while it waited."""
    try:
        _send(starter, plan, stdio)
    except (BrokenPipeError, ConnectionResetError):
        starter.dismiss()
        starter = fork(hierarchies, ahead=False)
        _send(starter, plan, stdio)
    return starter


def _send(starter: Starter, plan: bytes, stdio: Sequence[int]) -> None:
    try:
        hold_after_vfork(starter.pid)
        held = True
    except OSError:
        held = False  # somebody traces it, or nobody may
    send(starter.channel, {"held": held}, stdio)
    send_body(starter.channel, plan)


def wait(starter: Starter, cgroup: Cgroup) -> Launched:
    """Until the program runs, after `order`. Raises StartFailed; then nothing is left of it.

    The starter is on its way out then, and to be collected.
    """
    with ExitStack() as undo:
        undo.callback(_withdraw, cgroup)
        undo.callback(starter.dismiss)
        try:
            launched, held = _born(starter)
            undo.callback(reap, launched)
            if held:
                # It keeps the memory that the init had, and a copy of its end of the channel, which so does not end.
                os.waitid(os.P_PID, starter.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
                os.kill(starter.pid, signal.SIGKILL)
                starter.channel.setblocking(False)
            converse(launched)
        except OSError as error:
            raise StartFailed(sentence(error)) from None
        undo.pop_all()
    return launched


def _born(starter: Starter) -> tuple[Launched, bool]:
    """The init, and whether the starter stands still until it has executed."""
    try:
        received = receive(starter.channel)
    except (BrokenMessage, ConnectionResetError) as error:
        raise StartFailed(f"the container's starter was lost: {error}") from None
    if received is None:
        raise StartFailed("the container's starter was lost")
    message, _ = received
    if "failed" in message:
        raise failure(message)
    pid = message["pid"]
    return Launched(pid=pid, pidfd=pidfd_open(pid), channel=starter.channel), message["held"]


def _withdraw(cgroup: Cgroup) -> None:
    # Whoever ended the starter between two steps may have left an init behind.
    if os.path.isdir(cgroup.unified_or_first()):
        cgroup.kill()
    cgroup.remove()


def _work(channel: socket.socket, hierarchies: Sequence[Hierarchy], shim: int) -> NoReturn:
    received = receive(channel)
    if received is None:
        os._exit(0)
    with step(channel, "1 namespaces, keyring, network, sysctls"):
        plan = container_from_json(decode_body(receive_body(channel)))
        _enter(plan, shim)
        init.host_side(plan)
        namespaces.make_time(plan)
    with step(channel, "2 cgroup and overlay"):
        cgroup = Cgroup(hierarchies, plan.cgroup.path)
        unified = cgroup.create_unified()
        cgroup.create(plan.cgroup)
        overlay = make_overlay(plan.overlay) if plan.overlay else -1
        tasks = cgroup.open_to_join()
    with step(channel, "3 build the root filesystem"):
        site = init.found(plan, overlay)
        init.build_early(plan, site)
    with step(channel, "4 clone"):
        flags = CloneFlag.PARENT | (plan.new_namespaces & CloneFlag.NEWPID)
        # An init that stays, as what `--init` asks for, would never let go of the memory.
        held = received[0]["held"] and not plan.init
        send(channel, {"pid": clone_in_place(flags, cgroup_fd=unified, held=held), "held": held})
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
    init.arrive(plan, init.Inherited(channel=channel, stdio=tuple(received[1]), tasks=tuple(tasks)), site)


def _enter(plan: ContainerPlan, shim: int) -> None:
    """Out of those namespaces of our own that the plan wants shared or joined; a mount namespace for the tree."""
    joined = dict(plan.joined)
    for name, flag in FILES:
        if not plan.new_namespaces & flag:
            _join(joined.pop(int(flag), f"/proc/{shim}/ns/{name}"), flag)
    for number, path in joined.items():
        _join(path, CloneFlag(number))
    unshare(CloneFlag.NEWNS)


def _join(path: str, flag: CloneFlag) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(fd, flag)
    finally:
        os.close(fd)
