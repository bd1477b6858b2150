"""sampan runtime state: print the OCI state of a container."""

import json
import sys

from sampan.cli.runtime.call import Call, Command


def run(call: Call) -> int:
    """Print it, with runc's "owner" at the end."""
    state = call.store.get(call.arguments[0]).state()
    sys.stdout.write(json.dumps({**state, "owner": ""}, indent=2))
    return 0


COMMAND = Command(usage="<container-id>", run=run)
