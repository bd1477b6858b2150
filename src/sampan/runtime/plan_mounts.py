"""Which mounts does an OCI spec ask for, in the kernel's own terms?

Pure: option words become attribute masks and filesystem parameters (OCI runtime spec, config-linux.md "Linux mount
options"; mount(8)). Order is the spec's own, since a later mount may lie inside an earlier one.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sampan.errors import InvalidRequest
from sampan.linux.cgroupfs import Hierarchy
from sampan.linux.fsmount import MountAttr
from sampan.linux.mount import MountFlag
from sampan.runtime.plan import MountPlan

SETS: dict[str, MountAttr] = {
    "ro": MountAttr.RDONLY,
    "nosuid": MountAttr.NOSUID,
    "nodev": MountAttr.NODEV,
    "noexec": MountAttr.NOEXEC,
    "nodiratime": MountAttr.NODIRATIME,
    "nosymfollow": MountAttr.NOSYMFOLLOW,
}
CLEARS: dict[str, MountAttr] = {
    "rw": MountAttr.RDONLY,
    "suid": MountAttr.NOSUID,
    "dev": MountAttr.NODEV,
    "exec": MountAttr.NOEXEC,
    "diratime": MountAttr.NODIRATIME,
    "symfollow": MountAttr.NOSYMFOLLOW,
}
# The atime modes exclude each other: the kernel wants the whole field cleared before one is set (mount_setattr(2)).
ATIME_FIELD = 0x70
ATIMES = {
    "relatime": 0x00,
    "noatime": 0x10,
    "strictatime": 0x20,
    "atime": 0x00,
    "norelatime": 0x20,
    "nostrictatime": 0x00,
}

PROPAGATIONS = {
    "private": MountFlag.PRIVATE,
    "rprivate": MountFlag.PRIVATE | MountFlag.REC,
    "slave": MountFlag.SLAVE,
    "rslave": MountFlag.SLAVE | MountFlag.REC,
    "shared": MountFlag.SHARED,
    "rshared": MountFlag.SHARED | MountFlag.REC,
    "unbindable": MountFlag.UNBINDABLE,
    "runbindable": MountFlag.UNBINDABLE | MountFlag.REC,
}
IGNORED = {
    "defaults",
    "async",
    "loud",
    "nomand",
    "noiversion",
    "rbind",
    "bind",
    "remount",
    "tmpcopyup",
    "idmap",
    "ridmap",
}
# Superblock words of mount(8) that fsconfig(2) takes as flags of their own.
SUPERBLOCK_FLAGS = {"sync", "dirsync", "lazytime", "mand", "silent", "iversion"}


class _Attributes:
    """Masks gathered from option words, in order."""

    def __init__(self) -> None:
        self.set = self.clear = 0

    def take(self, word: str) -> bool:
        """Note `word` if it is an attribute."""
        if word in SETS:
            self.set |= SETS[word]
            self.clear &= ~SETS[word]
        elif word in CLEARS:
            self.clear |= CLEARS[word]
            self.set &= ~CLEARS[word]
        elif word in ATIMES:
            self.clear |= ATIME_FIELD
            self.set = self.set & ~ATIME_FIELD | ATIMES[word]
        else:
            return False
        return True


def plan_mount(mount: dict[str, Any]) -> MountPlan:
    """One entry of the spec's `mounts`. Raises InvalidRequest."""
    target = mount.get("destination", "")
    if not isinstance(target, str) or not target:
        raise InvalidRequest("a mount has no destination")
    options: Sequence[str] = mount.get("options") or ()
    here, below = _Attributes(), _Attributes()
    propagation: list[int] = []
    parameters: list[str] = []
    for word in options:
        if here.take(word) or word in IGNORED:
            continue
        if word.startswith("r") and below.take(word[1:]):
            continue
        if word in PROPAGATIONS:
            propagation.append(int(PROPAGATIONS[word]))
        else:
            parameters.append(word)
    fstype = mount.get("type") or ""
    kind = _kind(fstype, options)
    return MountPlan(
        kind=kind,
        target=target if target.startswith("/") else "/" + target,
        source=mount.get("source") or "",
        fstype="" if kind in ("bind", "tree", "remount") else fstype,
        parameters=tuple(parameters) if kind == "filesystem" else (),
        set_attributes=here.set,
        clear_attributes=here.clear,
        recursive_set=below.set,
        recursive_clear=below.clear,
        propagation=tuple(propagation),
        uid_maps=_maps(mount.get("uidMappings")),
        gid_maps=_maps(mount.get("gidMappings")),
        subpath=mount.get("sampan.subpath", ""),
    )


def _kind(fstype: str, options: Sequence[str]) -> str:
    if "remount" in options:
        return "remount"
    if "rbind" in options:
        return "tree"
    if "bind" in options or fstype == "bind":
        return "bind"
    if not fstype:
        raise InvalidRequest("a mount has neither a type nor bind among its options")
    return "cgroup" if fstype in ("cgroup", "cgroup2") else "filesystem"


def _maps(mappings: Sequence[dict[str, int]] | None) -> tuple[tuple[int, int, int], ...]:
    return tuple((m["containerID"], m["hostID"], m["size"]) for m in mappings or ())


def plan_cgroup_mount(
    mount: MountPlan, hierarchies: Sequence[Hierarchy], cgroup_path: str, *, private: bool
) -> list[MountPlan]:
    """The mounts that show the container its own cgroup at `mount.target`.

    A pure v2 machine has one; with v1 or both, a tmpfs holds one directory for each hierarchy, as on the host. Binds
    of the container's own directory show it as the root, with or without a cgroup namespace, and no more (A12, A13).
    """
    unified = [h for h in hierarchies if h.version == 2]
    if unified and len(hierarchies) == 1:
        source = unified[0].mount + (cgroup_path if private else "")
        return [replace(mount, kind="bind", source=source)]
    quiet = MountAttr.NOSUID | MountAttr.NODEV | MountAttr.NOEXEC
    plans = [
        MountPlan(
            kind="filesystem",
            target=mount.target,
            source="tmpfs",
            fstype="tmpfs",
            parameters=("mode=755",),
            set_attributes=int(quiet),
        )
    ]
    plans += [
        replace(mount, kind="bind", target=f"{mount.target}/{h.mount.rsplit('/', 1)[-1]}", source=h.mount + cgroup_path)
        for h in hierarchies
    ]
    # Read-only last: the directories for the hierarchies had to be made in it first.
    plans.append(replace(mount, kind="remount", source=""))
    return plans
