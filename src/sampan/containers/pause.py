"""How is a container frozen and thawed?

All its processes at once, by the kernel's freezer (cgroups(7)); they notice nothing but the time.
"""

from sampan.containers import health
from sampan.containers.engine import Engine
from sampan.containers.lifecycle import Act, Status, after
from sampan.errors import Conflict


async def pause(engine: Engine, reference: str) -> None:
    """Freeze a running container. Raises Conflict when it does not run or is frozen."""
    await _change(engine, engine.rows.find(reference).id, Act.PAUSE)


async def unpause(engine: Engine, reference: str) -> None:
    """Thaw a frozen container. Raises Conflict when it is not frozen."""
    await _change(engine, engine.rows.find(reference).id, Act.UNPAUSE)


async def thaw(engine: Engine, container_id: str) -> None:
    """Thaw a container if it is frozen."""
    container = engine.rows.get(container_id)
    if container is not None and container.state.status is Status.PAUSED:
        await _change(engine, container_id, Act.UNPAUSE)


async def _change(engine: Engine, container_id: str, act: Act) -> None:
    async with engine.lock(container_id):
        container = engine.current(container_id)
        status = after(container.state.status, act, id=container.id)
        process = engine.processes.get(container_id)
        if process is None:
            raise Conflict(f"Container {container_id} is not running")
        changed = container.with_state(status=status)
        if act is Act.PAUSE:
            # The row first: should we die in between, a container that is said to be frozen and is not can be thawed
            # again, while one that is frozen and not said to be could not.
            engine.rows.save(changed)
            health.suspend(engine, container_id)
            try:
                if not await process.pause():
                    raise Conflict(f"Container {container_id} is not running")
            except BaseException:
                engine.rows.save(container)
                health.resume(engine, container, at_once=False)
                raise
        else:
            await process.resume()
            engine.rows.save(changed)
            health.resume(engine, changed, at_once=False)
        engine.publish(changed, act.value)
