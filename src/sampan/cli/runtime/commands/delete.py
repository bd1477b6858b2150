"""sampan runtime delete: take away what is left of a container."""

from sampan.cli.flags import SWITCH, Flag
from sampan.cli.runtime.call import Call, Command
from sampan.cli.runtime.ending import destroy, kill_and_wait
from sampan.errors import Conflict, NotFound

FLAGS = (Flag("force", SWITCH, "Delete the container even if it is running (uses SIGKILL)", short="f"),)


def run(call: Call) -> int:
    """Delete it; with --force one that runs, one whose record is damaged, and one that is not there."""
    force = call.options["force"]
    try:
        container = call.store.get(call.arguments[0])
    except (NotFound, Conflict):
        if not force:
            raise
        # What has no readable record has nothing but its directory.
        call.store.remove(call.arguments[0])
        return 0
    with container.locked():
        # The command that creates it may have written more since.
        container = call.store.get(call.arguments[0])
        status = container.status()
        if status not in ("stopped", "created") and not force:
            raise Conflict(f"cannot delete container {container.id} that is not stopped: {status}")
        kill_and_wait(container)
        destroy(container, call.store, call.report)
    return 0


COMMAND = Command(usage="<container-id>", run=run, flags=FLAGS)
