"""sampan events: what happens in the engine, as it happens."""

from __future__ import annotations

import time

from sampan.cli.command import Call, Command
from sampan.cli.flags import FILTER, TEXT, Flag
from sampan.cli.formats import INSPECT_FORMAT, filters_query, inspect_template
from sampan.cli.template.functions import to_json
from sampan.client.engine import values
from sampan.client.moments import moment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def run(call: Call) -> int:
    """docker events, until interrupted or --until."""
    options = call.options
    query = filters_query(options["filter"])
    for flag in ("since", "until"):
        if options[flag]:
            query[flag] = moment(options[flag])
    template = inspect_template(options["format"]) if options["format"] not in ("", "json") else None
    for event in values(call.engine.send("GET", "/events", query)):
        if options["format"] == "json":
            call.out.line(to_json(event))
        elif template is not None:
            call.out.line(template.render(event))
        else:
            call.out.line(describe(event))
        call.out.flush()
    return 0


def describe(event: dict[str, Any]) -> str:
    """`TIME TYPE ACTION ID (attributes)`."""
    nanoseconds = event.get("timeNano") or event.get("time", 0) * 10**9
    seconds, fraction = divmod(nanoseconds, 10**9)
    local = time.localtime(seconds)
    zone = time.strftime("%z", local)
    zone = "Z" if zone == "+0000" else f"{zone[:3]}:{zone[3:]}"
    moment_text = f"{time.strftime('%Y-%m-%dT%H:%M:%S', local)}.{fraction:09d}{zone}"
    actor = event.get("Actor") or {}
    attributes = actor.get("Attributes") or {}
    listed = ", ".join(f"{key}={attributes[key]}" for key in sorted(attributes))
    words = [moment_text, event.get("Type", ""), event.get("Action", ""), actor.get("ID", "")]
    return " ".join(words) + (f" ({listed})" if listed else "")


COMMAND = Command(
    "[OPTIONS]",
    run,
    flags=(
        Flag("filter", FILTER, "Filter output based on conditions provided", short="f"),
        Flag("format", TEXT, INSPECT_FORMAT.summary),
        Flag("since", TEXT, "Show all events created since timestamp"),
        Flag("until", TEXT, "Stream events until this timestamp"),
    ),
)
