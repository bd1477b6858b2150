"""sampan kill, pause and unpause: one request for each container."""

from __future__ import annotations

from collections.abc import Callable

from sampan.cli.command import ANY, Call, Command
from sampan.cli.each import for_each
from sampan.cli.flags import TEXT, Flag
from sampan.client.engine import named


def kill(call: Call) -> int:
    """docker kill."""
    query: dict[str, str | list[str]] = {}
    if call.options["signal"]:
        query["signal"] = call.options["signal"]
    return for_each(call, call.arguments, lambda name: call.engine.post(named("containers", name, "kill"), query))


def freezer(action: str) -> Callable[[Call], int]:
    """docker pause and docker unpause."""

    def run(call: Call) -> int:
        return for_each(call, call.arguments, lambda name: call.engine.post(named("containers", name, action)))

    return run


KILL = Command(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    kill,
    least=1,
    most=ANY,
    flags=(Flag("signal", TEXT, "Signal to send to the container", short="s"),),
)
PAUSE = Command("CONTAINER [CONTAINER...]", freezer("pause"), least=1, most=ANY)
UNPAUSE = Command("CONTAINER [CONTAINER...]", freezer("unpause"), least=1, most=ANY)
