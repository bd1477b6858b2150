"""How is a container started?

Look up what the start depends on, write the container's files, prepare its tree, make the runtime spec, and hand all of
it to the runtime; then note that it runs. Whatever was acquired is given back when a later step fails. Nothing here
waits for the disk: "running" is a fact that a power cut makes false.
"""

import asyncio
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace

from msgspec import structs

from sampan.containers import (
    cdi,
    die,
    health,
    links,
    log_driver,
    lookup,
    modes,
    networking,
    remove,
    resolve,
    security,
    spec,
    volumes,
)
from sampan.containers.engine import Engine
from sampan.containers.lifecycle import Act, Status, after
from sampan.containers.model import Container
from sampan.containers.needs import Process
from sampan.errors import SampanError, Unavailable
from sampan.networks import mode as network_mode
from sampan.runtime.status import StartFailed
from sampan.runtime.streams import Stdio

NEVER_STARTED = 128


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


async def launch(engine: Engine, container: Container, *, by_policy: bool = False) -> None:
    """Bring the container up, with its lock held; `by_policy`: nobody has asked for it, and restarts are counted on.

    Raises StartFailed with what became of the program, or the reason why it never came to that; the container then
    keeps the error and an exit code.
    """
    engine.drop_execs(container.id)
    if not by_policy:
        container = container.with_state(was_stopped=False, restart_count=0, restart_delay_ns=0)
    try:
        container = _with_owners_names(engine, container)
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
        restart_at_ns=0,
    )
    try:
        engine.rows.save(started)
    except Unavailable as error:
        # A container that nobody will know of after a restart must not run.
        await engine.runtime.sweep(container.id)
        resolve.close(engine, container.id)
        await engine.networks.leave_all(container.id)
        raise Unavailable(f"the container was stopped again: its state could not be kept, {error}") from None
    engine.processes[container.id] = process
    engine.publish_network(started, "connect")
    volumes.tell(engine, started, "mount")
    engine.publish(started, "start")
    engine.spawn(die.watch(engine, container.id, process), f"watch {container.name}")
    health.begin(engine, started)


def _with_owners_names(engine: Engine, container: Container) -> Container:
    """Who shares another's network is known there by the other's name. Raises NotFound."""
    owner = modes.container_of(container.host.network_mode)
    if not owner:
        return container
    names = engine.rows.find(owner).config
    config = structs.replace(container.config, hostname=names.hostname, domainname=names.domainname)
    return replace(container, config=config)


async def _run(engine: Engine, container: Container) -> Process:
    """Acquire what the container needs and start it."""
    asked = container.host
    points = volumes.points_of(container)
    options = security.parse(
        asked.security_opt or (),
        host=engine.host,
        no_new_privileges=engine.options.no_new_privileges,
        profile=engine.options.seccomp_profile,
    )
    network = network_mode.parse(asked.network_mode, engine.networks.default)
    async with AsyncExitStack() as undo:
        held = undo.enter_context(ExitStack())
        undo.push_async_callback(engine.networks.leave_all, container.id)
        joined = await networking.join(engine, container, network, held)
        undo.callback(resolve.close, engine, container.id)
        await resolve.open(engine, container, joined.namespace)
        directory = engine.directory(container.id)
        directory.parent.mkdir(mode=0o700, exist_ok=True)  # parents=True would leave the mode to the umask
        directory.mkdir(mode=0o700, exist_ok=True)
        volumes.begin_use(engine, container)
        undo.callback(volumes.end_use, engine, container)
        rootfs = engine.snapshots.prepare(container.id, container.diff_ids)
        points, rootfs = await volumes.with_sources(engine, points, rootfs)
        lookups = lookup.look_up(engine, container, network, options, joined)
        lookup.make_missing(points)
        lookup.check_propagation(points)
        run = links.with_variables(engine, container)
        built = spec.build(run, points, options, lookups, host=engine.host, options=engine.options)
        built = cdi.inject(built, asked.device_requests or (), engine.options.cdi_spec_dirs)
        log = await asyncio.to_thread(log_driver.options_of, container, engine.directory(container.id))
        process = await engine.runtime.start(
            container.id,
            built,
            rootfs=rootfs,
            stdio=stdio(container),
            log=log,
            streams=engine.parked.take(container.id),  # last: from here on the runtime owns their descriptors
        )
        undo.pop_all()
        held.close()
    await resolve.keep(engine, container.id, process)
    return process


def stdio(container: Container) -> Stdio:
    """How the process's standard streams are made."""
    config = container.config
    rows, columns = container.host.console_size
    return Stdio(
        terminal=config.tty, stdin_open=config.open_stdin, stdin_once=config.stdin_once, rows=rows, columns=columns
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
