"""How does another process join a running container (docker exec)?

It is cloned by the shim straight into the container's pid namespace, so that the shim is its parent, joins the cgroup
and the other namespaces of the container's first process through its pidfd, and then takes the same last steps as the
first process did. The shim is not dumpable, and so neither is the joining process until it executes (A02, P5).
"""

import os
import socket
from collections.abc import Sequence
from dataclasses import replace

from sampan.linux.sched import CloneFlag, clone3, setns
from sampan.runtime import credentials, init, terminal
from sampan.runtime.cgroup import Cgroup
from sampan.runtime.launch import Launched
from sampan.runtime.namespaces import become_root_inside
from sampan.runtime.plan import ContainerPlan, ProcessPlan
from sampan.runtime.protocol import BrokenMessage, receive, send
from sampan.runtime.status import StartFailed
from sampan.runtime.steps import failure, sentence, step

NAMESPACE_FILES = (
    ("ipc", CloneFlag.NEWIPC),
    ("uts", CloneFlag.NEWUTS),
    ("net", CloneFlag.NEWNET),
    ("cgroup", CloneFlag.NEWCGROUP),
    ("time", CloneFlag.NEWTIME),
    ("mnt", CloneFlag.NEWNS),
    # Last: who is in it has no more power over those of the others that it does not own (user_namespaces(7)).
    ("user", CloneFlag.NEWUSER),
)


def begin(
    plan: ContainerPlan, process: ProcessPlan, pid: int, cgroup: Cgroup, *, stdio: Sequence[int], preserve: int = 0
) -> Launched:
    """Clone `process` into the container of first process `pid`; `advance` tells how it goes on. Raises StartFailed."""
    try:
        opened = _open_namespaces(pid)
        tasks, unified = cgroup.open_to_join(), cgroup.open_unified()
    except OSError as error:
        raise StartFailed(f"the container's namespaces are gone: {sentence(error)}") from None
    ours, theirs = socket.socketpair()
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    inside = os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(inside, CloneFlag.NEWPID)
        try:
            child, pidfd = clone3(CloneFlag(0), cgroup_fd=unified)
        except BaseException:
            setns(own, CloneFlag.NEWPID)
            raise
        if child == 0:
            ours.close()
            given = init.Inherited(
                channel=theirs, stdio=tuple(stdio), joined=opened, tasks=tuple(tasks), preserve=preserve
            )
            _join(replace(plan, process=process, init=False, hooks=type(plan.hooks)()), given)
        setns(own, CloneFlag.NEWPID)
    except OSError as error:
        raise StartFailed(sentence(error)) from None
    finally:
        for fd in (own, inside, *tasks, *(fd for _, fd in opened), *([unified] if unified is not None else [])):
            os.close(fd)
        theirs.close()
    return Launched(pid=child, pidfd=pidfd, channel=ours)


def _open_namespaces(pid: int) -> tuple[tuple[int, int], ...]:
    """The container's namespaces that differ from this process's own."""
    found = []
    for name, flag in NAMESPACE_FILES:
        try:
            if os.stat(f"/proc/{pid}/ns/{name}").st_ino != os.stat(f"/proc/self/ns/{name}").st_ino:
                found.append((int(flag), os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)))
        except FileNotFoundError:
            if name != "time":  # kernels before 5.6
                raise
    return tuple(found)


def _join(plan: ContainerPlan, given: init.Inherited) -> None:
    channel = given.channel
    with step(channel, "1 join the container"):
        init.reset_signals()
        for file in given.tasks:
            os.write(file, b"0")
        credentials.adjust_oom_score(plan.process.oom_score_adj)
        for flag, fd in given.joined:
            setns(fd, CloneFlag(flag))
        os.setsid()
        if plan.in_user_namespace:
            become_root_inside()
    with step(channel, "2 terminal, limits, identity"):
        root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        if plan.process.terminal:
            master, slave = terminal.open_terminal(root, plan.process.rows, plan.process.columns)
            send(channel, {"terminal": True}, [master])
            os.close(master)
            terminal.take(slave)
        init.keep_only(given)
        environment = init.prepare_process(plan.process, root, given.stdio)
    init.finish(plan, given, environment)


def advance(launched: Launched) -> bool:
    """Take one report from the joining process; True once the program runs. Raises StartFailed with the reason."""
    channel = launched.channel
    if channel is None:
        return True
    try:
        received = receive(channel)
    except (OSError, BrokenMessage) as error:
        received = {"failed": "", "message": f"the joining process was lost: {error}", "exit_code": 125}, []
    if received is None:
        channel.close()
        launched.channel = None
        return True
    message, fds = received
    if message.get("terminal"):
        launched.terminal = fds[0]
    elif "failed" in message:
        channel.close()
        launched.channel = None
        os.waitpid(launched.pid, 0)
        os.close(launched.pidfd)
        if launched.terminal >= 0:
            os.close(launched.terminal)
        raise failure(message)
    return False
