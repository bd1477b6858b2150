"""sampan network rm: remove networks."""

from __future__ import annotations

from sampan.cli.command import ANY, Call, Command
from sampan.cli.each import for_each
from sampan.cli.flags import SWITCH, Flag
from sampan.client.engine import Refused, named

NOT_FOUND = 404


def run(call: Call) -> int:
    """docker network rm; with --force, a network that does not exist is no failure."""

    def is_gone(error: Exception) -> bool:
        return bool(call.options["force"]) and isinstance(error, Refused) and error.status == NOT_FOUND

    return for_each(call, call.arguments, lambda name: call.engine.delete(named("networks", name)), forgives=is_gone)


COMMAND = Command(
    "[OPTIONS] NETWORK [NETWORK...]",
    run,
    least=1,
    most=ANY,
    flags=(Flag("force", SWITCH, "Do not error if the network does not exist", short="f"),),
)
