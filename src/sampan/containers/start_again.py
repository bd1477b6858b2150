"""Who starts a container again when its time has come, and what is started together with the daemon?"""

import asyncio
import logging
import time

from sampan.containers import restart, restart_policy, restarting, start
from sampan.containers.engine import Engine
from sampan.containers.lifecycle import Act, Status, after
from sampan.containers.model import Container
from sampan.containers.waits import Outcome
from sampan.errors import SampanError

log = logging.getLogger(__name__)

# The program is missing or cannot be executed: waiting does not change that. (dockerd gives up on every failed start.)
HOPELESS = (126, 127)


def schedule(engine: Engine, container: Container) -> None:
    """Start a container that is restarting, when its time has come."""
    engine.spawn(_start_later(engine, container), f"restart {container.name}")


async def _start_later(engine: Engine, container: Container) -> None:
    await asyncio.sleep(max(0, container.state.restart_at_ns - time.time_ns()) / 1e9)
    async with engine.lock(container.id):
        current = engine.rows.get(container.id)
        if current is None or current.state.status is not Status.RESTARTING:
            return
        try:
            await start.launch(engine, current, by_policy=True)
        except (SampanError, OSError) as error:
            log.warning("restart failed container=%s error=%s", container.id, error)
            engine.waits.exited(container.id, Outcome(getattr(error, "exit_code", start.NEVER_STARTED)))
            if getattr(error, "exit_code", 0) not in HOPELESS:
                restarting.again(engine, container.id)


def restart_unhealthy(engine: Engine, container: Container) -> None:
    """Restart a container whose checks say that it does not work, as its owner asked."""
    engine.spawn(_restart_unhealthy(engine, container.id), f"restart {container.name}")


async def _restart_unhealthy(engine: Engine, container_id: str) -> None:
    try:
        await restart.restart(engine, container_id, None, "")
    except (SampanError, OSError) as error:
        log.warning("restart of unhealthy failed container=%s error=%s", container_id, error)


def with_the_daemon(engine: Engine) -> None:
    """After `recover`: go on with what was waiting, and start what its policy starts together with the daemon."""
    now_ns = time.time_ns()
    for container in engine.rows.all():
        if container.state.status is Status.EXITED and restart_policy.is_due_with_the_daemon(container):
            status = after(Status.EXITED, Act.AGAIN)
            container = engine.rows.save(container.with_state(status=status, was_stopped=False, restart_at_ns=now_ns))
        if container.state.status is Status.RESTARTING:
            schedule(engine, container)
