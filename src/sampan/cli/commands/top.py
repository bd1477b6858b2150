"""sampan top: the processes of a container, as ps shows them."""

from __future__ import annotations

from sampan.cli.command import ANY, Call, Command
from sampan.cli.tabular import align
from sampan.client.engine import named

COLUMN_WIDTH = 20


def run(call: Call) -> int:
    """docker top CONTAINER [ps OPTIONS]."""
    name, *ps_options = call.arguments
    query: dict[str, str | list[str]] = {"ps_args": " ".join(ps_options)} if ps_options else {}
    processes = call.engine.get(named("containers", name, "top"), query)
    lines = [processes["Titles"], *(processes["Processes"] or [])]
    call.out.line(align("\n".join("\t".join(line) for line in lines), min_width=COLUMN_WIDTH))
    return 0


COMMAND = Command("CONTAINER [ps OPTIONS]", run, least=1, most=ANY, interspersed=False)
