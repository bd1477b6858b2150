"""sampan builder history: which builds there were, and what became of them."""

from __future__ import annotations

from sampan.cli.command import Call, Command
from sampan.cli.flags import SWITCH, Flag
from sampan.cli.formats import FORMAT, show
from sampan.cli.template.evaluate import Row
from sampan.client.units import ago, duration, parse_timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HEADERS = {
    "ID": "BUILD ID", "Name": "NAME", "Status": "STATUS", "Steps": "STEPS", "CreatedSince": "CREATED",
    "Duration": "DURATION", "Image": "IMAGE", "Error": "ERROR",
}  # fmt: skip
TABLE = "{{.ID}}\t{{.Name}}\t{{.Status}}\t{{.Steps}}\t{{.CreatedSince}}\t{{.Duration}}"
SHORT = 12


def run(call: Call) -> int:
    """docker buildx history ls."""
    rows = [row(each, full=call.options["no-trunc"]) for each in call.engine.get("/build/history")]
    show(call, rows, HEADERS, default=TABLE, template=call.options["format"])
    return 0


def row(build: dict[str, Any], *, full: bool) -> Row:
    """One build."""
    return Row(
        {
            "ID": lambda: build["ID"] if full else build["ID"][:SHORT],
            "Name": lambda: build["Name"] or "<none>",
            "Status": lambda: build["Status"],
            "Steps": lambda: f"{build['Steps']} ({build['CachedSteps']} cached)",
            "CreatedSince": lambda: ago(parse_timestamp(build["CreatedAt"])),
            "Duration": lambda: (
                f"{build['DurationNs'] / 1e9:.1f}s"
                if build["DurationNs"] < 6e10
                else duration(build["DurationNs"] / 1e9)
            ),
            "Image": lambda: build["Image"],
            "Error": lambda: build["Error"],
        }
    )


COMMAND = Command("[OPTIONS]", run, flags=(FORMAT, Flag("no-trunc", SWITCH, "Don't truncate output")))
