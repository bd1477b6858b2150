"""How does a client wait for the end of a container?

In two steps, as the protocol wants: `wait` returns as soon as the wait is registered, so that the client may be told to
go on and start the container; the awaitable it returns is answered at the end.
"""

from collections.abc import Awaitable
from typing import Any

from sampan.containers import waits
from sampan.containers.engine import Engine
from sampan.containers.waits import Condition, Outcome


def wait(engine: Engine, reference: str, condition: str) -> Awaitable[dict[str, Any]]:
    """Register a wait. Raises NotFound for an unknown container, InvalidRequest for an unknown condition."""
    container = engine.rows.find(reference)
    wanted = waits.parse(condition)
    if wanted is Condition.NOT_RUNNING and not container.state.is_running:
        return _at_once(Outcome(container.state.exit_code))
    return _answer(engine.waits.add(container.id, wanted))


async def _at_once(outcome: Outcome) -> dict[str, Any]:
    return _body(outcome)


async def _answer(waiter: waits.Waiter) -> dict[str, Any]:
    return _body(await waiter)


def _body(outcome: Outcome) -> dict[str, Any]:
    return {"StatusCode": outcome.code, "Error": {"Message": outcome.error} if outcome.error else None}
