"""How is a container stopped and started again?"""

from sampan.containers import signals, start, stop
from sampan.containers.engine import Engine
from sampan.containers.lifecycle import Act, after


async def restart(engine: Engine, reference: str, seconds: int | None, signal_name: str) -> None:
    """Stop it if it runs, and start it. One that was run with --rm survives this."""
    container = engine.rows.find(reference)
    number = signals.parse(signal_name or container.config.stop_signal or stop.DEFAULT_SIGNAL)
    engine.restarting.add(container.id)
    try:
        if container.state.is_running:
            await stop.stop_and_wait(engine, container, seconds, number)
            engine.publish(container, "stop")
        async with engine.lock(container.id):
            container = engine.current(container.id, reference)
            if not container.state.is_running:
                after(container.state.status, Act.START, id=container.id, name=container.name)
                await start.launch(engine, container)
    finally:
        engine.restarting.discard(container.id)
    engine.publish(container, "restart")
