"""sampan runtime create: make a container and hold it before its program."""

import os

from sampan.cli.runtime.bring_up import FLAGS, bring_up
from sampan.cli.runtime.call import Call, Command


def run(call: Call) -> int:
    """Bring the container up and leave it."""
    _, launched = bring_up(call, detached=True)
    os.close(launched.pidfd)
    return 0


COMMAND = Command(usage="<container-id>", run=run, flags=FLAGS, sealed=True, prefix="runc create failed: ")
