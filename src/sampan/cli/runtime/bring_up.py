"""How is a container created, for `create` and for `run`?

    record on disk ─▶ cgroup, namespaces, root (runtime/launch) ─▶ held at its fifo ─▶ record has the pid ─▶ pid file

Whatever fails on the way, nothing is left: what was made is undone in reverse order, and the poststop hooks hear of it.
"""

import os
import signal
import time
from contextlib import ExitStack
from dataclasses import replace

from sampan.cli.flags import NUMBER, SWITCH, TEXT, Flag
from sampan.cli.runtime import console, fifo
from sampan.cli.runtime.bundle import plan_bundle, read_bundle, unknown_capabilities
from sampan.cli.runtime.call import Call
from sampan.cli.runtime.record import Container, Record, check_id, write_whole
from sampan.cli.runtime.sealed import harden
from sampan.errors import Conflict, InvalidRequest, SampanError
from sampan.linux import procfs
from sampan.runtime.hooks import run_hooks, state_of
from sampan.runtime.launch import Launched, launch
from sampan.runtime.plan import ContainerPlan
from sampan.runtime.status import StartFailed

FLAGS = (
    Flag("bundle", TEXT, "The bundle's directory; the current directory by default", short="b"),
    Flag("console-socket", TEXT, "Unix socket that gets the master end of the terminal"),
    Flag("pid-file", TEXT, "File to write the first process's id to"),
    Flag("no-pivot", SWITCH, "Move the root instead of pivoting, for roots on a ramdisk"),
    Flag("no-new-keyring", SWITCH, "Keep the caller's session keyring"),
    Flag("preserve-fds", NUMBER, "How many descriptors from 3 on the process inherits", default=0),
)
STDIO = (0, 1, 2)
FIRST_FD = 3


def bring_up(call: Call, *, detached: bool) -> tuple[Container, Launched]:
    """The container, held before its program. The caller closes `launched.channel` and may wait for its pid."""
    options = call.options
    bundle, spec = read_bundle(options["bundle"])
    check_id(call.arguments[0])
    plan = plan_bundle(call.arguments[0], bundle, spec, no_pivot=options["no-pivot"])
    if unknown := unknown_capabilities(spec["process"]):
        call.report.warning(f"ignoring unknown or unavailable capabilities: [{' '.join(unknown)}]")
    preserve, plan = with_descriptors(plan, options["preserve-fds"])
    if options["no-new-keyring"]:
        plan = replace(plan, new_keyring=False)
    with ExitStack() as undo:
        socket = console.connect(options["console-socket"], terminal=plan.process.terminal, detached=detached)
        if socket:
            undo.callback(socket.close)
        harden()
        container = call.store.add(_record(plan, spec["process"]))
        undo.callback(call.store.remove, container.id)
        undo.callback(_tell_stopped, plan)
        if container.cgroup().is_frozen():
            raise Conflict("container's cgroup unexpectedly frozen")  # who joins it would wait for ever
        waiting = fifo.make(container.fifo)
        undo.callback(os.close, waiting)
        try:
            launched = launch(
                plan, container.cgroup(), stdio=() if plan.process.terminal else STDIO,
                hold=fifo.holder(waiting), preserve=preserve,
            )  # fmt: skip
        except StartFailed as error:
            raise StartFailed(sentence(error), error.exit_code) from None
        undo.callback(abandon, container, launched)
        container = container.begun(launched.pid)
        if socket:
            console.hand_over(socket, launched.terminal)
            launched.terminal = -1
        if options["pid-file"]:
            write_pid(options["pid-file"], launched.pid)
        undo.pop_all()
    os.close(waiting)
    return container, launched


def _record(plan: ContainerPlan, process: dict[str, object]) -> Record:
    now = time.time_ns()
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 10**9))
    return Record(
        plan=plan,
        process=process,
        rootfs=plan.rootfs_path,
        created=f"{whole}.{now % 10**9:09d}Z",
        boot=procfs.boot_id(),
        creator=(os.getpid(), procfs.start_time()),
    )


def with_descriptors(plan: ContainerPlan, wanted: int) -> tuple[int, ContainerPlan]:
    """How many descriptors from 3 on are passed on, those of socket activation (sd_listen_fds(3)) first."""
    environment: tuple[str, ...] = ()
    given = os.environ.get("LISTEN_FDS", "")
    if given.isdecimal() and int(given):
        environment = (f"LISTEN_FDS={given}", "LISTEN_PID=1")
        wanted += int(given)
    check_descriptors(wanted)
    return wanted, replace(plan, process=replace(plan.process, env=(*plan.process.env, *environment)))


def check_descriptors(count: int) -> None:
    """Raise InvalidRequest unless the `count` descriptors from 3 on are open: what is free there becomes ours."""
    for fd in range(FIRST_FD, FIRST_FD + count):
        try:
            os.fstat(fd)
        except OSError:
            number = fd - FIRST_FD
            raise InvalidRequest(f"please check that preserved-fd {number} (of {count}) is present") from None


def write_pid(path: str, pid: int) -> None:
    """Write a pid file in one step."""
    try:
        write_whole(path, str(pid), 0o644)
    except OSError as error:
        raise InvalidRequest(f"write pid file {path}: {(error.strerror or '').lower()}") from None


def sentence(error: StartFailed) -> str:
    """Why a container did not start, as runc says it; the ": unknown" at the end is docker's."""
    text = str(error).removesuffix(": unknown")
    during = "" if text.startswith("exec: ") else "error during container init: "
    return f"unable to start container process: {during}{text}"


def _tell_stopped(plan: ContainerPlan) -> None:
    """The poststop hooks of a container that never was: its creation may have made what they take away."""
    try:
        run_hooks(plan.hooks.poststop, "poststop", state_of(plan, "stopped", 0))
    except SampanError:
        pass  # the reason why the start failed is the one to tell


def abandon(container: Container, launched: Launched) -> None:
    """End a first process that is held, and everything with it."""
    os.kill(launched.pid, signal.SIGKILL)
    os.waitpid(launched.pid, 0)
    container.cgroup().kill()
    container.cgroup().remove()
