"""Which namespaces does a process get, and how does it enter them?

New ones come with clone3(2) itself, but for two: the cgroup namespace, whose root is the cgroup the caller is in when
it is made, and the time namespace, whose offsets must be set before anybody is inside (namespaces(7),
cgroup_namespaces(7), time_namespaces(7)). Existing ones are joined with setns(2), by `clone.py` where
a user namespace is new or among them.
"""

import os
from collections.abc import Sequence

from sampan.linux.sched import CloneFlag, setns, unshare
from sampan.runtime.plan import ContainerPlan

# A pid namespace cannot be entered by a living process, only by its next child: the parent does that (setns(2)).
_BY_THE_PARENT = CloneFlag.NEWPID
_AFTER_CLONE = CloneFlag.NEWCGROUP | CloneFlag.NEWTIME


def clone_flags(plan: ContainerPlan) -> CloneFlag:
    """The namespaces that clone3(2) makes for the container's first process."""
    return CloneFlag(plan.new_namespaces) & ~_AFTER_CLONE


def open_joined(joined: Sequence[tuple[int, str]]) -> list[tuple[int, int]]:
    """(flag, descriptor) of every namespace to join, opened before anything hides its path."""
    return [(flag, os.open(path, os.O_RDONLY | os.O_CLOEXEC)) for flag, path in joined]


def join(opened: Sequence[tuple[int, int]]) -> None:
    """Enter the opened namespaces, but for the pid namespace, which the parent has seen to."""
    for flag, fd in opened:
        if flag != _BY_THE_PARENT:
            setns(fd, CloneFlag(flag))
        os.close(fd)


def make_late(plan: ContainerPlan) -> None:
    """Make the namespaces that clone3(2) could not: the caller must be in its cgroup by now."""
    make_cgroup(plan)
    make_time(plan)


def make_cgroup(plan: ContainerPlan) -> None:
    """A cgroup namespace whose root is the cgroup that the caller is in."""
    if plan.new_namespaces & CloneFlag.NEWCGROUP:
        unshare(CloneFlag.NEWCGROUP)


def make_time(plan: ContainerPlan) -> None:
    """A time namespace, with the clocks that the plan wants. The caller's memory must be nobody else's (setns(2))."""
    if plan.new_namespaces & CloneFlag.NEWTIME:
        unshare(CloneFlag.NEWTIME)
        if plan.time_offsets:
            lines = "".join(f"{clock} {seconds} {nanoseconds}\n" for clock, seconds, nanoseconds in plan.time_offsets)
            write_once("/proc/self/timens_offsets", lines)
        # unshare(2) moves only children into a new time namespace, but the caller is what will be executed.
        fd = os.open("/proc/self/ns/time_for_children", os.O_RDONLY | os.O_CLOEXEC)
        setns(fd, CloneFlag.NEWTIME)
        os.close(fd)


def write_id_maps(pid: int, plan: ContainerPlan) -> None:
    """Give the new user namespace of `pid` its maps; from outside, since inside it may map only itself."""
    for name, maps in (("uid_map", plan.uid_maps), ("gid_map", plan.gid_maps)):
        # One write(2) for the whole map: the kernel accepts no second one (user_namespaces(7)).
        write_once(f"/proc/{pid}/{name}", "".join(f"{inside} {outside} {count}\n" for inside, outside, count in maps))


def become_root_inside() -> None:
    """Take the ids that the new user namespace maps to 0; until then the process owns nothing in it."""
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def write_once(path: str, text: str) -> None:
    """Write a control file with a single write(2)."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        os.close(fd)
