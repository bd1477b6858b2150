"""How is a filesystem configured, made, cloned and attached by descriptor, with no path looked up twice?

The mount API of Linux 5.2 and later: fsopen(2), fsconfig(2), fsmount(2), fspick(2), open_tree(2), move_mount(2) and
mount_setattr(2) (5.12).

    fsopen("overlay") → fsconfig_string(fd, "lowerdir+", …) … → fsconfig_create(fd) → fsmount(fd) → move_mount(…)

A filesystem explains a refusal in the log of its configuration descriptor; that text becomes part of the OSError.
"""

import errno
import os
from ctypes import Structure, byref, c_uint64, sizeof
from enum import IntEnum, IntFlag

from sampan.linux.call import failure, syscall

AT_FDCWD = -100
FSOPEN_CLOEXEC = 1
FSMOUNT_CLOEXEC = 1
FSPICK_CLOEXEC = 1

# fsconfig(2) copies a string value into 256 bytes, its end mark included.
STRING_BYTES_MAX = 255


class MountAttr(IntFlag):
    """MOUNT_ATTR_* of linux/mount.h. ATIME is the mask of the access-time choices: clear it when setting one."""

    RELATIME = 0
    RDONLY = 0x1
    NOSUID = 0x2
    NODEV = 0x4
    NOEXEC = 0x8
    NOATIME = 0x10
    STRICTATIME = 0x20
    ATIME = 0x70
    NODIRATIME = 0x80
    IDMAP = 0x100000
    NOSYMFOLLOW = 0x200000


class OpenTree(IntFlag):
    """OPEN_TREE_* of linux/mount.h and the AT_* that open_tree(2) takes."""

    CLONE = 1
    AT_SYMLINK_NOFOLLOW = 0x100
    AT_NO_AUTOMOUNT = 0x800
    AT_EMPTY_PATH = 0x1000
    AT_RECURSIVE = 0x8000
    CLOEXEC = os.O_CLOEXEC


class MoveMount(IntFlag):
    """MOVE_MOUNT_* of linux/mount.h; F is about the source, T about the target."""

    F_SYMLINKS = 0x1
    F_AUTOMOUNTS = 0x2
    F_EMPTY_PATH = 0x4
    T_SYMLINKS = 0x10
    T_AUTOMOUNTS = 0x20
    T_EMPTY_PATH = 0x40
    SET_GROUP = 0x100
    BENEATH = 0x200


class FsConfig(IntEnum):
    """enum fsconfig_command of linux/mount.h."""

    SET_FLAG = 0
    SET_STRING = 1
    SET_BINARY = 2
    SET_PATH = 3
    SET_PATH_EMPTY = 4
    SET_FD = 5
    CMD_CREATE = 6
    CMD_RECONFIGURE = 7
    CMD_CREATE_EXCL = 8


class MountAttrArgs(Structure):
    """struct mount_attr."""

    _fields_ = (
        ("attr_set", c_uint64),
        ("attr_clr", c_uint64),
        ("propagation", c_uint64),
        ("userns_fd", c_uint64),
    )


def fsopen(fstype: str) -> int:
    """fsopen(2): a descriptor of a new, unconfigured filesystem of this type."""
    return syscall("fsopen", os.fsencode(fstype), FSOPEN_CLOEXEC, paths=(fstype,))


def fspick(dirfd: int, path: str, flags: int = 0) -> int:
    """fspick(2): a descriptor for reconfiguring the filesystem mounted at `path`."""
    return syscall("fspick", dirfd, os.fsencode(path), flags | FSPICK_CLOEXEC, paths=(path,))


def fsconfig_string(fd: int, key: str, value: str) -> None:
    """fsconfig(2), FSCONFIG_SET_STRING. ENAMETOOLONG above 255 bytes, where the kernel would say EINVAL."""
    if len(os.fsencode(value)) > STRING_BYTES_MAX:
        raise failure(errno.ENAMETOOLONG, (f"{key}={value}",))
    _fsconfig(fd, FsConfig.SET_STRING, key, value)


def fsconfig_flag(fd: int, key: str) -> None:
    """fsconfig(2), FSCONFIG_SET_FLAG: an option without a value, such as `ro`."""
    _fsconfig(fd, FsConfig.SET_FLAG, key)


def fsconfig_fd(fd: int, key: str, value_fd: int) -> None:
    """fsconfig(2), FSCONFIG_SET_FD: a descriptor as the value (overlay's directories accept one since Linux 6.13)."""
    _fsconfig(fd, FsConfig.SET_FD, key, extra=value_fd)


def fsconfig_create(fd: int) -> None:
    """fsconfig(2), FSCONFIG_CMD_CREATE: make the superblock from what was configured."""
    _fsconfig(fd, FsConfig.CMD_CREATE)


def fsconfig_reconfigure(fd: int) -> None:
    """fsconfig(2), FSCONFIG_CMD_RECONFIGURE: apply what was configured to the filesystem of fspick(2)."""
    _fsconfig(fd, FsConfig.CMD_RECONFIGURE)


def fsmount(fd: int, attr: int = 0) -> int:
    """fsmount(2): a detached mount of the created filesystem, an O_PATH descriptor of its root. `attr`: MountAttr."""
    try:
        return syscall("fsmount", fd, FSMOUNT_CLOEXEC, int(attr))
    except OSError as error:
        raise _explained(fd, error, ()) from None


def move_mount(
    from_fd: int,
    from_path: str,
    to_fd: int,
    to_path: str,
    flags: MoveMount = MoveMount.F_EMPTY_PATH | MoveMount.T_EMPTY_PATH,
) -> None:
    """move_mount(2): attach a detached mount, or move an attached one. By default a path may be empty: the fd."""
    syscall(
        "move_mount",
        from_fd,
        os.fsencode(from_path),
        to_fd,
        os.fsencode(to_path),
        int(flags),
        paths=tuple(path for path in (from_path, to_path) if path),
    )


def open_tree(dirfd: int, path: str, flags: OpenTree = OpenTree.CLONE) -> int:
    """open_tree(2): an O_PATH descriptor of a mount point; with CLONE of a detached copy, ready to be bound."""
    return syscall("open_tree", dirfd, os.fsencode(path), int(flags | OpenTree.CLOEXEC), paths=(path,) if path else ())


def mount_setattr(
    dirfd: int,
    path: str,
    flags: int,
    *,
    set: int = 0,
    clear: int = 0,
    propagation: int = 0,
    userns_fd: int | None = None,
) -> None:
    """mount_setattr(2). `flags`: AT_EMPTY_PATH, AT_RECURSIVE; `set`, `clear`: MountAttr; `propagation`: a MountFlag."""
    attr = MountAttrArgs(int(set), int(clear), int(propagation), userns_fd or 0)
    syscall(
        "mount_setattr",
        dirfd,
        os.fsencode(path),
        int(flags),
        byref(attr),
        sizeof(attr),
        paths=(path,) if path else (),
    )


def _fsconfig(fd: int, command: FsConfig, key: str = "", value: str | None = None, extra: int = 0) -> None:
    named = key if value is None else f"{key}={value}"
    try:
        syscall(
            "fsconfig",
            fd,
            int(command),
            os.fsencode(key) or None,
            None if value is None else os.fsencode(value),
            extra,
            paths=(named,) if named else (),
        )
    except OSError as error:
        raise _explained(fd, error, (named,) if named else ()) from None


def _explained(fd: int, error: OSError, paths: tuple[str, ...]) -> OSError:
    """The error with what the filesystem wrote to its log; reading takes the messages out, one by one."""
    messages = []
    while True:
        try:
            message = os.read(fd, 8192)
        except OSError:
            break  # ENODATA: the log is empty; anything else must not hide the first error
        # Each begins with its level, one of "e ", "w ", "i ".
        messages.append(os.fsdecode(message)[2:].strip())
    return failure(error.errno or 0, paths, "; ".join(messages))
