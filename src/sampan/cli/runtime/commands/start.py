"""sampan runtime start: let a created container's program run."""

from sampan.cli.runtime import fifo
from sampan.cli.runtime.call import Call, Command
from sampan.cli.runtime.ending import kill_and_wait
from sampan.cli.runtime.record import Container
from sampan.errors import Conflict
from sampan.runtime.hooks import run_hooks, state_of
from sampan.runtime.status import StartFailed

REFUSALS = {
    "running": "cannot start an already running container",
    "paused": "cannot start an already running container",
    "stopped": "cannot start a container that has stopped",
    "creating": "cannot start a container that is being created",
}


def run(call: Call) -> int:
    """Start it."""
    start(call.store.get(call.arguments[0]))
    return 0


def start(container: Container) -> None:
    """Let the program run, then the poststart hooks. Raises Conflict, StartFailed."""
    with container.locked():
        status = container.status()
        if status != "created":
            raise Conflict(REFUSALS[status])
        fifo.release(container.fifo)
    plan = container.record.plan
    try:
        run_hooks(plan.hooks.poststart, "poststart", state_of(plan, "running", container.record.pid))
    except StartFailed:
        # "If any poststart hook fails, the runtime MUST generate an error, stop the container" (runtime.md, step 10).
        kill_and_wait(container)
        raise


COMMAND = Command(usage="<container-id>", run=run)
