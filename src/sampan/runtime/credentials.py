"""Which rights does the process keep?

Order matters and is the kernel's: limits while the right to raise them is there, groups before the user id is given
away, the bounding set while CAP_SETPCAP is there, the permitted set last of all (capabilities(7), credentials(7)).
Inheritable and ambient sets stay empty unless the spec fills them (security catalogue A16, A17).
"""

import errno
import os

from sampan.linux.capability import capset, last_cap
from sampan.linux.ioprio import set_io_priority
from sampan.linux.prctl import cap_ambient_clear_all, cap_ambient_raise, capbset_drop, set_keepcaps
from sampan.linux.rlimit import get_rlimit, set_rlimit
from sampan.runtime.plan import Capabilities, ProcessPlan
from sampan.runtime.status import StartFailed

# What the engine was given, and its containers inherit; its own processes leave no core files (zygote.py).
core_limit: tuple[int, int] | None = None


def limit(process: ProcessPlan) -> None:
    """Set limits and scheduling. Raises StartFailed for a limit that this engine may not raise."""
    if core_limit is not None:
        set_rlimit("RLIMIT_CORE", *core_limit)
    for name, soft, hard in process.rlimits:
        try:
            set_rlimit(name, soft, hard)
        except PermissionError:
            _, ceiling = get_rlimit(name)
            raise StartFailed(
                f"error setting rlimit type {name.removeprefix('RLIMIT_').lower()}: {soft}:{hard} is over the hard "
                f"limit of {ceiling} that the engine itself has, and without CAP_SYS_RESOURCE it may not be raised"
            ) from None
        except OSError as error:
            raise StartFailed(
                f"error setting rlimits for ready process: {name}: {(error.strerror or '').lower()}"
            ) from None
    if process.io_priority:
        set_io_priority(*process.io_priority)
    if process.affinity:
        os.sched_setaffinity(0, process.affinity)
    if process.scheduler:
        policy, nice, priority = process.scheduler[:3]
        os.sched_setscheduler(0, policy, os.sched_param(priority))
        if nice:
            os.setpriority(os.PRIO_PROCESS, 0, nice)


def adjust_oom_score(score: int | None, pid: int | str = "self") -> None:
    """Write oom_score_adj (proc_pid_oom_score_adj(5)). Raises StartFailed when the score may not be lowered."""
    if score is None:
        return
    fd = os.open(f"/proc/{pid}/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, str(score).encode())
    except OSError as error:
        if error.errno != errno.EACCES:
            raise
        raise StartFailed(
            f"write oom_score_adj {score}: permission denied: lowering it takes CAP_SYS_RESOURCE, "
            "which the engine does not have"
        ) from None
    finally:
        os.close(fd)


def drop_bounding(capabilities: Capabilities) -> None:
    """Leave only the plan's capabilities in the bounding set."""
    for number in range(last_cap() + 1):
        if not capabilities.bounding >> number & 1:
            capbset_drop(number)


def become(uid: int, gid: int, groups: list[int]) -> None:
    """Take the user's identity, keeping the permitted set for `settle`."""
    set_keepcaps(True)
    try:
        os.setgroups(groups)
    except PermissionError:
        # A user namespace made without privilege denies setgroups(2) (user_namespaces(7)); no group is no loss then.
        if groups and groups != [gid]:
            raise
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    set_keepcaps(False)


def settle(capabilities: Capabilities) -> None:
    """Take the final capability sets; the ambient set is emptied first, since it may only hold what the others hold."""
    cap_ambient_clear_all()
    known = (2 << last_cap()) - 1
    capset(capabilities.effective & known, capabilities.permitted & known, capabilities.inheritable & known)
    # Only what is permitted and inheritable can be ambient (capabilities(7)); specs that list more, runc's own default
    # among them, have always got what is possible.
    possible = capabilities.ambient & capabilities.permitted & capabilities.inheritable
    for number in range(last_cap() + 1):
        if possible >> number & 1:
            cap_ambient_raise(number)
