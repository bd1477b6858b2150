"""sampan runtime run: create and start a container, and unless told otherwise stay with it and take it away after."""

import os
from contextlib import ExitStack

from sampan.cli.flags import SWITCH, Flag
from sampan.cli.runtime.attend import attend, forwarded, open_terminal
from sampan.cli.runtime.bring_up import FLAGS, abandon, bring_up
from sampan.cli.runtime.call import Call, Command
from sampan.cli.runtime.commands.start import start
from sampan.cli.runtime.ending import destroy
from sampan.errors import SampanError

RUN_FLAGS = (
    *FLAGS,
    Flag("detach", SWITCH, "Leave the container running and return", short="d"),
    Flag("keep", SWITCH, "Do not delete the container after it exits"),
    # Orphans of the container are never ours to collect, so there is nothing to switch off.
    Flag("no-subreaper", SWITCH, "Accepted: this command is never a subreaper"),
)


def run(call: Call) -> int:
    """Run it; the program's exit code, 0 with --detach."""
    detached = call.options["detach"]
    container, launched = bring_up(call, detached=detached)
    with ExitStack() as undo:
        if not detached:
            # Before the program runs: the first thing it says may be answered with a signal.
            undo.enter_context(forwarded(launched.pidfd))
        try:
            terminal = open_terminal() if launched.terminal >= 0 else -1
            start(container)
        except SampanError:
            abandon(container, launched)
            destroy(container, call.store, call.report)
            raise
        if detached:
            os.close(launched.pidfd)
            return 0
        code = attend(launched.pid, launched.pidfd, master=launched.terminal, terminal=terminal)
    if not call.options["keep"]:
        destroy(container, call.store, call.report)
    return code


COMMAND = Command(usage="<container-id>", run=run, flags=RUN_FLAGS, sealed=True, prefix="runc run failed: ")
