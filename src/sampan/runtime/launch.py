"""How is a container's first process brought up, seen from its parent?

The parent clones it into its namespaces, and while the child sets up what is its own, makes what the child will need:
id maps, cgroup, overlay; runs the hooks that belong outside; and hands all that over. Then it only listens: the channel
ends when the program runs, or brings the reason why it does not. The child's side is `init.py`.
"""

import os
import resource
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from sampan.linux.cgroupfs import Hierarchy
from sampan.linux.sched import CloneFlag, setns
from sampan.runtime import init, namespaces, rootfs
from sampan.runtime.cgroup import Cgroup
from sampan.runtime.clone import clone_into
from sampan.runtime.credentials import adjust_oom_score
from sampan.runtime.hooks import run_hooks, state_of
from sampan.runtime.overlay import make_overlay
from sampan.runtime.plan import ContainerPlan
from sampan.runtime.protocol import receive, send
from sampan.runtime.status import StartFailed
from sampan.runtime.steps import failure, sentence
from sampan.runtime.sysctl import of_network, write_sysctls


@dataclass(slots=True, kw_only=True)
class Launched:
    """A container's first process: it runs, or is `held` right before execve. `terminal`: the pty's master, or -1."""

    pid: int
    pidfd: int
    terminal: int = -1
    held: bool = False
    channel: socket.socket | None = field(default=None, repr=False)


def launch(
    plan: ContainerPlan,
    cgroup: Cgroup,
    *,
    stdio: Sequence[int] = (),
    hold: Callable[[socket.socket], None] | None = None,
    preserve: int = 0,
) -> Launched:
    """Start the container's first process. Raises StartFailed; then neither process nor cgroup is left.

    `stdio`: three descriptors, or none for a terminal. `hold` runs in the child right before execve and may wait.
    """
    with ExitStack() as undo:
        undo.callback(cgroup.remove)
        try:
            launched = _clone(plan, cgroup, stdio, hold, preserve)
            undo.callback(reap, launched)
            _supply(plan, cgroup, launched)
        except OSError as error:
            raise StartFailed(sentence(error)) from None
        converse(launched)
        undo.pop_all()
    return launched


def _clone(
    plan: ContainerPlan,
    cgroup: Cgroup,
    stdio: Sequence[int],
    hold: Callable[[socket.socket], None] | None,
    preserve: int,
) -> Launched:
    with ExitStack() as temporary:
        joined = tuple(namespaces.open_joined(plan.joined))
        for _, fd in joined:
            temporary.callback(os.close, fd)
        unified = cgroup.create_unified()
        if unified is not None:
            temporary.callback(os.close, unified)
        ours, theirs = socket.socketpair()
        temporary.callback(theirs.close)
        pid, pidfd, left = clone_into(joined, namespaces.clone_flags(plan), unified)
        if pid == 0:
            ours.close()
            given = init.Inherited(channel=theirs, stdio=tuple(stdio), joined=left, hold=hold, preserve=preserve)
            init.run(plan, given)
    return Launched(pid=pid, pidfd=pidfd, channel=ours)


def _supply(plan: ContainerPlan, cgroup: Cgroup, launched: Launched) -> None:
    """Make what the child waits for, and hand it over. Raises OSError, StartFailed."""
    if plan.new_namespaces & CloneFlag.NEWUSER:
        namespaces.write_id_maps(launched.pid, plan)
    if plan.in_user_namespace:
        # Out here, for root in there may not lower it; nor even write it, since the child is not dumpable (proc(5)).
        adjust_oom_score(plan.process.oom_score_adj, launched.pid)
    cgroup.create(plan.cgroup)
    with ExitStack() as temporary:
        fds = _rooms_of_others(plan, launched.pid) if plan.new_namespaces & CloneFlag.NEWUSER else []
        if plan.overlay and not fds:
            fds = [make_overlay(plan.overlay)]
        fds += cgroup.open_to_join()
        for fd in fds:
            temporary.callback(os.close, fd)
        state = state_of(plan, "creating", launched.pid)
        run_hooks(plan.hooks.prestart, "prestart", state)
        run_hooks(plan.hooks.create_runtime, "createRuntime", state)
        try:
            if launched.channel:
                send(launched.channel, {"go": True}, fds)
        except BrokenPipeError:
            pass  # the child has failed already, and its report is waiting to be read


def _rooms_of_others(plan: ContainerPlan, pid: int) -> list[int]:
    """What root in the user namespace of `pid` may not make itself: the overlay, and some mounts in their order."""
    fds: list[int] = []
    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    theirs = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if plan.overlay:
            fds.append(make_overlay(plan.overlay, plan.uid_maps, plan.gid_maps))
        setns(theirs, CloneFlag.NEWNET)  # a sysfs is of the network that its maker is in, and so is /proc/sys/net
        try:
            write_sysctls([sysctl for sysctl in plan.sysctls if of_network(sysctl)])
            fds += [rootfs.detached(planned) for planned in filter(rootfs.made_outside, plan.mounts)]
        finally:
            setns(own, CloneFlag.NEWNET)
        for name, soft, hard in plan.process.rlimits:
            # Raising one takes a right out here (prlimit(2)).
            resource.prlimit(pid, getattr(resource, name), (_limit(soft), _limit(hard)))
    except BaseException:
        for fd in fds:
            os.close(fd)
        raise
    finally:
        for fd in (own, theirs):
            os.close(fd)
    return fds


def _limit(value: int) -> int:
    return resource.RLIM_INFINITY if value >= 1 << 63 else value


def converse(launched: Launched) -> None:
    """Listen to the child until it executes or is held. Raises StartFailed with its reason."""
    channel = launched.channel
    assert channel is not None
    while True:
        try:
            received = receive(channel)
        except BlockingIOError:
            received = None  # it has said all that it will
        except (OSError, ValueError) as error:
            raise StartFailed(f"the container's init was lost: {error}") from None
        if received is None:
            channel.close()
            launched.channel = None
            return
        message, fds = received
        if "failed" in message:
            raise failure(message)
        if message.get("terminal"):
            launched.terminal = fds[0]
        elif message.get("held"):
            launched.held = True
            return


def reap(launched: Launched) -> None:
    """The child of a start that failed: end it, if it has not ended itself."""
    if launched.channel:
        launched.channel.close()
    if launched.terminal >= 0:
        os.close(launched.terminal)
    try:
        os.kill(launched.pid, 9)
    except ProcessLookupError:
        pass
    os.waitpid(launched.pid, 0)
    if launched.pidfd >= 0:
        os.close(launched.pidfd)


def cgroup_of(plan: ContainerPlan, hierarchies: Sequence[Hierarchy]) -> Cgroup:
    """The plan's cgroup on this machine."""
    return Cgroup(hierarchies, plan.cgroup.path)
