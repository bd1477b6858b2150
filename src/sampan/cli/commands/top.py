"""sampan top: the processes of a container, as ps shows them; without a container, a live view of all."""

from __future__ import annotations

from sampan.cli.command import ANY, Call, Command
from sampan.cli.tabular import align
from sampan.client.engine import named

COLUMN_WIDTH = 20


def run(call: Call) -> int:
    """docker top CONTAINER [ps OPTIONS], or the live view. Raises Failure where there is no terminal for it."""
    if not call.arguments:
        from sampan.cli.watch.screen import run as watch

        return watch(call)
    name, *ps_options = call.arguments
    query: dict[str, str | list[str]] = {"ps_args": " ".join(ps_options)} if ps_options else {}
    processes = call.engine.get(named("containers", name, "top"), query)
    lines = [processes["Titles"], *(processes["Processes"] or [])]
    call.out.line(align("\n".join("\t".join(line) for line in lines), min_width=COLUMN_WIDTH))
    return 0


COMMAND = Command("[CONTAINER [ps OPTIONS]]", run, most=ANY, interspersed=False)
