"""sampan wait: block until containers stop, then print their exit codes."""

from __future__ import annotations

from sampan.cli.command import ANY, Call, Command
from sampan.cli.each import for_each
from sampan.client.engine import named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def run(call: Call) -> int:
    """docker wait."""

    def exit_code(name: str, result: Any) -> str:
        return str(result["StatusCode"])

    return for_each(
        call, call.arguments, lambda name: call.engine.post(named("containers", name, "wait")), says=exit_code
    )


COMMAND = Command("CONTAINER [CONTAINER...]", run, least=1, most=ANY)
