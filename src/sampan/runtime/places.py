"""How is a filesystem that several containers share mounted, once for all of them?

A volume with driver options (an NFS export, a tmpfs) is mounted at a place of its own in the zygote's mount namespace,
as layers are, and containers get binds of it. A shim does it, not the zygote, for a server that does not answer may
keep it waiting for minutes. After the daemon was gone there is a new zygote with a new namespace: then the mount is
cloned from where a container's old shim still has it.
"""

import fcntl
import os
from collections.abc import Mapping, Sequence
from typing import Any

from sampan.linux.fsmount import OpenTree, move_mount, open_tree
from sampan.linux.mount_id import mount_id
from sampan.linux.sched import CloneFlag, setns
from sampan.runtime.plan import MountPlan, mount_from_json
from sampan.runtime.rootfs import detached
from sampan.runtime.status import StartFailed

AT_FDCWD = -100


def mount_all(places: Sequence[Mapping[str, Any]]) -> None:
    """Have every one of them mounted. Raises StartFailed in Docker's words."""
    for place in places:
        plan, target = mount_from_json(place["plan"]), str(place["target"])
        os.makedirs(target, 0o700, exist_ok=True)
        lock = os.open(os.path.dirname(target), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two containers that start at once must not mount twice
            if not is_mounted(target):
                _mount(plan, target, place["donors"])
        except OSError as error:
            reason = os.strerror(error.errno or 0).lower()
            said = f"mount {plan.source}:{target}{_data(plan)}: {reason}"
            text = f"error while mounting volume '{target}': failed to mount local volume: {said}"
            raise StartFailed(text, plain=True) from None
        finally:
            os.close(lock)


def _mount(plan: MountPlan, target: str, donors: Sequence[int]) -> None:
    source = _from_donor(target, donors)
    if source < 0:
        source = detached(plan)
    try:
        place = os.open(target, os.O_PATH | os.O_CLOEXEC)
        try:
            move_mount(source, "", place, "")
        finally:
            os.close(place)
    finally:
        os.close(source)


def is_mounted(target: str) -> bool:
    """Whether something is mounted at `target`, be it of the same filesystem."""
    here = os.open(target, os.O_PATH | os.O_CLOEXEC)
    above = os.open(os.path.dirname(target), os.O_PATH | os.O_CLOEXEC)
    try:
        return mount_id(here) != mount_id(above)
    finally:
        os.close(here)
        os.close(above)


def _from_donor(target: str, donors: Sequence[int]) -> int:
    """A clone of what one of these processes has mounted there; -1 when none has."""
    own = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        for donor in donors:
            try:
                theirs = os.open(f"/proc/{donor}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            try:
                setns(theirs, CloneFlag.NEWNS)
                if os.path.exists(target) and is_mounted(target):
                    return open_tree(AT_FDCWD, target, OpenTree.CLONE | OpenTree.CLOEXEC)
            finally:
                setns(own, CloneFlag.NEWNS)
                os.close(theirs)
    finally:
        os.close(own)
    return -1


def _data(plan: MountPlan) -> str:
    return f", data: {','.join(plan.parameters)}" if plan.parameters else ""
