"""Which attributes does the calling process set on itself?

prctl(2), one function per operation that is used.
"""

import os
from ctypes import addressof, create_string_buffer

from sampan.linux.call import call

PR_SET_PDEATHSIG = 1
PR_GET_DUMPABLE = 3
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_NAME = 15
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_GET_NO_NEW_PRIVS = 39
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_IS_SET = 1
PR_CAP_AMBIENT_RAISE = 2
PR_CAP_AMBIENT_CLEAR_ALL = 4


def set_pdeathsig(signal_number: int) -> None:
    """PR_SET_PDEATHSIG: the signal to get when the parent thread ends; cleared by changes of credentials."""
    call("prctl", PR_SET_PDEATHSIG, signal_number, 0, 0, 0)


def set_name(name: str) -> None:
    """PR_SET_NAME: the thread's name in ps and /proc/PID/comm, cut to 15 bytes."""
    encoded = os.fsencode(name)[:15]
    buffer = create_string_buffer(encoded, 16)
    call("prctl", PR_SET_NAME, addressof(buffer), 0, 0, 0)


def set_dumpable(dumpable: bool) -> None:
    """PR_SET_DUMPABLE: whether others with our user id may trace us and read /proc/PID; exec sets it again."""
    call("prctl", PR_SET_DUMPABLE, int(dumpable), 0, 0, 0)


def get_dumpable() -> int:
    """PR_GET_DUMPABLE: 0 no, 1 yes, 2 root only."""
    return call("prctl", PR_GET_DUMPABLE, 0, 0, 0, 0)


def set_no_new_privs() -> None:
    """PR_SET_NO_NEW_PRIVS: from here on, exec never grants anything. Cannot be undone."""
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def get_no_new_privs() -> bool:
    """PR_GET_NO_NEW_PRIVS."""
    return bool(call("prctl", PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0))


def set_keepcaps(keep: bool) -> None:
    """PR_SET_KEEPCAPS: whether the permitted capabilities outlive the change from user id 0 to others."""
    call("prctl", PR_SET_KEEPCAPS, int(keep), 0, 0, 0)


def capbset_drop(capability: int) -> None:
    """PR_CAPBSET_DROP: take a capability out of the bounding set for good. EINVAL: the kernel does not know it."""
    call("prctl", PR_CAPBSET_DROP, capability, 0, 0, 0)


def capbset_read(capability: int) -> bool:
    """PR_CAPBSET_READ: whether the bounding set has it. EINVAL: the kernel does not know it."""
    return bool(call("prctl", PR_CAPBSET_READ, capability, 0, 0, 0))


def set_child_subreaper(reaper: bool) -> None:
    """PR_SET_CHILD_SUBREAPER: whether orphans among the descendants become our children."""
    call("prctl", PR_SET_CHILD_SUBREAPER, int(reaper), 0, 0, 0)


def cap_ambient_clear_all() -> None:
    """PR_CAP_AMBIENT_CLEAR_ALL."""
    call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)


def cap_ambient_raise(capability: int) -> None:
    """PR_CAP_AMBIENT_RAISE. EPERM unless the capability is both permitted and inheritable."""
    call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0)


def cap_ambient_is_set(capability: int) -> bool:
    """PR_CAP_AMBIENT_IS_SET."""
    return bool(call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, capability, 0, 0))
