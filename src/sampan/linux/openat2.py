"""How is a file opened under rules for every step of the way to it?

openat2(2), Linux 5.6. `inside.py` builds on it.
"""

import os
from ctypes import Structure, byref, c_uint64, sizeof
from enum import IntFlag

from sampan.linux.call import syscall

# With IN_ROOT or BENEATH the kernel gives up with EAGAIN when anything on the system is renamed while it goes through
# a ".."; that is rare, so this many in a row are somebody's attempt to keep us busy.
ATTEMPTS = 256


class Resolve(IntFlag):
    """RESOLVE_* of linux/openat2.h."""

    NO_XDEV = 0x01
    NO_MAGICLINKS = 0x02
    NO_SYMLINKS = 0x04
    BENEATH = 0x08
    IN_ROOT = 0x10
    CACHED = 0x20


class OpenHow(Structure):
    """struct open_how."""

    _fields_ = (("flags", c_uint64), ("mode", c_uint64), ("resolve", c_uint64))


def openat2(dirfd: int, path: str, flags: int, mode: int = 0, resolve: int = 0) -> int:
    """openat2(2), always with O_CLOEXEC. `mode` must be 0 unless the flags create a file; `resolve`: Resolve."""
    how = OpenHow(flags | os.O_CLOEXEC, mode, int(resolve))
    encoded = os.fsencode(path)
    for _ in range(ATTEMPTS - 1):
        try:
            return syscall("openat2", dirfd, encoded, byref(how), sizeof(how), paths=(path,))
        except BlockingIOError:
            # O_NONBLOCK on a leased file and RESOLVE_CACHED say EAGAIN too, and mean it.
            if resolve & Resolve.CACHED or not resolve & (Resolve.IN_ROOT | Resolve.BENEATH):
                raise
    return syscall("openat2", dirfd, encoded, byref(how), sizeof(how), paths=(path,))
