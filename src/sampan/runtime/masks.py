"""Which paths of /proc and /sys does the container not see, or not write?

A masked file is covered by /dev/null, a masked directory by an empty read-only tmpfs; a read-only path by itself.
Both run after every other mount, so that nothing of the user's lies on top, and a mask that fails ends the start
(security catalogue A07, A26, A27; P15). What is not there needs no mask.
"""

import os
import stat
from collections.abc import Sequence

from sampan.linux.fsmount import MountAttr, OpenTree, mount_setattr, move_mount, open_tree
from sampan.linux.inside import open_in_root
from sampan.runtime.rootfs import new_filesystem
from sampan.runtime.status import StartFailed

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000


def open_null() -> int:
    """The host's /dev/null, verified: what covers a file must not be something an image put in its place."""
    fd = os.open("/dev/null", os.O_PATH | os.O_CLOEXEC)
    found = os.fstat(fd)
    if not stat.S_ISCHR(found.st_mode) or found.st_rdev != os.makedev(1, 3):
        os.close(fd)
        raise StartFailed("/dev/null of this machine is not the null device (1:3), so nothing can be masked with it")
    return fd


def mask(paths: Sequence[str], root: int, null: int) -> None:
    """Cover `paths` inside `root`; `null` is from open_null."""
    empty = -1
    for path in paths:
        target = _open(path, root)
        if target is None:
            continue
        try:
            if not stat.S_ISDIR(os.fstat(target).st_mode):
                _cover(null, target)
            elif empty >= 0:
                _cover(empty, target)
            else:
                # One empty tmpfs serves every directory; kernels before 6.15 clone only what is attached somewhere.
                quiet = MountAttr.RDONLY | MountAttr.NOSUID | MountAttr.NODEV | MountAttr.NOEXEC
                empty = new_filesystem("tmpfs", "tmpfs", ("nr_blocks=1", "nr_inodes=1"), int(quiet))
                move_mount(empty, "", target, "")
        finally:
            os.close(target)
    if empty >= 0:
        os.close(empty)


def _cover(cover: int, target: int) -> None:
    clone = open_tree(cover, "", OpenTree.CLONE | OpenTree.CLOEXEC | OpenTree.AT_EMPTY_PATH)
    try:
        move_mount(clone, "", target, "")
    finally:
        os.close(clone)


def make_read_only(paths: Sequence[str], root: int) -> None:
    """Bind each path onto itself, read-only, keeping what else its mount forbids."""
    for path in paths:
        target = _open(path, root)
        if target is None:
            continue
        flags = OpenTree.CLONE | OpenTree.CLOEXEC | OpenTree.AT_EMPTY_PATH | OpenTree.AT_RECURSIVE
        clone = open_tree(target, "", flags)
        try:
            mount_setattr(clone, "", AT_EMPTY_PATH | AT_RECURSIVE, set=MountAttr.RDONLY)
            move_mount(clone, "", target, "")
        finally:
            os.close(clone)
            os.close(target)


def _open(path: str, root: int) -> int | None:
    try:
        return open_in_root(root, path, os.O_PATH)
    except (FileNotFoundError, NotADirectoryError):
        return None
