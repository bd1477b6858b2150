"""What docker has and this version does not: said plainly, with what to do instead."""

from __future__ import annotations

from sampan.cli.command import ANY, Call, Command, Failure

INSTEAD = {
    "buildx": "use `sampan build`",
    "compose": "start the containers one by one with `sampan run`",
    "context": "use -H, or -c with a context that docker has",
}


def run(call: Call) -> int:
    """The sentence. Raises Failure."""
    word = call.name.rpartition(" ")[2]
    instead = INSTEAD.get(call.name) or INSTEAD.get(word)
    raise Failure(f"{call.program}: '{call.name}' is not in this version" + (f": {instead}" if instead else ""))


COMMAND = Command("[OPTIONS]", run, most=ANY, raw=True)
