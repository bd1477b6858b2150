"""What happens when a container's program has ended?

The shim wrote down how before it told anyone, so nothing is lost if the daemon dies at any point of this: `recover.py`
finds the same record and walks the same way.
"""

import logging
import time

from sampan.containers import health, remove, resolve, restart_policy, restarting, volumes
from sampan.containers.engine import Engine
from sampan.containers.lifecycle import Act, after, allows
from sampan.containers.model import Container
from sampan.containers.needs import Process
from sampan.containers.waits import Outcome
from sampan.errors import Unavailable
from sampan.runtime.status import ExitStatus

log = logging.getLogger(__name__)


async def watch(engine: Engine, container_id: str, process: Process) -> None:
    """Wait for the program to end, and then do what is to be done."""
    status = await process.wait()
    # A daemon that is told to end meanwhile would leave the files of a container with --rm to the next one.
    await engine.to_its_end(_ended(engine, container_id, process, status))


async def _ended(engine: Engine, container_id: str, process: Process, status: ExitStatus) -> None:
    async with engine.lock(container_id):
        if engine.processes.get(container_id) is not process:
            return
        container = engine.rows.get(container_id)
        if container is not None:
            await bury(engine, container, status)


async def bury(engine: Engine, container: Container, status: ExitStatus) -> None:
    """Note the end of a running container, with its lock held, and tell everyone.

    Its restart policy may have it started again; with --rm it is removed.
    """
    if not allows(container.state.status, Act.DIE):
        return
    now_ns = time.time_ns()
    ended = container.with_state(
        pid=0,
        start_ticks=0,
        exit_code=status.code,
        oom_killed=status.oom_killed,
        error=status.error,
        finished_ns=status.finished_at or now_ns,
    )
    ran_ns = max(0, ended.state.finished_ns - ended.state.started_ns)
    delay = restart_policy.delay_ns(ended, code=status.code, ran_ns=ran_ns)
    if delay is None:
        ended = ended.with_state(status=after(container.state.status, Act.DIE))
    else:
        ended = restarting.as_restarting(ended, delay, now_ns)
    is_kept = _keep(engine, ended)
    engine.processes.pop(container.id, None)
    health.end(engine, container.id)
    seconds = ran_ns // 1_000_000_000
    engine.publish(ended, "die", {"exitCode": str(status.code), "execDuration": str(seconds)})
    engine.publish_network(ended, "disconnect")
    resolve.close(engine, container.id)
    await engine.networks.leave_all(container.id)
    volumes.tell(engine, ended, "unmount")
    volumes.end_use(engine, ended)
    engine.waits.exited(container.id, Outcome(status.code))
    if is_kept:
        # Not before the row is written: until then the shim's record is all there is. Nobody need wait for this.
        await engine.runtime.forget(container.id)
    if delay is not None:
        engine.start_again(ended)
    elif ended.host.auto_remove and container.id not in engine.restarting:
        await remove.discard(engine, ended, durable=False)


def _keep(engine: Engine, ended: Container) -> bool:
    """Note the end; when the disk does not take it, at least here, and the next daemon finds the shim's record."""
    try:
        engine.rows.save(ended)
    except Unavailable as error:
        log.error("end not kept container=%s error=%s", ended.id, error)
        engine.rows.set_aside(ended)
        return False
    return True
