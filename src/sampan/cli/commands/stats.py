"""sampan stats: what do containers use, now and every second?"""

from __future__ import annotations

import time

from sampan.cli.command import ANY, Call, Command
from sampan.cli.flags import SWITCH, Flag
from sampan.cli.formats import FORMAT, show
from sampan.cli.usage import usage_row
from sampan.client.engine import Engine, Refused, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HEADERS = {
    "Container": "CONTAINER",
    "Name": "NAME",
    "ID": "CONTAINER ID",
    "CPUPerc": "CPU %",
    "MemUsage": "MEM USAGE / LIMIT",
    "MemPerc": "MEM %",
    "NetIO": "NET I/O",
    "BlockIO": "BLOCK I/O",
    "PIDs": "PIDS",
}
TABLE = "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}"
PERIOD_SECONDS = 1.0
MOST_AT_ONCE = 64
HOME_AND_CLEAR = "\x1b[H\x1b[J"


def run(call: Call) -> int:
    """docker stats. Raises Refused for a container that does not exist."""
    engines: dict[str, Engine] = {}
    for name in call.arguments:
        call.engine.get(named("containers", name, "json"))  # so that a wrong name is said before anything is shown
    if call.options["no-stream"]:
        draw(call, samples(call, engines, {"stream": "0"}))
        return 0
    before: dict[str, dict[str, Any]] = {}
    while True:
        begun = time.monotonic()
        found = samples(call, engines, {"stream": "0", "one-shot": "1"})
        for name, sample in found.items():
            if sample is not None and name in before:
                sample["precpu_stats"] = before[name]["cpu_stats"]
        before = {name: sample for name, sample in found.items() if sample is not None}
        call.out.control(HOME_AND_CLEAR)
        draw(call, found)
        call.out.flush()
        time.sleep(max(0.0, PERIOD_SECONDS - (time.monotonic() - begun)))


def draw(call: Call, found: dict[str, dict[str, Any] | None]) -> None:
    """One table."""
    rows = [usage_row(name, sample, full=call.options["no-trunc"]) for name, sample in found.items()]
    show(call, rows, HEADERS, default=TABLE, template=call.options["format"])


def samples(
    call: Call, engines: dict[str, Engine], query: dict[str, str | list[str]]
) -> dict[str, dict[str, Any] | None]:
    """What each container uses, all asked at once over connections that are kept; None for one that is gone."""
    names = list(call.arguments)
    if not names:
        listed = call.engine.get("/containers/json", {"all": "1"} if call.options["all"] else {})
        names = [container["Id"] for container in listed]
    return sample_all(call.engine, engines, names, query)


def sample_all(
    engine: Engine, engines: dict[str, Engine], names: list[str], query: dict[str, str | list[str]]
) -> dict[str, dict[str, Any] | None]:
    """The same for containers whose names are known; `engines` keeps a connection for each."""
    from concurrent.futures import ThreadPoolExecutor

    for gone in engines.keys() - set(names):
        del engines[gone]
    for name in names:
        engines.setdefault(name, engine.beside())

    def one(name: str) -> dict[str, Any] | None:
        try:
            sample: dict[str, Any] = engines[name].get(named("containers", name, "stats"), query)
        except Refused:
            return None
        return sample

    if not names:
        return {}
    with ThreadPoolExecutor(min(MOST_AT_ONCE, len(names))) as pool:
        return dict(zip(names, pool.map(one, names), strict=True))


COMMAND = Command(
    "[OPTIONS] [CONTAINER...]",
    run,
    flags=(
        Flag("all", SWITCH, "Show all containers (default shows just running)", short="a"),
        FORMAT,
        Flag("no-stream", SWITCH, "Disable streaming stats and only pull the first result"),
        Flag("no-trunc", SWITCH, "Do not truncate output"),
    ),
    most=ANY,
)
