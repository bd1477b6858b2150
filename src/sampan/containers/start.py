"""How is a container started?

Look up what the start depends on, write the container's files, prepare its tree, make the runtime spec, and hand all of
it to the runtime; then note that it runs. Whatever was acquired is given back when a later step fails. Nothing here
waits for the disk: "running" is a fact that a power cut makes false.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from sampan.containers import devices, die, files, modes, mounts, remove, security, spec, spec_resources, verify
from sampan.containers.capabilities import chosen
from sampan.containers.engine import Engine
from sampan.containers.host import Host
from sampan.containers.lifecycle import Act, Status, after
from sampan.containers.model import Container
from sampan.containers.mounts import MountPoint
from sampan.containers.needs import Process
from sampan.containers.security import Security
from sampan.containers.spec import Lookups
from sampan.errors import Conflict, InvalidRequest, SampanError
from sampan.linux import procfs
from sampan.networks import mode as network_mode
from sampan.networks.mode import Mode
from sampan.networks.model import Endpoint, Sandbox, Wishes
from sampan.runtime.seccomp import resolve
from sampan.runtime.status import StartFailed
from sampan.runtime.streams import LogOptions, Stdio
from sampan.wire.containers import HostConfig, LogConfig

NEVER_STARTED = 128
LOG_BYTES = 100 << 20
LOG_FILES = 5


async def start(engine: Engine, reference: str) -> bool:
    """Start a container; False when it runs already. Raises what `launch` raises."""
    container_id = engine.rows.find(reference).id
    async with engine.lock(container_id):
        container = engine.current(container_id, reference)
        if container.state.status in (Status.RUNNING, Status.RESTARTING):
            return False
        after(container.state.status, Act.START, id=container.id, name=container.name)
        await launch(engine, container)
    return True


async def launch(engine: Engine, container: Container) -> None:
    """Bring the container up, with its lock held.

    Raises StartFailed with what became of the program, or the reason why it never came to that; the container then
    keeps the error and an exit code.
    """
    engine.drop_execs(container.id)
    try:
        process = await _run(engine, container)
    except StartFailed as error:
        told = sentence(error)
        await _note_failure(engine, container, told)
        raise told from None
    except (SampanError, OSError) as error:
        await _note_failure(engine, container, error)
        raise
    started = container.with_state(
        status=after(container.state.status, Act.START),
        pid=process.pid,
        start_ticks=process.start_time,
        exit_code=0,
        oom_killed=False,
        error="",
        started_ns=process.started_at,
        finished_ns=0,
    )
    engine.rows.save(started)
    engine.processes[container.id] = process
    engine.publish_network(started, "connect")
    engine.publish(started, "start")
    engine.spawn(die.watch(engine, container.id, process), f"watch {container.name}")


async def _run(engine: Engine, container: Container) -> Process:
    """Acquire what the container needs and start it."""
    asked = container.host
    points = mounts.parse(asked)
    options = security.parse(
        asked.security_opt or (), host=engine.host, no_new_privileges=engine.options.no_new_privileges
    )
    network = network_mode.parse(asked.network_mode, engine.networks.default)
    async with AsyncExitStack() as undo:
        endpoints = await _join(engine, container, network)
        undo.push_async_callback(engine.networks.leave_all, container.id)
        engine.directory(container.id).mkdir(mode=0o700, parents=True, exist_ok=True)
        lookups = look_up(engine, container, network, options, endpoints)
        make_missing(points)
        check_propagation(points)
        built = spec.build(container, points, options, lookups, host=engine.host, options=engine.options)
        process = await engine.runtime.start(
            container.id,
            built,
            rootfs=engine.snapshots.prepare(container.id, container.diff_ids),
            stdio=stdio(container),
            log=log_options(engine.directory(container.id), container.host.log_config),
            streams=engine.parked.take(container.id),  # last: from here on the runtime owns their descriptors
        )
        undo.pop_all()
    return process


async def _join(engine: Engine, container: Container, network: Mode) -> Sequence[Endpoint]:
    if not network.network:
        return ()
    sandbox = Sandbox(container_id=container.id, hostname=container.config.hostname)
    return [await engine.networks.join(name, sandbox, Wishes()) for name in container.networks]


def look_up(
    engine: Engine, container: Container, network: Mode, options: Security, endpoints: Sequence[Endpoint]
) -> Lookups:
    """Everything outside the container that its spec refers to. Raises NotFound or Conflict when it is not there."""
    asked = container.host
    if network.container:
        owner = _running(engine, network.container, "cannot join network of a non running container: {id}")
        source, written = f"/proc/{owner.state.pid}/ns/net", files.paths(engine.directory(owner.id))
    else:
        source = "host" if network.is_host else "new"
        written = files.write(engine.directory(container.id), container, network, endpoints, engine.options)
    pid_namespace = ipc_namespace = shm = ""
    if reference := modes.container_of(asked.pid_mode):
        pid_namespace = f"/proc/{_running(engine, reference, 'container {id} is not running').state.pid}/ns/pid"
    if reference := modes.container_of(asked.ipc_mode):
        donor = _ipc_donor(engine, reference)
        ipc_namespace, shm = f"/proc/{donor.state.pid}/ns/ipc", f"/proc/{donor.state.pid}/root/dev/shm"
    return Lookups(
        network=source,
        pid_namespace=pid_namespace,
        ipc_namespace=ipc_namespace,
        shm=shm,
        devices=_devices(asked),
        block_devices={path: devices.numbers(path) for path in spec_resources.block_device_paths(asked)},
        files=written,
        seccomp=_custom_filter(options.profile, container, engine.host) if options.profile is not None else None,
    )


def _devices(asked: HostConfig) -> list[devices.Device]:
    if not asked.privileged:
        return list(devices.found(asked.devices or ()))
    moved = [each for each in asked.devices or () if each.path_in_container not in ("", each.path_on_host)]
    return [*devices.of_host(), *devices.found(moved)]


def _custom_filter(profile: Mapping[str, Any], container: Container, host: Host) -> dict[str, Any]:
    asked = container.host
    names = chosen(asked.cap_add or (), asked.cap_drop or (), privileged=False, available=host.capabilities)
    return resolve(profile, frozenset(names), host.architecture, host.kernel)


def _running(engine: Engine, reference: str, otherwise: str) -> Container:
    """The container whose namespace is to be joined, if it runs and its first process is still the one we know."""
    other = engine.rows.find(reference)
    if not other.state.is_running or not _is_alive(other):
        raise Conflict(otherwise.format(id=other.id))
    return other


def _is_alive(container: Container) -> bool:
    try:
        return procfs.start_time(container.state.pid) == container.state.start_ticks
    except (FileNotFoundError, ProcessLookupError):
        return False


def _ipc_donor(engine: Engine, reference: str) -> Container:
    prefix = "can't join IPC of container {id}: "
    donor = _running(engine, reference, prefix + "container {id} is not running")
    if donor.host.ipc_mode != "shareable":
        hint = "non-shareable IPC (hint: use IpcMode:shareable for the donor container)"
        raise Conflict(prefix.format(id=donor.id) + hint)
    return donor


def make_missing(points: Sequence[MountPoint]) -> None:
    """Make the host directories that -v names and that are not there. Raises InvalidRequest for what must exist."""
    for point in points:
        if point.type != "bind" or os.path.exists(point.source):
            continue
        if point.must_exist:
            raise InvalidRequest(
                f'invalid mount config for type "bind": bind source path does not exist: {point.source}'
            )
        try:
            os.makedirs(point.source, 0o755, exist_ok=True)
        except OSError as error:
            reason = (error.strerror or "").lower()
            raise InvalidRequest(
                f"error while creating mount source path '{point.source}': mkdir {error.filename}: {reason}"
            ) from None


def check_propagation(points: Sequence[MountPoint]) -> None:
    """Raises InvalidRequest where a shared or slave mount is asked for of a source that cannot propagate."""
    asked = [point for point in points if point.propagation.removeprefix("r") in ("shared", "slave")]
    mounted = procfs.mountinfo() if asked else []
    for point in asked:
        source = os.path.realpath(point.source)
        above = [mount for mount in mounted if os.path.commonpath((mount.target, source)) == mount.target]
        nearest = max(above, key=lambda mount: len(mount.target))
        is_shared = any(tag.startswith("shared:") for tag in nearest.optional)
        is_slave = any(tag.startswith("master:") for tag in nearest.optional)
        if not is_shared and (point.propagation.endswith("shared") or not is_slave):
            kind = "shared" if point.propagation.endswith("shared") else "shared or slave"
            raise InvalidRequest(f"path {point.source} is mounted on {nearest.target} but it is not a {kind} mount")


def stdio(container: Container) -> Stdio:
    """How the process's standard streams are made."""
    config = container.config
    rows, columns = container.host.console_size
    return Stdio(
        terminal=config.tty, stdin_open=config.open_stdin, stdin_once=config.stdin_once, rows=rows, columns=columns
    )


def log_options(directory: Path, asked: LogConfig) -> LogOptions:
    """Where the output is kept. Files rotate even when nobody said so: a log must not fill the disk."""
    if asked.type == "none":
        return LogOptions(directory="")
    words = asked.config or {}
    size = verify.log_size(words["max-size"]) if words.get("max-size") else LOG_BYTES
    return LogOptions(
        directory=str(directory),
        max_size=size if size > 0 else LOG_BYTES,
        max_files=int(words["max-file"]) if words.get("max-file") else LOG_FILES,
    )


async def _note_failure(engine: Engine, container: Container, error: Exception) -> None:
    """Keep why the start failed; hang up on who waited for it; remove the container if it was to go with its end."""
    engine.parked.close(container.id)
    code = getattr(error, "exit_code", NEVER_STARTED)
    failed = container.with_state(
        status=after(container.state.status, Act.FAIL),
        exit_code=code if code in (126, 127) else NEVER_STARTED,
        error=str(error),
    )
    engine.rows.save(failed)
    if container.host.auto_remove:
        await remove.discard(engine, failed, durable=False)


def sentence(error: StartFailed) -> StartFailed:
    """The same failure in the words that docker's users know."""
    if error.plain:
        return error
    said = str(error).removesuffix(": unknown")
    if not said.startswith("runc "):  # another runtime has said by itself what it was doing
        said = f"runc create failed: unable to start container process: {said}"
    text = f"failed to create shim task: OCI runtime create failed: {said}: unknown"
    return StartFailed(text, error.exit_code, plain=True)
