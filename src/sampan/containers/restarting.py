"""When does a container wait for its policy to start it again, and what ends that wait?

    run ends ──► `die.bury` writes "restarting" and until when ──► `start_again.schedule` waits ──► start
                                                                         └─ stop, kill, rm: `forbid` ends the wait

What is waited for is in the row, so the next daemon goes on where this one was killed.
"""

import time

from sampan.containers import restart_policy
from sampan.containers.engine import Engine
from sampan.containers.lifecycle import Act, Status, after
from sampan.containers.model import Container
from sampan.containers.waits import Outcome


def as_restarting(container: Container, delay_ns: int, now_ns: int) -> Container:
    """The container, waiting to be started again in `delay_ns`."""
    return container.with_state(
        status=after(container.state.status, Act.AGAIN),
        restart_count=container.state.restart_count + 1,
        restart_delay_ns=delay_ns,
        restart_at_ns=now_ns + delay_ns,
    )


def again(engine: Engine, container_id: str) -> None:
    """Have a container that could not be started wait for the next try, if its policy says so; with its lock held."""
    container = engine.rows.get(container_id)
    if container is None or container.state.status is not Status.EXITED:
        return
    now_ns = time.time_ns()
    delay = restart_policy.delay_ns(container, code=container.state.exit_code, ran_ns=0)
    if delay is not None:
        engine.start_again(engine.rows.save(as_restarting(container, delay, now_ns)))


async def forbid(engine: Engine, container_id: str) -> bool:
    """Somebody wants the container to end: no policy starts it again before somebody does. False if it does not run."""
    async with engine.lock(container_id):
        container = engine.rows.get(container_id)
        if container is None or not container.state.is_running:
            return False
        if container.state.status is Status.RESTARTING:
            engine.rows.save(container.with_state(status=after(Status.RESTARTING, Act.DIE), was_stopped=True))
            engine.waits.exited(container_id, Outcome(container.state.exit_code))
            return False
        if not container.state.was_stopped:
            engine.rows.save(container.with_state(was_stopped=True))
        return True
