"""How does a directory tree become the container's root?

Everything is done on descriptors: a mount is made detached, its target is resolved inside the container's root with
openat2(RESOLVE_IN_ROOT), and move_mount(2) joins the two. No path of the image is looked up twice, so a link swapped
meanwhile leads nowhere (security catalogue A04–A11).
"""

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import replace

from sampan.linux.fsmount import (
    MountAttr,
    OpenTree,
    fsconfig_create,
    fsconfig_flag,
    fsconfig_string,
    fsmount,
    fsopen,
    mount_setattr,
    move_mount,
    open_tree,
)
from sampan.linux.inside import create_file_in_root, mkdirs_in_root, open_in_root
from sampan.linux.mount import MountFlag, UmountFlag, mount, pivot_root, umount2
from sampan.linux.openat2 import Resolve, openat2
from sampan.linux.procfs import mountinfo
from sampan.linux.sched import CloneFlag, setns
from sampan.linux.statfs import PROC_SUPER_MAGIC, fstatfs_type
from sampan.runtime.idmap import user_namespace_of
from sampan.runtime.plan import ContainerPlan, MountPlan
from sampan.runtime.status import StartFailed

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000

# What may be bound over inside a fresh procfs: statistics that lxcfs and the like replace, nothing that steers the
# kernel (CVE-2019-16884; runc's checkProcMount).
PROC_TARGETS = frozenset(
    "/proc/" + name
    for name in (
        "cpuinfo",
        "diskstats",
        "meminfo",
        "stat",
        "swaps",
        "uptime",
        "loadavg",
        "slabinfo",
        "net/dev",
        "sys/kernel/ns_last_pid",
        "sys/crypto/fips_enabled",
    )
)


def attach_root(plan: ContainerPlan, overlay: int, place: int = -1) -> int:
    """Put the root filesystem at its place in this private mount namespace; a descriptor of its root.

    `place`: where, if who calls may not look it up any more.
    """
    # First of all cut the way back: what is mounted from here on must not appear on the host (A42). What is unbindable
    # could not be cloned either, so that comes when all is done.
    wanted = MountFlag(plan.rootfs_propagation or MountFlag.SLAVE | MountFlag.REC)
    mount("", "/", "", MountFlag.PRIVATE | MountFlag.REC if wanted & MountFlag.UNBINDABLE else wanted)
    root = overlay
    if root < 0:
        # pivot_root(2) wants a mount point; a clone of the tree onto itself is one, with what is mounted below it.
        root = open_tree(AT_FDCWD, plan.rootfs_path, OpenTree.CLONE | OpenTree.CLOEXEC | OpenTree.AT_RECURSIVE)
    if place < 0:
        place = os.open(plan.rootfs_path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    if wanted & MountFlag.SHARED:
        _make_private_around(place)
    move_mount(root, "", place, "")
    os.close(place)
    mount_setattr(root, "", AT_EMPTY_PATH, propagation=int(MountFlag.PRIVATE))
    return root


def _make_private_around(place: int) -> None:
    """The mount that `place` lies in: pivot_root(2) refuses a root below a shared one, and the host would see it."""
    with open(f"/proc/self/fdinfo/{place}") as fields:
        number = next(int(line.split()[1]) for line in fields if line.startswith("mnt_id:"))
    around = next(found.target for found in mountinfo() if found.mount_id == number)
    mount("", around, "", MountFlag.PRIVATE)


def split(mounts: Sequence[MountPlan]) -> tuple[tuple[MountPlan, ...], tuple[MountPlan, ...]]:
    """Which mounts can be made before there is a pid namespace, and which cannot: /proc, and all from the user's on.

    Those below /dev and /sys lie in fresh filesystems, so no link of the image leads them below /proc.
    """
    early: list[MountPlan] = []
    late: list[MountPlan] = []
    for number, planned in enumerate(mounts):
        top = "/" + planned.target.split("/", 2)[1]
        is_fresh = planned.target == top or any(done.target == top for done in early)
        if planned.fstype == "proc" and planned.target == "/proc":
            late.append(planned)
        elif top in ("/dev", "/sys") and is_fresh and (planned.kind == "filesystem" or top == "/sys"):
            early.append(planned)
        else:
            return tuple(early), (*late, *mounts[number:])
    return tuple(early), tuple(late)


def is_filled(planned: MountPlan, mounts: Sequence[MountPlan]) -> bool:
    """Whether a read-only tmpfs is to have something in it: the nodes of /dev, or the mount points of others."""
    is_read_only = planned.fstype == "tmpfs" and planned.set_attributes & MountAttr.RDONLY
    below = f"{planned.target.rstrip('/')}/"
    return bool(is_read_only) and (planned.target == "/dev" or any(m.target.startswith(below) for m in mounts))


def writable_at_first(planned: MountPlan, mounts: Sequence[MountPlan]) -> MountPlan:
    """The mount as it is made; `close_for_writing` must follow when all is in it."""
    if not is_filled(planned, mounts):
        return planned
    return replace(planned, set_attributes=planned.set_attributes & ~MountAttr.RDONLY)


def close_for_writing(mounts: Sequence[MountPlan], root: int) -> None:
    """Make read-only what had to be filled before."""
    for planned in mounts:
        if is_filled(planned, mounts):
            target = open_in_root(root, planned.target, os.O_PATH)
            try:
                mount_setattr(target, "", AT_EMPTY_PATH, set=int(MountAttr.RDONLY))
            finally:
                os.close(target)


def made_outside(planned: MountPlan) -> bool:
    """Must who is root in a user namespace be given this mount, as it may not make it?

    Binds: the way to their sources may be closed to it. sysfs: it shows a network, which may not be its own.
    """
    return planned.kind in ("bind", "tree") or planned.fstype in ("sysfs", "overlay")


def perform(planned: MountPlan, root: int, source: int = -1) -> None:
    """Make one mount inside `root`; `source`: made already. Raises OSError with the paths, or StartFailed."""
    if planned.kind == "remount":
        return _remount(planned, root)
    try:
        source = detached(planned) if source < 0 else source
    except OSError as error:
        raise _mount_error(planned, error) from None
    try:
        if planned.subpath and planned.kind == "filesystem":
            source = _part(source, root, planned.subpath)
        target = _target(planned, root, is_directory=stat.S_ISDIR(os.fstat(source).st_mode))
        try:
            _refuse_steering(planned, root, target)
            move_mount(source, "", target, "")
        finally:
            os.close(target)
        for flag in planned.propagation:
            recursive = AT_RECURSIVE if flag & MountFlag.REC else 0
            mount_setattr(source, "", AT_EMPTY_PATH | recursive, propagation=flag & ~MountFlag.REC)
    except OSError as error:
        raise _mount_error(planned, error) from None
    finally:
        os.close(source)


def _part(filesystem: int, root: int, subpath: str) -> int:
    """A detached clone of a part of a detached filesystem, which is taken off again; closes `filesystem`.

    A clone can only be made of what is attached, so for a moment it lies on top of the root (open_tree(2)).
    """
    try:
        move_mount(filesystem, "", root, "")
        try:
            below = openat2(filesystem, subpath, os.O_PATH, 0, Resolve.BENEATH | Resolve.NO_MAGICLINKS)
            try:
                return open_tree(below, "", OpenTree.CLONE | OpenTree.CLOEXEC | OpenTree.AT_EMPTY_PATH)
            finally:
                os.close(below)
        finally:
            umount2(f"/proc/self/fd/{filesystem}", UmountFlag.DETACH)
    finally:
        os.close(filesystem)


def _mount_error(planned: MountPlan, error: OSError) -> StartFailed:
    reason = (error.strerror or "").strip()
    reason = reason[:1].lower() + reason[1:]
    what = planned.source or planned.fstype
    return StartFailed(f'error mounting "{what}" to rootfs at "{planned.target}": {reason}')


def detached(planned: MountPlan) -> int:
    """The mount as a descriptor, attributes set, before it has a place. Raises OSError."""
    if planned.kind == "filesystem":
        source = new_filesystem(planned.fstype, planned.source, planned.parameters, planned.set_attributes)
    else:
        recursive = OpenTree.AT_RECURSIVE if planned.kind == "tree" else OpenTree(0)
        source = _clone(planned, OpenTree.CLONE | OpenTree.CLOEXEC | recursive)
    if planned.kind != "filesystem" and (planned.set_attributes or planned.clear_attributes):
        mount_setattr(source, "", AT_EMPTY_PATH, set=planned.set_attributes, clear=planned.clear_attributes)
    if planned.recursive_set or planned.recursive_clear:
        flags = AT_EMPTY_PATH | AT_RECURSIVE
        mount_setattr(source, "", flags, set=planned.recursive_set, clear=planned.recursive_clear)
    if planned.uid_maps:
        with user_namespace_of(planned.uid_maps, planned.gid_maps) as namespace:
            mount_setattr(source, "", AT_EMPTY_PATH, set=int(MountAttr.IDMAP), userns_fd=namespace)
    return source


def _clone(planned: MountPlan, flags: OpenTree) -> int:
    """A detached clone of the tree at a path; of another container's, if the path leads through /proc/PID/root."""
    path = planned.source
    if planned.subpath:
        return _clone_below(path, planned.subpath, flags)
    other = re.fullmatch(r"/proc/(\d+)/root(/.*)", path)
    if other is None:
        return open_tree(AT_FDCWD, path, flags)
    # A mount can be cloned only from inside its own mount namespace (open_tree(2)), so there and back again.
    own = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    theirs = os.open(f"/proc/{other[1]}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(theirs, CloneFlag.NEWNS)
        try:
            return open_tree(AT_FDCWD, other[2], flags)
        finally:
            setns(own, CloneFlag.NEWNS)
    finally:
        os.close(own)
        os.close(theirs)


def _clone_below(top: str, subpath: str, flags: OpenTree) -> int:
    """A clone of part of a volume, which its users may change meanwhile: nothing in it leads outside of it."""
    root = os.open(top, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        below = openat2(root, subpath, os.O_PATH, 0, Resolve.BENEATH | Resolve.NO_MAGICLINKS)
        try:
            return open_tree(below, "", flags | OpenTree.AT_EMPTY_PATH)
        finally:
            os.close(below)
    finally:
        os.close(root)


def new_filesystem(fstype: str, source: str, parameters: Sequence[str], attributes: int) -> int:
    """A new instance of a filesystem, detached; its descriptor."""
    fs = fsopen(fstype)
    try:
        if source:
            fsconfig_string(fs, "source", source)
        for parameter in parameters:
            key, equals, value = parameter.partition("=")
            if equals:
                fsconfig_string(fs, key, value)
            else:
                fsconfig_flag(fs, key)
        fsconfig_create(fs)
        return fsmount(fs, MountAttr(attributes))
    finally:
        os.close(fs)


def _target(planned: MountPlan, root: int, *, is_directory: bool) -> int:
    """The mount point inside the root, made if it is missing; an O_PATH descriptor."""
    if planned.fstype in ("proc", "sysfs") or planned.target == "/dev":
        return _real_directory(planned.target, root)
    if planned.target == "/":
        return os.dup(root)
    if is_directory:
        return mkdirs_in_root(root, planned.target, 0o755)
    return create_file_in_root(root, planned.target, 0o755)


def _real_directory(path: str, root: int) -> int:
    """/proc, /sys and /dev must be what they seem: an image's link there would move the mount elsewhere (A06, A10)."""
    relative = path.lstrip("/")
    flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
    try:
        return openat2(root, relative, flags, 0, Resolve.IN_ROOT | Resolve.NO_SYMLINKS)
    except FileNotFoundError:
        os.close(mkdirs_in_root(root, path, 0o755))
        return openat2(root, relative, flags, 0, Resolve.IN_ROOT | Resolve.NO_SYMLINKS)
    except OSError as error:
        raise StartFailed(
            f'filesystem for "{path}" must be mounted on ordinary directory: {os.strerror(error.errno or 0).lower()}'
        ) from None


def _refuse_steering(planned: MountPlan, root: int, target: int) -> None:
    """Refuse what would replace the kernel's own files: the resolved target decides, not the words of the request."""
    said = f"{planned.target}/".startswith("/proc/")
    if planned.fstype == "proc" or (not said and fstatfs_type(target) != PROC_SUPER_MAGIC):
        return
    here = os.readlink(f"/proc/self/fd/{target}").removeprefix(os.readlink(f"/proc/self/fd/{root}").rstrip("/"))
    if here != "/proc" and not here.startswith("/proc/"):
        return
    if here in PROC_TARGETS and planned.kind != "filesystem":
        return
    if here == "/proc" and planned.kind != "filesystem" and os.path.realpath(planned.source) == "/proc":
        return
    raise StartFailed(f'"{planned.target}" cannot be mounted because it is inside /proc')


def _remount(planned: MountPlan, root: int) -> None:
    target = open_in_root(root, planned.target, os.O_PATH)
    try:
        mount_setattr(target, "", AT_EMPTY_PATH, set=planned.set_attributes, clear=planned.clear_attributes)
    finally:
        os.close(target)


def enter(root: int, *, no_pivot: bool) -> None:
    """Make `root` the root directory and let go of the old one."""
    os.fchdir(root)
    if no_pivot:
        # For roots on the initial ramfs, which cannot be pivoted away: the old root is only covered (runc --no-pivot).
        _take_off_whole(root)
        mount(".", "/", "", MountFlag.MOVE)
        os.chroot(".")
    else:
        # The new root onto itself: the old one then lies on top of it, at ".", and is taken off (pivot_root(2)).
        pivot_root(".", ".")
        # Not even in the moment of taking off may the container's unmounts reach the host.
        mount("", ".", "", MountFlag.SLAVE | MountFlag.REC)
        umount2(".", UmountFlag.DETACH)
    os.chdir("/")


def _take_off_whole(root: int) -> None:
    """Take off every whole procfs and sysfs outside the new root.

    They would still be in this mount namespace, covered; and while it has one without masks, the kernel lets a user
    namespace in the container mount another (mount_too_revealing in fs/namespace.c).
    """
    inside = os.readlink(f"/proc/self/fd/{root}")
    found = [m.target for m in mountinfo() if m.fstype in ("proc", "sysfs") and m.root == "/"]
    for target in reversed(found):
        if f"{target}/".startswith(f"{inside}/"):
            continue
        try:
            umount2(target, UmountFlag.DETACH)
        except OSError:
            # Locked to what it lies on (mount_namespaces(7)): then it is covered by what reveals nothing.
            mount("tmpfs", target, "tmpfs", MountFlag.RDONLY)


def share(propagation: int) -> None:
    """Give the root, now at its place, the propagation that had to wait: shared with nobody yet, or unbindable."""
    late = propagation & (MountFlag.SHARED | MountFlag.UNBINDABLE)
    if late:
        mount_setattr(AT_FDCWD, "/", 0, propagation=late)


def make_read_only() -> None:
    """The root itself, without what is mounted below it, becomes read-only."""
    mount_setattr(AT_FDCWD, "/", 0, set=int(MountAttr.RDONLY))
