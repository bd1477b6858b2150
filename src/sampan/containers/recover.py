"""What is true after the daemon was gone?

It may have been killed between any two steps. Rows say what was meant, shims and the kernel what is:

    row             shim answers       shim left a record    neither
    running         take it up again   bury it, as recorded  bury it: nobody knows how it ended
    created, exited as running, if it tells of a run that the row does not know: its start was cut; else forget it
    restarting      the same; then wait on, and start

Then what nothing refers to is removed: trees and directories without a row, and containers with --rm that do not run.
Idempotent, and may itself be killed anywhere.
"""

import asyncio
import logging
import time
from dataclasses import dataclass

from sampan.containers import die, exec, health, networking, remove, resolve, volumes
from sampan.containers.engine import Engine
from sampan.containers.lifecycle import Act, Status, after
from sampan.containers.model import Container
from sampan.containers.needs import Process
from sampan.runtime.status import ExitStatus

log = logging.getLogger(__name__)

AT_ONCE = 16
LOST = ExitStatus(code=255, error="the container ended while nobody watched it")


@dataclass(slots=True)
class Tally:
    """How many containers were found alive, found dead, and removed."""

    alive: int = 0
    ended: int = 0
    removed: int = 0


async def recover(engine: Engine) -> Tally:
    """Make rows, shims and kernel agree; to be called once, before the first request is served."""
    tally = Tally()
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(container: Container) -> None:
        async with turns, engine.lock(container.id):
            try:
                await _recover_one(engine, container, tally)
            except Exception:
                # One container that cannot be understood must not keep all others from being served.
                log.exception("recovery failed container=%s", container.id)

    # Before the first question is answered that waits in a container's resolver: it may be for any other container.
    for container in engine.rows.all():
        resolve.announce(engine, container)
    try:
        await engine.networks.reconcile()
    except Exception:
        log.exception("the networks of the last run could not be put right")
    async with asyncio.TaskGroup() as work:
        for container in engine.rows.all():
            work.create_task(one(container), name=f"recover {container.name}")
    for container_id in engine.networks.containers():
        if engine.rows.get(container_id) is None:
            await engine.networks.leave_all(container_id)
    await asyncio.to_thread(remove_orphans, engine)
    return tally


async def _recover_one(engine: Engine, container: Container, tally: Tally) -> None:
    process = await engine.runtime.reconnect(container.id)
    # Who waits to be started again has a process only if that start was cut before it was noted.
    was_running = container.state.is_running and container.state.status is not Status.RESTARTING
    if process is not None and (was_running or process.started_at > container.state.finished_ns):
        await _take_up(engine, container, process)
        tally.alive += 1
        return
    record = engine.runtime.exit_record(container.id)
    is_news = record is not None and record.finished_at > container.state.finished_ns
    # Also what a start that was cut before the program ran, or a burial that was not finished, left behind.
    await engine.runtime.sweep(container.id)
    resolve.close(engine, container.id)
    await engine.networks.leave_all(container.id)
    if was_running or is_news:
        running = container if was_running else _as_started(container, 0, 0, time.time_ns())
        await die.bury(engine, running, record or LOST)
        tally.ended += 1
    left = engine.rows.get(container.id)
    if left is not None and left.host.auto_remove and left.state.status is Status.EXITED:
        await remove.discard(engine, left, durable=False)
        tally.removed += 1


async def _take_up(engine: Engine, container: Container, process: Process) -> None:
    """Watch a container that went on without us."""
    if not container.state.is_running or container.state.status is Status.RESTARTING:
        container = _as_started(container, process.pid, process.start_time, process.started_at)
        engine.rows.save(container)
    engine.processes[container.id] = process
    # First of all, so that its end is seen even if it ends while the rest is taken up, which then fails.
    engine.spawn(die.watch(engine, container.id, process), f"watch {container.name}")
    await networking.take_up(engine, container, process.pid)
    if container.state.status is Status.RUNNING:
        await process.resume()  # a commit may have been cut while it had the container frozen
    await resolve.take_up(engine, container, process)
    volumes.begin_use(engine, container)
    await exec.take_up(engine, container, process)
    if container.state.status is Status.RUNNING:
        health.resume(engine, container, at_once=True)


def _as_started(container: Container, pid: int, start_ticks: int, started_ns: int) -> Container:
    return container.with_state(
        status=after(container.state.status, Act.START),
        pid=pid,
        start_ticks=start_ticks,
        started_ns=started_ns,
        error="",
    )


def remove_orphans(engine: Engine) -> None:
    """Remove trees and directories that no row names: what a create, start or remove left when it was cut short."""
    for key in list(engine.snapshots.keys()):
        if engine.rows.get(key) is None:
            remove.remove_files(engine, key)
    directory = engine.options.directory
    for path in directory.iterdir() if directory.is_dir() else ():
        if engine.rows.get(path.name) is None:
            remove.remove_files(engine, path.name)
