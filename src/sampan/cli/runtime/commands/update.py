"""sampan runtime update: change the limits of a container that exists."""

import re
import sys
from typing import Any

from sampan.cli.flags import NUMBER, TEXT, Flag, Kind
from sampan.cli.runtime import shape
from sampan.cli.runtime.bundle import LIMIT, read_object
from sampan.cli.runtime.call import Call, Command
from sampan.errors import Conflict, InvalidRequest, NotSupported
from sampan.linux.cgroupfs import hierarchies
from sampan.oci.strict import decode
from sampan.runtime.plan_cgroup import plan_writes
from sampan.runtime.planner import versions
from sampan.runtime.update import update

UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}


def read_bytes(text: str) -> int:
    """Bytes as Docker writes them: 100m, 1.5g; -1 for no limit."""
    if text == "-1":
        return -1
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?", text, re.IGNORECASE | re.ASCII)
    if not found:
        raise ValueError(f"invalid size: '{text}'")
    return int(float(found[1]) * UNITS[found[2].lower()])


BYTES = Kind("bytes", read_bytes)

# Each flag, and where its value goes in OCI linux.resources.
PLACES = {
    "blkio-weight": ("blockIO", "weight", NUMBER, "Per cgroup weight, from 10 to 1000"),
    "cpu-period": ("cpu", "period", NUMBER, "CPU CFS period for hardcapping (in usecs)"),
    "cpu-quota": ("cpu", "quota", NUMBER, "CPU CFS hardcap limit (in usecs): CPU time allowed in a period"),
    "cpu-share": ("cpu", "shares", NUMBER, "CPU shares (relative weight vs. other containers)"),
    "cpu-rt-period": ("cpu", "realtimePeriod", NUMBER, "CPU realtime period for hardcapping (in usecs)"),
    "cpu-rt-runtime": ("cpu", "realtimeRuntime", NUMBER, "CPU realtime hardcap limit (in usecs)"),
    "cpu-idle": ("cpu", "idle", NUMBER, "1 makes the cgroup SCHED_IDLE"),
    "cpuset-cpus": ("cpu", "cpus", TEXT, "CPU(s) to use"),
    "cpuset-mems": ("cpu", "mems", TEXT, "Memory node(s) to use"),
    "memory": ("memory", "limit", BYTES, "Memory limit (in bytes)"),
    "memory-reservation": ("memory", "reservation", BYTES, "Memory reservation or soft_limit (in bytes)"),
    "memory-swap": ("memory", "swap", BYTES, "Total memory usage (memory + swap); -1 for unlimited swap"),
    "pids-limit": ("pids", "limit", NUMBER, "Maximum number of pids allowed in the container"),
}
REFUSED = ("l3-cache-schema", "mem-bw-schema", "kernel-memory", "kernel-memory-tcp")

FLAGS = (
    Flag("resources", TEXT, "File with the resources to update, '-' for standard input", short="r"),
    *(Flag(name, kind, summary) for name, (_, _, kind, summary) in PLACES.items()),
    *(Flag(name, TEXT, "Refused: this machine has no such limit", hidden=True) for name in REFUSED),
)


def run(call: Call) -> int:
    """Set the limits that are given; all others stay."""
    container = call.store.get(call.arguments[0])
    refused = [name for name in REFUSED if call.options[name]]
    if refused:
        raise NotSupported(f"--{refused[0]}: this machine has no such limit")
    resources = resources_of(call)
    with container.locked():
        if container.status() in ("stopped", "creating"):
            raise Conflict("container not running")
        update(container.cgroup(), plan_writes(resources, versions(hierarchies())))
    return 0


def resources_of(call: Call) -> dict[str, Any]:
    """OCI linux.resources from a file, standard input or the flags. Raises InvalidRequest, OSError."""
    source = call.options["resources"]
    if source == "-":
        found = decode(sys.stdin.buffer.read(LIMIT + 1), what="resources", max_bytes=LIMIT)
    elif source:
        found = read_object(source, "resources")
    else:
        found = {}
        for name, (group, key, _, _) in PLACES.items():
            if call.options.given(name):
                found.setdefault(group, {})[key] = call.options[name]
    shape.check(found, shape.RESOURCES, "resources")
    if not isinstance(found, dict):
        raise InvalidRequest("resources must be an object")
    # Device rules are fixed when the container is made, as with runc: a list of changes would not say what is left.
    found.pop("devices", None)
    return found


COMMAND = Command(usage="<container-id>", run=run, flags=FLAGS)
