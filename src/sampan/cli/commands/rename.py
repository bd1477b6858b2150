"""sampan rename: give a container another name."""

from __future__ import annotations

from sampan.cli.command import Call, Command, Failure
from sampan.client.engine import Refused, named


def run(call: Call) -> int:
    """docker rename."""
    old, new = (name.strip() for name in call.arguments)
    if not old or not new:
        raise Failure("Error: Neither old nor new names may be empty")
    try:
        call.engine.post(named("containers", old, "rename"), {"name": new})
    except Refused as refused:
        raise Failure(f"{refused}\nError: failed to rename container named {old}") from None
    return 0


COMMAND = Command("CONTAINER NEW_NAME", run, least=2, most=2)
