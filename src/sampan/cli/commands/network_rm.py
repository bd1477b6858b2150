"""sampan network rm: remove networks."""

from __future__ import annotations

from sampan.cli.command import ANY, Call, Command
from sampan.cli.each import for_each
from sampan.cli.flags import SWITCH, Flag
from sampan.client.engine import Refused, named

NOT_FOUND = 404


def run(call: Call) -> int:
    """docker network rm; with --force, a network that does not exist is no failure."""

    def remove(name: str) -> bool:
        try:
            call.engine.delete(named("networks", name))
        except Refused as refused:
            if not call.options["force"] or refused.status != NOT_FOUND:
                raise
            return False
        return True

    return for_each(call, call.arguments, remove, says=lambda name, removed: name if removed else None)


COMMAND = Command(
    "[OPTIONS] NETWORK [NETWORK...]",
    run,
    least=1,
    most=ANY,
    flags=(Flag("force", SWITCH, "Do not error if the network does not exist", short="f"),),
)
