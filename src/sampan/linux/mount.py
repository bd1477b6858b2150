"""How is a filesystem attached to, detached from, or put at the top of the tree?

mount(2), umount2(2) and pivot_root(2): the calls that name their places by path. Where a path could be swapped under
the caller's feet, use `fsmount.py`, which works on descriptors.
"""

import os
from enum import IntFlag

from sampan.linux.call import call, syscall


class MountFlag(IntFlag):
    """MS_* of linux/mount.h."""

    RDONLY = 1
    NOSUID = 2
    NODEV = 4
    NOEXEC = 8
    SYNCHRONOUS = 16
    REMOUNT = 32
    MANDLOCK = 64
    DIRSYNC = 128
    NOSYMFOLLOW = 256
    NOATIME = 1024
    NODIRATIME = 2048
    BIND = 4096
    MOVE = 8192
    REC = 16384
    SILENT = 1 << 15
    POSIXACL = 1 << 16
    UNBINDABLE = 1 << 17
    PRIVATE = 1 << 18
    SLAVE = 1 << 19
    SHARED = 1 << 20
    RELATIME = 1 << 21
    KERNMOUNT = 1 << 22
    I_VERSION = 1 << 23
    STRICTATIME = 1 << 24
    LAZYTIME = 1 << 25


class UmountFlag(IntFlag):
    """MNT_* and UMOUNT_* of umount2(2)."""

    FORCE = 1
    DETACH = 2
    EXPIRE = 4
    NOFOLLOW = 8


def mount(source: str, target: str, fstype: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2); `flags` are MountFlag. The error names both paths: a bind can fail for either."""
    call(
        "mount",
        os.fsencode(source) or None,
        os.fsencode(target),
        os.fsencode(fstype) or None,
        int(flags),
        os.fsencode(data) or None,
        paths=(source, target) if source else (target,),
    )


def umount2(target: str, flags: int = 0) -> None:
    """umount2(2); `flags` are UmountFlag."""
    call("umount2", os.fsencode(target), int(flags), paths=(target,))


def pivot_root(new_root: str, put_old: str) -> None:
    """pivot_root(2). Both may be "." (see the manual's example): the old root then lies on top, to be detached."""
    syscall("pivot_root", os.fsencode(new_root), os.fsencode(put_old), paths=(new_root, put_old))
