"""sampan runtime pause: stop everybody in a container."""

from sampan.cli.runtime.call import Call, Command
from sampan.errors import Conflict


def run(call: Call) -> int:
    """Freeze it; returns when all have stopped."""
    container = call.store.get(call.arguments[0])
    with container.locked():
        if container.status() not in ("running", "created"):
            raise Conflict("container not running")
        container.cgroup().freeze()
    return 0


COMMAND = Command(usage="<container-id>", run=run)
