"""sampan history: how was an image made?"""

from __future__ import annotations

import time

from sampan.cli.command import Call, Command
from sampan.cli.flags import SWITCH, TEXT, Flag
from sampan.cli.formats import FORMAT, ellipsis, short_id, show
from sampan.cli.template.evaluate import Row
from sampan.client.engine import named
from sampan.client.units import ago, decimal_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HEADERS = {
    "ID": "IMAGE",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "CreatedBy": "CREATED BY",
    "Size": "SIZE",
    "Comment": "COMMENT",
}
TABLE = "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
TABLE_FOR_MACHINES = "{{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
COMMAND_WIDTH = 45


def run(call: Call) -> int:
    """docker history IMAGE."""
    options = call.options
    query: dict[str, str | list[str]] = {"platform": options["platform"]} if options["platform"] else {}
    steps = call.engine.get(named("images", call.arguments[0], "history"), query)
    rows = (step_row(step, full=options["no-trunc"], human=options["human"]) for step in steps)
    template = options["format"]
    if options["quiet"] and template in ("", "table"):
        template = "{{.ID}}"
    show(call, rows, HEADERS, default=TABLE if options["human"] else TABLE_FOR_MACHINES, template=template)
    return 0


def step_row(step: dict[str, Any], *, full: bool, human: bool) -> Row:
    """One step as docker's formatter shows it."""
    created = step["Created"]
    command = step["CreatedBy"].replace("\t", " ")
    at = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(created)) if created > 0 else ""
    at = at.removesuffix("+0000") + "Z" if at.endswith("+0000") else at and f"{at[:-2]}:{at[-2:]}"
    return Row(
        {
            "ID": lambda: step["Id"] if full else short_id(step["Id"]),
            "CreatedSince": lambda: (ago(created) if created > 0 else "N/A") if human else at,
            "CreatedAt": lambda: at,
            "CreatedBy": lambda: command if full else ellipsis(command, COMMAND_WIDTH),
            "Size": lambda: decimal_size(step["Size"], 3) if human else str(step["Size"]),
            "Comment": lambda: step["Comment"],
        }
    )


COMMAND = Command(
    "[OPTIONS] IMAGE",
    run,
    least=1,
    most=1,
    flags=(
        FORMAT,
        Flag("human", SWITCH, "Print sizes and dates in human readable format", short="H", default=True),
        Flag("no-trunc", SWITCH, "Don't truncate output"),
        Flag("platform", TEXT, 'Show history for the given platform, as "os[/arch[/variant]]"'),
        Flag("quiet", SWITCH, "Only show image IDs", short="q"),
    ),
)
