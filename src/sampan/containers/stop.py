"""How is a container stopped?

Its stop signal, some patience, then SIGKILL. No lock is held while waiting: the end itself needs it. A frozen program
cannot end, so a paused container is thawed once the signal is there.
"""

import asyncio

from sampan.containers import pause, restarting, signals
from sampan.containers.engine import Engine
from sampan.containers.lifecycle import Status
from sampan.containers.model import Container
from sampan.containers.waits import Condition, Outcome
from sampan.errors import Unavailable

PATIENCE_SECONDS = 10
KILL_SECONDS = 10
DEFAULT_SIGNAL = "SIGTERM"
SIGKILL = 9


async def stop(engine: Engine, reference: str, seconds: int | None, signal_name: str) -> bool:
    """Stop a container; False when it does not run. `seconds`: None for its own setting, negative to wait for ever."""
    container = engine.rows.find(reference)
    number = signals.parse(signal_name or container.config.stop_signal or DEFAULT_SIGNAL)
    if not container.state.is_running:
        return False
    await stop_and_wait(engine, container, seconds, number)
    engine.publish(engine.rows.get(container.id) or container, "stop")
    return True


async def stop_and_wait(engine: Engine, container: Container, seconds: int | None, number: int) -> None:
    """Ask it to end, and make it end when it does not within `seconds`."""
    if seconds is None:
        seconds = container.config.stop_timeout if container.config.stop_timeout is not None else PATIENCE_SECONDS
    waiter = engine.waits.add(container.id, Condition.NEXT_EXIT)
    try:
        if not await restarting.forbid(engine, container.id):
            return
        await send(engine, container, number)
        if not await _ended(waiter, None if seconds < 0 else float(seconds)):
            await kill_and_wait(engine, container)
    finally:
        waiter.cancel()


async def kill_and_wait(engine: Engine, container: Container) -> None:
    """SIGKILL, and wait until the container is known to have ended; nothing if it does not run."""
    container = engine.rows.get(container.id) or container
    if not container.state.is_running:
        return
    waiter = engine.waits.add(container.id, Condition.NEXT_EXIT)
    try:
        if not await restarting.forbid(engine, container.id):
            return
        await send(engine, container, SIGKILL)
        if not await _ended(waiter, KILL_SECONDS):
            raise Unavailable(
                f"Could not kill running container {container.id}, cannot remove - "
                "tried to kill container, but did not receive an exit event"
            )
    finally:
        waiter.cancel()


async def send(engine: Engine, container: Container, number: int) -> None:
    """Signal the program, tell subscribers, and thaw what must see the signal to end."""
    process = engine.processes.get(container.id)
    if process is None:
        return
    await process.signal(number)
    engine.publish(container, "kill", {"signal": str(number)})
    ends = (SIGKILL, signals.parse(container.config.stop_signal or DEFAULT_SIGNAL))
    current = engine.rows.get(container.id)
    if current is not None and current.state.status is Status.PAUSED and number in ends:
        await pause.thaw(engine, container.id)


async def _ended(waiter: "asyncio.Future[Outcome]", seconds: float | None) -> bool:
    done, _ = await asyncio.wait((waiter,), timeout=seconds)
    return bool(done)
