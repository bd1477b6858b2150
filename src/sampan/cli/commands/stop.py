"""sampan stop and sampan restart."""

from __future__ import annotations

from collections.abc import Callable

from sampan.cli.command import ANY, Call, Command, Failure
from sampan.cli.each import for_each
from sampan.cli.flags import NUMBER, TEXT, Flag
from sampan.client.engine import named


def ending(action: str) -> Callable[[Call], int]:
    """docker stop and docker restart differ in one word."""

    def run(call: Call) -> int:
        if call.options.given("timeout") and call.options.given("time"):
            raise Failure("conflicting options: cannot specify both --timeout and --time")
        timeout = call.options["timeout"] if call.options.given("timeout") else call.options["time"]
        query: dict[str, str | list[str]] = {}
        if call.options["signal"]:
            query["signal"] = call.options["signal"]
        if timeout is not None:
            query["t"] = str(timeout)
        return for_each(call, call.arguments, lambda name: call.engine.post(named("containers", name, action), query))

    return run


FLAGS = (
    Flag("signal", TEXT, "Signal to send to the container", short="s"),
    Flag("timeout", NUMBER, "Seconds to wait before killing the container", short="t"),
    Flag("time", NUMBER, "Deprecated: use --timeout", hidden=True),
)
COMMAND = Command("[OPTIONS] CONTAINER [CONTAINER...]", ending("stop"), least=1, most=ANY, flags=FLAGS)
RESTART = Command("[OPTIONS] CONTAINER [CONTAINER...]", ending("restart"), least=1, most=ANY, flags=FLAGS)
