"""What does a tree look like, and how do layers come to be one? For the contract suites of layers and snapshots."""

import hashlib
import os
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kernel.namespaced import namespaced
from sampan.layers.store import Layers
from sampan.linux.fsmount import fsconfig_create, fsconfig_string, fsmount, fsopen, move_mount
from sampan.linux.mount import MountFlag, mount
from sampan.oci.mount import Mount, Rootfs
from sampan.snapshots.overlay import Overlay

Picture = dict[str, list[Any]]
AT_FDCWD = -100


def picture(root: str | Path, *, times: bool = True) -> Picture:
    """Everything that can be seen of a tree, as JSON has it; hard links by the first of their names."""
    found: Picture = {}
    first: dict[int, str] = {}
    top = os.fsencode(root)
    pending = [b"."]
    while pending:  # os.walk recurses, and some of these trees are deep
        relative = pending.pop()
        path = os.path.join(top, relative)
        found[os.fsdecode(relative)] = describe(path, os.fsdecode(relative), first, times)
        if stat.S_ISDIR(os.lstat(path).st_mode):
            names = sorted(os.listdir(path), reverse=True)
            pending += [name if relative == b"." else os.path.join(relative, name) for name in names]
    return dict(sorted(found.items()))


def describe(path: bytes, relative: str, first: dict[int, str], times: bool) -> list[Any]:
    """One inode: type and mode, owner, time, attributes, and what its type has besides."""
    status = os.lstat(path)
    mode = status.st_mode
    described: list[Any] = [f"{mode:o}", status.st_uid, status.st_gid, status.st_mtime_ns if times else 0]
    names = sorted(os.listxattr(path, follow_symlinks=False))
    described.append([[name, os.getxattr(path, name, follow_symlinks=False).hex()] for name in names])
    if stat.S_ISREG(mode):
        with open(path, "rb") as file:
            described += [status.st_size, hashlib.sha256(file.read()).hexdigest()]
    elif stat.S_ISLNK(mode):
        described.append(os.fsdecode(os.readlink(path)))
    elif stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        described.append([os.major(status.st_rdev), os.minor(status.st_rdev)])
    if not stat.S_ISDIR(mode) and status.st_nlink > 1:
        described += [status.st_nlink, first.setdefault(status.st_ino, relative)]
    return described


def perform(planned: Mount) -> None:
    """Make one layer mount, as the runtime does."""
    os.makedirs(planned.target, exist_ok=True)
    data = ",".join(option for option in planned.options if option != "ro")
    mount(planned.source, planned.target, planned.type, MountFlag.RDONLY, data)


def perform_rootfs(rootfs: Rootfs, target: Path) -> None:
    """Make a container's root filesystem at `target`."""
    for planned in rootfs.shared:
        perform(planned)
    target.mkdir(exist_ok=True)
    context = fsopen("overlay")
    for option in rootfs.overlay.options:
        key, _, value = option.partition("=")
        fsconfig_string(context, key, value)
    fsconfig_create(context)
    move_mount(fsmount(context), "", AT_FDCWD, str(target))


def layer_picture(layers: Layers, diff_id: str) -> Picture:
    """A layer as the kernel shows it."""

    def look() -> Picture:
        planned, directory = layers.mount_of(diff_id)
        if planned:
            perform(planned)
        return picture(directory)

    return namespaced(look)


def rootfs_picture(layers: Layers, diff_ids: Sequence[str], work: Path) -> Picture:
    """Layers joined by overlayfs, bottom first, with an empty writable tree on top; without times and attributes."""
    snapshots = Overlay(work / "snapshots", layers)

    def look() -> Picture:
        perform_rootfs(snapshots.prepare("key", diff_ids), work / "merged")
        return picture(work / "merged")

    try:
        return namespaced(look)
    finally:
        snapshots.remove("key")
        snapshots.close()


def tar_picture(tar: bytes, directory: Path, *options: str) -> Picture:
    """What GNU tar makes of an archive."""
    directory.mkdir(mode=0o755)
    os.utime(directory, ns=(0, 0))
    command = ["tar", "-xpf", "-", "--numeric-owner", "--xattrs", "--xattrs-include=*", *options]
    subprocess.run(command, input=tar, cwd=directory, check=True)
    return picture(directory)
