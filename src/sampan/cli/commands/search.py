"""sampan search: which images does a registry have?"""

from __future__ import annotations

from sampan.cli.command import Call, Command
from sampan.cli.flags import FILTER, NUMBER, SWITCH, Flag
from sampan.cli.formats import FORMAT, ellipsis, filters_query, show
from sampan.cli.template.evaluate import Row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HEADERS = {
    "Name": "NAME",
    "Description": "DESCRIPTION",
    "StarCount": "STARS",
    "IsOfficial": "OFFICIAL",
}
TABLE = "{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}"
DESCRIPTION_WIDTH = 45


def run(call: Call) -> int:
    """docker search TERM."""
    query: dict[str, str | list[str]] = {"term": call.arguments[0], **filters_query(call.options["filter"])}
    if call.options["limit"]:
        query["limit"] = str(call.options["limit"])
    found = call.engine.get("/images/search", query)
    rows = [row(each, full=call.options["no-trunc"]) for each in found]
    show(call, rows, HEADERS, default=TABLE, template=call.options["format"])
    return 0


def row(result: dict[str, Any], *, full: bool) -> Row:
    """One result as docker's formatter shows it."""
    text = " ".join(str(result.get("description", "")).split())
    return Row(
        {
            "Name": lambda: result.get("name", ""),
            "Description": lambda: text if full else ellipsis(text, DESCRIPTION_WIDTH),
            "StarCount": lambda: str(result.get("star_count", 0)),
            "IsOfficial": lambda: "[OK]" if result.get("is_official") else "",
        }
    )


COMMAND = Command(
    "[OPTIONS] TERM",
    run,
    least=1,
    most=1,
    flags=(
        Flag("filter", FILTER, "Filter output based on conditions provided", short="f"),
        FORMAT,
        Flag("limit", NUMBER, "Max number of search results", default=0),
        Flag("no-trunc", SWITCH, "Don't truncate output"),
    ),
)
