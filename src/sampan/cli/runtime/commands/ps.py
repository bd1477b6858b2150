"""sampan runtime ps: which processes are inside a container? As ps(1) would show them, read from /proc."""

import json
import sys

from sampan.cli.command import ANY
from sampan.cli.flags import TEXT, Flag
from sampan.cli.runtime.call import Call, Command
from sampan.errors import InvalidRequest
from sampan.runtime import ps

FLAGS = (Flag("format", TEXT, "Select one of: table or json", short="f", default="table"),)


def run(call: Call) -> int:
    """Print their ids, or a line for each."""
    container = call.store.get(call.arguments[0])
    form = call.options["format"]
    if form not in ("table", "json"):
        raise InvalidRequest("invalid format option")
    columns = ps.parse(" ".join(call.arguments[1:]) or "-ef")
    pids = sorted(container.cgroup().pids()) if container.status() != "stopped" else []
    if form == "json":
        sys.stdout.write(json.dumps(pids, separators=(",", ":")))
        return 0
    sys.stdout.write("\n".join(ps.table(columns, ps.rows(pids))) + "\n")
    return 0


COMMAND = Command(usage="<container-id> [ps options]", run=run, flags=FLAGS, most=ANY, interspersed=False)
