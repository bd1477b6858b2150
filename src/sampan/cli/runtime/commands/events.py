"""sampan runtime events: refused, so that nobody waits for news that never come."""

from typing import NoReturn

from sampan.cli.flags import SWITCH, TEXT, Flag
from sampan.cli.runtime.call import Call, Command
from sampan.errors import NotSupported

FLAGS = (
    Flag("interval", TEXT, "How often to print", default="5s"),
    Flag("stats", SWITCH, "Print once"),
)


def run(call: Call) -> NoReturn:
    """Refuse."""
    call.store.get(call.arguments[0])
    raise NotSupported("events are not supported: `sampan stats` and `sampan events` tell of the engine's containers")


COMMAND = Command(usage="<container-id>", run=run, flags=FLAGS)
