"""sampan logs: what has a container printed?"""

from __future__ import annotations

from sampan.cli.command import Call, Command
from sampan.cli.flags import SWITCH, TEXT, Flag
from sampan.client.engine import named
from sampan.client.moments import moment
from sampan.client.stream import Screen


def run(call: Call) -> int:
    """docker logs."""
    options, name = call.options, call.arguments[0]
    container = call.engine.get(named("containers", name, "json"))
    query: dict[str, str | list[str]] = {"stdout": "1", "stderr": "1", "tail": options["tail"]}
    for flag in ("follow", "timestamps", "details"):
        if options[flag]:
            query[flag] = "1"
    for flag in ("since", "until"):
        if options[flag]:
            query[flag] = moment(options[flag])
    call.out.flush()
    response = call.engine.send("GET", named("containers", container["Id"], "logs"), query)
    screen = Screen(framed=not container["Config"]["Tty"])
    for piece in response.pieces():
        screen.show(piece)
    return 0


COMMAND = Command(
    "[OPTIONS] CONTAINER",
    run,
    least=1,
    most=1,
    flags=(
        Flag("details", SWITCH, "Show extra details provided to logs"),
        Flag("follow", SWITCH, "Follow log output", short="f"),
        Flag("since", TEXT, 'Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m")'),
        Flag("tail", TEXT, "Number of lines to show from the end of the logs", short="n", default="all"),
        Flag("timestamps", SWITCH, "Show timestamps", short="t"),
        Flag("until", TEXT, 'Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m")'),
    ),
)
