"""How are namespaced kernel parameters set?

Written by the container's first process through the host's procfs, before any file of the image is in sight: /proc/sys
shows the writer's own network, ipc and uts namespaces (sysctl(8), proc_sys(5); security catalogue A09, A15).
"""

import os
from collections.abc import Sequence

from sampan.linux.openat2 import Resolve, openat2
from sampan.linux.statfs import PROC_SUPER_MAGIC, fstatfs_type
from sampan.runtime.status import StartFailed


def write_sysctls(sysctls: Sequence[tuple[str, str]]) -> None:
    """Set each (name, value). Raises StartFailed with the name and the kernel's reason."""
    if not sysctls:
        return
    root = os.open("/proc/sys", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if fstatfs_type(root) != PROC_SUPER_MAGIC:
            raise StartFailed("/proc/sys of this machine is not a procfs")
        for name, value in sysctls:
            _write(root, name, value)
    finally:
        os.close(root)


def of_network(sysctl: tuple[str, str]) -> bool:
    """Whether it belongs to the network namespace."""
    return path_of(sysctl[0]).startswith("net/")


def path_of(name: str) -> str:
    """The file of a sysctl: dots separate, unless the name is written with slashes (sysctl(8))."""
    first = next((c for c in name if c in "./"), ".")
    return name if first == "/" else name.replace(".", "\0").replace("/", ".").replace("\0", "/")


def _write(root: int, name: str, value: str) -> None:
    try:
        flags = Resolve.BENEATH | Resolve.NO_SYMLINKS | Resolve.NO_XDEV
        fd = openat2(root, path_of(name), os.O_WRONLY, 0, flags)
        try:
            os.write(fd, value.encode())
        finally:
            os.close(fd)
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise StartFailed(f"write sysctl key {name}: open /proc/sys/{path_of(name)}: {reason}") from None
