"""What is in the container's /dev?

The nodes of the plan, the links that programs expect, and nothing of the host's. Nodes are made by descriptor inside
a tmpfs that no image path leads to (security catalogue A10, A46). OCI config-linux.md "Default Devices",
"Dev symbolic links".
"""

import os
import stat

from sampan.linux.fsmount import OpenTree, move_mount, open_tree
from sampan.linux.inside import create_file_in_root, mkdirs_in_root, open_in_root
from sampan.runtime.plan import Device

AT_FDCWD = -100
KINDS = {"c": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}
LINKS = (
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
)


def populate(devices: tuple[Device, ...], root: int, *, by_bind: bool) -> None:
    """Make the nodes and links. `by_bind`: in a user namespace mknod(2) is refused, so the host's nodes are bound."""
    umask = os.umask(0)
    opened: dict[str, int] = {}
    try:
        for device in devices:
            if by_bind:
                _bind(device, root)
            else:
                _make(device, root, opened)
    finally:
        os.umask(umask)
        for directory in opened.values():
            os.close(directory)
    dev = open_in_root(root, "/dev", os.O_PATH | os.O_DIRECTORY)
    try:
        for destination, name in (*LINKS, *([("/proc/kcore", "core")] if os.path.exists("/proc/kcore") else [])):
            _link(destination, name, dev)
        _point_ptmx(dev)
    finally:
        os.close(dev)


def _make(device: Device, root: int, opened: dict[str, int]) -> None:
    directory, _, name = device.path.rpartition("/")
    if directory not in opened:
        opened[directory] = mkdirs_in_root(root, directory or "/", 0o755)
    parent = opened[directory]
    number = os.makedev(device.major, device.minor)
    mode = KINDS[device.kind] | device.mode
    try:
        try:
            os.mknod(name, mode, number, dir_fd=parent)
        except FileExistsError:
            # A volume over /dev may bring its own; the same node will do, anything else is not replaced.
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if stat.S_IFMT(found.st_mode) != KINDS[device.kind] or (device.kind != "p" and found.st_rdev != number):
                raise
            return
        if device.uid or device.gid:
            os.chown(name, device.uid, device.gid, dir_fd=parent, follow_symlinks=False)
    except OSError as error:
        raise OSError(error.errno, error.strerror, device.path) from None


def _bind(device: Device, root: int) -> None:
    source = open_tree(AT_FDCWD, device.path, OpenTree.CLONE | OpenTree.CLOEXEC)
    target = create_file_in_root(root, device.path, 0o666)
    try:
        move_mount(source, "", target, "")
    finally:
        os.close(source)
        os.close(target)


def _link(destination: str, name: str, dev: int) -> None:
    try:
        os.symlink(destination, name, dir_fd=dev)
    except FileExistsError:
        pass  # a volume over /dev brought its own


def _point_ptmx(dev: int) -> None:
    """/dev/ptmx must be the container's own devpts, also where the image's /dev came with another."""
    try:
        os.unlink("ptmx", dir_fd=dev)
    except OSError:
        pass
    try:
        os.symlink("pts/ptmx", "ptmx", dir_fd=dev)
    except FileExistsError:
        pass
