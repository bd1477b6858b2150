"""How is a signal sent to a container?"""

from sampan.containers import restart_policy, restarting, signals, stop
from sampan.containers.engine import Engine
from sampan.containers.lifecycle import Act, after
from sampan.errors import Conflict, InvalidRequest


async def kill(engine: Engine, reference: str, signal_name: str) -> None:
    """Send a signal, SIGKILL by default; that one is waited for. Raises Conflict when the container does not run."""
    container = engine.rows.find(reference)
    try:
        number = signals.parse(signal_name or "SIGKILL")
    except InvalidRequest as error:
        unsupported = signal_name.isdecimal()
        raise InvalidRequest(f"Cannot kill container: {reference}: {error}" if unsupported else str(error)) from None
    try:
        after(container.state.status, Act.SIGNAL, id=container.id)
    except Conflict as error:
        raise Conflict(f"Cannot kill container: {reference}: {error}") from None
    if number == stop.SIGKILL:
        await stop.kill_and_wait(engine, container)
        return
    stop_signal = signals.parse(container.config.stop_signal or stop.DEFAULT_SIGNAL)
    is_an_end = restart_policy.is_an_end(number, stop_signal)
    if not is_an_end or await restarting.forbid(engine, container.id):
        await stop.send(engine, container, number)
