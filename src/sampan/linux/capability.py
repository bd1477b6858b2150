"""Which capabilities are there, and which does a process have?

capabilities(7), capget(2), capset(2). Sets are ints here: bit N is capability N. The bounding and ambient sets are in
`prctl.py`.
"""

import os
from ctypes import Structure, byref, c_int, c_uint32

from sampan.linux.call import syscall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# In the order of linux/capability.h: the index is the capability's number.
CAPABILITIES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
)

VERSION_3 = 0x20080522

_NUMBERS = {name: bit for bit, name in enumerate(CAPABILITIES)}
_last_cap: int | None = None


class CapHeader(Structure):
    """struct __user_cap_header_struct."""

    _fields_ = (("version", c_uint32), ("pid", c_int))


class CapData(Structure):
    """struct __user_cap_data_struct: 32 bits of each set; version 3 takes two of them."""

    _fields_ = (("effective", c_uint32), ("permitted", c_uint32), ("inheritable", c_uint32))


def number(name: str) -> int:
    """The number of a capability by its full name. KeyError for names that are not in the table."""
    return _NUMBERS[name]


def mask(names: "Iterable[str]") -> int:
    """The set of these capabilities as an int. KeyError for names that are not in the table."""
    bits = 0
    for name in names:
        bits |= 1 << _NUMBERS[name]
    return bits


def last_cap() -> int:
    """The highest capability that this kernel knows (/proc/sys/kernel/cap_last_cap), read once."""
    global _last_cap
    if _last_cap is None:
        fd = os.open("/proc/sys/kernel/cap_last_cap", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _last_cap = int(os.read(fd, 32))
        finally:
            os.close(fd)
    return _last_cap


def capset(effective: int, permitted: int, inheritable: int) -> None:
    """capset(2) for the calling thread. EPERM for a permitted set that grows."""
    header = CapHeader(VERSION_3, 0)
    data = (CapData * 2)(
        *(CapData(*((bits >> shift) & 0xFFFFFFFF for bits in (effective, permitted, inheritable))) for shift in (0, 32))
    )
    syscall("capset", byref(header), byref(data))


def capget(pid: int = 0) -> tuple[int, int, int]:
    """capget(2): the effective, permitted and inheritable sets of a process; 0 is the calling thread."""
    header = CapHeader(VERSION_3, pid)
    data = (CapData * 2)()
    syscall("capget", byref(header), byref(data))
    low, high = data
    return (
        low.effective | high.effective << 32,
        low.permitted | high.permitted << 32,
        low.inheritable | high.inheritable << 32,
    )
