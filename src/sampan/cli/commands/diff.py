"""sampan diff: what a container changed in its filesystem."""

from __future__ import annotations

from sampan.cli.command import Call, Command, Failure
from sampan.client.engine import named

LETTERS = "CAD"


def run(call: Call) -> int:
    """docker diff."""
    if not call.arguments[0]:
        raise Failure("Container name cannot be empty")
    for change in call.engine.get(named("containers", call.arguments[0], "changes")) or ():
        call.out.line(f"{LETTERS[change['Kind']]} {change['Path']}")
    return 0


COMMAND = Command("CONTAINER", run, least=1, most=1)
