"""Which bind sources must be taken from the host's own mount namespace, because ours does not show what the host has?

The zygote's namespace is a slave of the host's: what the host mounts later appears in it, if the host's mounts are
shared, as systemd makes them. Where they are private they do not. Then such a source is named by way of the engine's
process, `/proc/PID/root/…`, and whoever mounts it clones it in that process's namespace (see `rootfs.py`).
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache

from sampan.linux import procfs
from sampan.linux.procfs import MountInfo
from sampan.runtime.plan import MountPlan

# Every container has these, the engine's own files: no start is to read the mount table for them.
FILES = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf")


def from_host(mounts: Sequence[MountPlan], zygote: int, own: str) -> tuple[MountPlan, ...]:
    """The same mounts, their sources named so that they show what the host has. `own`: the engine's own mounts."""

    @cache
    def seen(pid: int | str) -> list[MountInfo]:
        return procfs.mountinfo(pid)

    return tuple(
        replace(mount, source=f"/proc/{os.getpid()}/root{mount.source}")
        if _is_hosts(mount, own) and _part(seen("self"), mount.source) != _part(seen(zygote), mount.source)
        else mount
        for mount in mounts
    )


def _is_hosts(mount: MountPlan, own: str) -> bool:
    if mount.kind not in ("bind", "tree") or mount.subpath or not mount.source.startswith("/"):
        return False
    if mount.target in FILES:
        return False
    return not mount.source.startswith(("/proc/", "/sys/", f"{own}/"))


def _part(mounts: Iterable[MountInfo], source: str) -> set[tuple[str, str, str]]:
    """The mounts that make up what is at `source`: the nearest above it, and those below it."""
    place = os.path.realpath(source)
    below = "/" if place == "/" else place + "/"
    found: set[tuple[str, str, str]] = set()
    nearest = ("", "", "")
    for mount in mounts:
        entry = (mount.target, mount.device, mount.root)
        if mount.target.startswith(below):
            found.add(entry)
        elif f"{place}/".startswith(mount.target.rstrip("/") + "/") and len(mount.target) >= len(nearest[0]):
            nearest = entry  # a later mount at the same place lies on top
    return {*found, nearest} if nearest[0] else found
