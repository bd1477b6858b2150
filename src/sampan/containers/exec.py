"""How is a further process run in a running container?

Created first, started later, as the API has it; execs live in memory, those that were started in the shim's, too, where
the next daemon finds them, and end with their container. An exec gets the container's capabilities, seccomp filter and
environment, never more, unless it is asked for --privileged.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from sampan.containers import names, security, spec, spec_process
from sampan.containers.capabilities import chosen
from sampan.containers.engine import Engine
from sampan.containers.lifecycle import Act, after
from sampan.containers.model import Container
from sampan.containers.needs import ExecProcess, Process
from sampan.errors import Conflict, InvalidRequest, NotFound, Unavailable
from sampan.runtime.status import StartFailed
from sampan.runtime.streams import Stdio, Stream
from sampan.wire.exec import ExecCreate

MOST = 4096
"""Execs remembered in all: the oldest that have ended are forgotten."""

NOT_RUN = 126
RESIZE_SECONDS = 10


@dataclass(slots=True, kw_only=True)
class Exec:
    """One exec. `exit_code` is None until it has ended; `settled` is set once it runs, or cannot."""

    id: str
    container_id: str
    request: ExecCreate
    was_started: bool = False
    process: ExecProcess | None = None
    exit_code: int | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_running(self) -> bool:
        """Between its start and its end."""
        return self.was_started and self.exit_code is None


def create(engine: Engine, reference: str, request: ExecCreate) -> str:
    """Note what is to be run; returns the exec's id. Raises Conflict when the container does not run or is paused."""
    container = engine.rows.find(reference)
    after(container.state.status, Act.EXEC, id=container.id, name=reference)
    if not request.cmd:
        raise InvalidRequest("No exec command specified")
    spec_process.check_user(request.user)
    if request.working_dir and not request.working_dir.startswith("/"):
        raise InvalidRequest(
            f"the working directory '{request.working_dir}' is invalid, it needs to be an absolute path"
        )
    for variable in request.env or ():
        if not variable.partition("=")[0]:
            raise InvalidRequest(f"invalid environment variable: {variable}")
    _make_room(engine.execs)
    new = Exec(id=names.new_id(), container_id=container.id, request=request)
    engine.execs[new.id] = new
    engine.publish(container, f"exec_create: {' '.join(request.cmd)}", {"execID": new.id})
    return new.id


def find(engine: Engine, exec_id: str) -> Exec:
    """The exec with this id. Raises NotFound."""
    found = engine.execs.get(exec_id)
    if found is None:
        raise NotFound(f"No such exec instance: {exec_id}")
    return found


def to_start(engine: Engine, exec_id: str) -> ExecCreate:
    """What the exec will be like, if it can be started. Raises NotFound or Conflict."""
    wanted = find(engine, exec_id)
    if wanted.exit_code is not None:
        raise Conflict(f"Error: Exec command {exec_id} has already run")
    if wanted.was_started:
        raise Conflict(f"Error: Exec command {exec_id} is already running")
    container = engine.current(wanted.container_id)
    after(container.state.status, Act.EXEC, id=container.id, name=container.id)
    return wanted.request


async def start(
    engine: Engine, exec_id: str, *, streams: Sequence[Stream], console_size: tuple[int, int] | None
) -> None:
    """Run it; `streams` are given away. Raises StartFailed when the program cannot be executed."""
    request = to_start(engine, exec_id)
    wanted = find(engine, exec_id)
    container = engine.current(wanted.container_id)
    process = engine.processes.get(container.id)
    if process is None:
        raise Conflict(f"Container {container.id} is not running")
    wanted.was_started = True
    engine.publish(container, f"exec_start: {' '.join(request.cmd or ())}", {"execID": exec_id})
    rows, columns = console_size or request.console_size or (0, 0)
    stdio = Stdio(
        terminal=request.tty,
        stdin_open=request.attach_stdin,
        stdin_once=request.attach_stdin,
        rows=rows,
        columns=columns,
    )
    try:
        plan, note = oci_process(engine, container, request), msgspec.to_builtins(request)
        wanted.process = await process.exec(exec_id, plan, stdio=stdio, streams=streams, note=note)
    except StartFailed as error:
        wanted.exit_code = error.exit_code if error.exit_code in (126, 127) else NOT_RUN
        raise sentence(error) from None
    except BaseException:
        wanted.exit_code = NOT_RUN
        raise
    finally:
        wanted.settled.set()
    engine.spawn(_watch(engine, wanted, wanted.process), f"watch exec {exec_id[:12]}")


async def take_up(engine: Engine, container: Container, process: Process) -> None:
    """Know again the execs of an earlier life of the daemon: who waits for one may ask for its exit code yet."""
    try:
        found = await process.joined()
    except (Unavailable, StartFailed):
        return  # the container ends at this moment, or its shim is of a release that did not keep them
    for exec_id, (note, code, joined) in found.items():
        if not note:
            continue  # a probe of the engine's own, which nobody asks about
        request = msgspec.convert(note, ExecCreate)
        known = Exec(id=exec_id, container_id=container.id, request=request, was_started=True, process=joined)
        known.exit_code = code
        known.settled.set()
        engine.execs[exec_id] = known
        if code is None:
            engine.spawn(_watch(engine, known, joined), f"watch exec {exec_id[:12]}")


def oci_process(engine: Engine, container: Container, request: ExecCreate) -> dict[str, Any]:
    """The `process` of the OCI runtime spec. Raises InvalidRequest."""
    config, asked = container.config, container.host
    user = request.user or config.user
    capabilities = chosen(
        asked.cap_add or (),
        asked.cap_drop or (),
        privileged=asked.privileged or request.privileged,
        available=engine.host.capabilities,
    )
    options = security.parse(
        asked.security_opt or (),
        host=engine.host,
        no_new_privileges=engine.options.no_new_privileges,
        profile=engine.options.seccomp_profile,
    )
    environment = spec_process.environment(
        (*(config.env or ()), *(request.env or ())), hostname=config.hostname, terminal=request.tty
    )
    return {
        "terminal": request.tty,
        "user": spec_process.user(user, asked.group_add or ()),
        "args": list(request.cmd or ()),
        "env": environment,
        "cwd": request.working_dir or config.working_dir or "/",
        "capabilities": spec_process.capability_sets(capabilities, user),
        "rlimits": spec_process.rlimits(asked.ulimits or (), engine.options.default_ulimits),
        "noNewPrivileges": options.no_new_privileges,
        "oomScoreAdj": asked.oom_score_adj,
        "annotations": spec.group_names(asked.group_add or ()),
    }


def sentence(error: StartFailed) -> StartFailed:
    """The same failure in the words that docker's users know."""
    if error.plain:
        return error
    said = str(error).removesuffix(": unknown").removeprefix("exec failed: ")
    text = f"OCI runtime exec failed: exec failed: unable to start container process: {said}: unknown"
    return StartFailed(text, error.exit_code, plain=True)


def note_exit(engine: Engine, exec_id: str, code: int) -> None:
    """Its exit code, the moment it is known: the client that sees its stream end asks for it in the same breath."""
    ended = engine.execs.get(exec_id)
    if ended is not None:
        ended.exit_code = code


async def _watch(engine: Engine, watched: Exec, process: ExecProcess) -> None:
    watched.exit_code = await process.wait()
    container = engine.rows.get(watched.container_id)
    if container is not None:
        engine.publish(container, "exec_die", {"execID": watched.id, "exitCode": str(watched.exit_code)})


async def resize(engine: Engine, exec_id: str, rows: int, columns: int) -> None:
    """Set the size of its terminal. Raises NotFound, or Conflict when it does not run."""
    wanted = find(engine, exec_id)
    if not wanted.was_started:
        raise Conflict(f"exec instance {exec_id} is not running")
    async with asyncio.timeout(RESIZE_SECONDS):
        # The client sends its size as soon as it has the connection, which is before the process is there.
        await wanted.settled.wait()
        process = engine.processes.get(wanted.container_id)
        if process is None or not wanted.is_running:
            raise Conflict(f"exec instance {exec_id} is not running")
        await process.resize(rows, columns, exec_id)


def inspect(engine: Engine, exec_id: str) -> Mapping[str, Any]:
    """Docker's ExecInspect."""
    wanted = find(engine, exec_id)
    request = wanted.request
    command = list(request.cmd or ())
    entrypoint: dict[str, Any] = {
        "tty": request.tty,
        "entrypoint": command[0],
        "arguments": command[1:],
        "privileged": request.privileged,
    }
    if request.user:
        entrypoint["user"] = request.user
    return {
        "ID": wanted.id,
        "Running": wanted.is_running,
        "ExitCode": wanted.exit_code,
        "ProcessConfig": entrypoint,
        "OpenStdin": request.attach_stdin,
        "OpenStderr": request.attach_stderr,
        "OpenStdout": request.attach_stdout,
        "CanRemove": False,
        "ContainerID": wanted.container_id,
        "DetachKeys": request.detach_keys,
        "Pid": wanted.process.pid if wanted.process else 0,
    }


def _make_room(execs: dict[str, Exec]) -> None:
    if len(execs) < MOST:
        return
    for exec_id in [each.id for each in execs.values() if not each.is_running][: MOST // 8]:
        del execs[exec_id]
