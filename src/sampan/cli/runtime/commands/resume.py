"""sampan runtime resume: let everybody in a paused container go on."""

from sampan.cli.runtime.call import Call, Command
from sampan.errors import Conflict


def run(call: Call) -> int:
    """Thaw it."""
    container = call.store.get(call.arguments[0])
    with container.locked():
        if container.status() != "paused":
            raise Conflict("container not paused")
        container.cgroup().thaw()
    return 0


COMMAND = Command(usage="<container-id>", run=run)
