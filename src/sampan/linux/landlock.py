"""How does a process give up every file but those below one directory, for good?

landlock(7), linux/landlock.h. A ruleset names the rights that it is about; what no rule grants is then denied (EACCES)
to the thread and all that it starts, however it names the file and whatever capabilities it has. Newer kernels know
more rights: the ABI number says how many. Owner, mode and attributes of a file that can be reached, and looking at it,
are not among them.
"""

import errno
import os
from ctypes import Structure, byref, c_int32, c_uint64, sizeof
from enum import IntFlag

from sampan.linux.call import syscall

CREATE_RULESET_VERSION = 1
RULE_PATH_BENEATH = 1


class Access(IntFlag):
    """LANDLOCK_ACCESS_FS_*."""

    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    REMOVE_DIR = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_CHAR = 1 << 6
    MAKE_DIR = 1 << 7
    MAKE_REG = 1 << 8
    MAKE_SOCK = 1 << 9
    MAKE_FIFO = 1 << 10
    MAKE_BLOCK = 1 << 11
    MAKE_SYM = 1 << 12
    REFER = 1 << 13
    TRUNCATE = 1 << 14
    IOCTL_DEV = 1 << 15


class Net(IntFlag):
    """LANDLOCK_ACCESS_NET_*."""

    BIND_TCP = 1 << 0
    CONNECT_TCP = 1 << 1


class Scope(IntFlag):
    """LANDLOCK_SCOPE_*: what may be reached of processes outside."""

    ABSTRACT_UNIX_SOCKET = 1 << 0
    SIGNAL = 1 << 1


# The first ABI that knows all rights up to this one.
SINCE = {1: Access.MAKE_SYM, 2: Access.REFER, 3: Access.TRUNCATE, 5: Access.IOCTL_DEV}
NET_SINCE = 4
SCOPE_SINCE = 6


class RulesetAttr(Structure):
    """struct landlock_ruleset_attr."""

    _fields_ = (("handled_access_fs", c_uint64), ("handled_access_net", c_uint64), ("scoped", c_uint64))


class PathBeneathAttr(Structure):
    """struct landlock_path_beneath_attr, which is packed."""

    _pack_ = 1
    _fields_ = (("allowed_access", c_uint64), ("parent_fd", c_int32))


def abi() -> int:
    """The version of Landlock that this kernel has; 0 when it has none, or was started without it."""
    try:
        return syscall("landlock_create_ruleset", None, 0, CREATE_RULESET_VERSION)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EOPNOTSUPP):
            raise
        return 0


def known(version: int) -> Access:
    """The rights to files that an ABI knows."""
    last = max(right for since, right in SINCE.items() if since <= version)
    return Access(2 * last - 1)


def restrict_to(directory: int, allowed: Access) -> bool:
    """Leave this thread only the rights `allowed`, below `directory`; whether the kernel can do that.

    TCP, abstract sockets and signals to others go as well, as far as the kernel knows how. Needs no_new_privs or
    CAP_SYS_ADMIN (EPERM).
    """
    version = abi()
    if not version:
        return False
    files = known(version)
    attr = RulesetAttr(
        files,
        Net.BIND_TCP | Net.CONNECT_TCP if version >= NET_SINCE else 0,
        Scope.ABSTRACT_UNIX_SOCKET | Scope.SIGNAL if version >= SCOPE_SINCE else 0,
    )
    ruleset = syscall("landlock_create_ruleset", byref(attr), sizeof(attr), 0)
    try:
        rule = PathBeneathAttr(allowed & files, directory)
        syscall("landlock_add_rule", ruleset, RULE_PATH_BENEATH, byref(rule), 0)
        syscall("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)
    return True
