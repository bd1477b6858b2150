"""sampan runtime list: which containers are there below --root?"""

import json
import os
import sys
from typing import Any

from sampan.cli.flags import SWITCH, TEXT, Flag
from sampan.cli.runtime.call import Call, Command
from sampan.cli.runtime.record import Container
from sampan.cli.runtime.users import user_name
from sampan.cli.tabular import align
from sampan.errors import InvalidRequest

FLAGS = (
    Flag("format", TEXT, "Select one of: table or json", short="f", default="table"),
    Flag("quiet", SWITCH, "Display only container IDs", short="q"),
)
COLUMNS = ("ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER")


def run(call: Call) -> int:
    """Print them, by name."""
    form = call.options["format"]
    if form not in ("table", "json"):
        raise InvalidRequest("invalid format option")
    containers = call.store.all()
    if call.options["quiet"]:
        sys.stdout.write("".join(f"{container.id}\n" for container in containers))
        return 0
    found = [described(container) for container in containers]
    sys.stdout.write(as_table(found) if form == "table" else json.dumps(found or None, separators=(",", ":")) + "\n")
    return 0


def described(container: Container) -> dict[str, Any]:
    """The state with the name of the owner of the container's directory."""
    return {**container.state(), "owner": user_name(os.stat(container.directory).st_uid)}


def as_table(found: list[dict[str, Any]]) -> str:
    """runc's columns."""
    rows = [COLUMNS] + [tuple(str(state[name.lower()]) for name in COLUMNS) for state in found]
    return align("".join("\t".join(row) + "\n" for row in rows), 12, 3)


COMMAND = Command(usage="", run=run, flags=FLAGS, least=0, most=0)
