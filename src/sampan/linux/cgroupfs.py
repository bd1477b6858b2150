"""Which cgroup hierarchies does this machine have, and where is each controller?

cgroups(7). Three kinds of machine:

    legacy    version 1 only: one hierarchy for each controller or group of controllers
    hybrid    version 1 hierarchies with controllers, beside a version 2 hierarchy that has the rest, or none
    unified   version 2 only

A controller is in exactly one hierarchy at a time, so nobody need ask which kind it is: ask for the controller.
"""

import os
from typing import NamedTuple

from sampan.linux.procfs import MountInfo, parse_mountinfo, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# What a version 1 hierarchy can carry (Documentation/admin-guide/cgroup-v1); other mount options are none.
# fmt: off
CONTROLLERS_V1 = frozenset({
    "cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids",
    "net_cls", "net_prio", "hugetlb", "perf_event", "rdma", "misc", "debug",
})
# fmt: on


class Hierarchy(NamedTuple):
    """One tree of cgroups, as mounted here.

    `mount` is where; `controllers` what it controls, a named hierarchy's being "name=NAME"; `root` is the cgroup that
    is seen at the mount, "/" unless only a part is mounted.
    """

    mount: str
    controllers: frozenset[str]
    version: int
    root: str


def hierarchies(
    mountinfo_text: str | None = None, controllers_of: "Callable[[str], frozenset[str]] | None" = None
) -> tuple[Hierarchy, ...]:
    """The hierarchies mounted here, each once. `controllers_of` tells a version 2 mount's controllers."""
    text = os.fsdecode(read("/proc/self/mountinfo")) if mountinfo_text is None else mountinfo_text
    found: dict[frozenset[str], Hierarchy] = {}
    for info in parse_mountinfo(text):
        if info.fstype not in ("cgroup", "cgroup2"):
            continue
        names = _controllers_v1(info) if info.fstype == "cgroup" else frozenset({""})
        known = found.get(names)
        # Bind mounts show a hierarchy again; the mount that shows most of it is the useful one.
        if known is None or len(info.root) < len(known.root):
            found[names] = Hierarchy(info.target, names, 1 if info.fstype == "cgroup" else 2, info.root)
    unified = found.get(frozenset({""}))
    if unified is not None:
        found[frozenset({""})] = unified._replace(controllers=(controllers_of or unified_controllers)(unified.mount))
    return tuple(found.values())


def unified_controllers(mount: str) -> frozenset[str]:
    """The controllers that a version 2 hierarchy offers at `mount` (cgroup.controllers)."""
    try:
        return frozenset(os.fsdecode(read(f"{mount}/cgroup.controllers")).split())
    except FileNotFoundError:
        return frozenset()


def own_paths(text: str | None = None) -> dict[str, str]:
    """The calling process's cgroup for each controller, "name=NAME" and, for version 2, ""."""
    if text is None:
        text = os.fsdecode(read("/proc/self/cgroup"))
    paths = {}
    for line in text.split("\n"):
        if line:
            _, controllers, path = line.split(":", 2)
            paths.update(dict.fromkeys(controllers.split(","), path))
    return paths


def mode(found: "Iterable[Hierarchy] | None" = None) -> str:
    """Legacy, hybrid or unified, in those words. A named hierarchy (systemd's) beside version 2 is not yet hybrid."""
    found = tuple(hierarchies() if found is None else found)
    if not any(hierarchy.version == 2 for hierarchy in found):
        return "legacy"
    if any(hierarchy.version == 1 and hierarchy.controllers & CONTROLLERS_V1 for hierarchy in found):
        return "hybrid"
    return "unified"


def _controllers_v1(info: MountInfo) -> frozenset[str]:
    return frozenset(option for option in info.super_options if option in CONTROLLERS_V1 or option.startswith("name="))
