"""How much may a process use of what?

getrlimit(2), by prlimit(2). Values are the kernel's: bytes, seconds, counts; INFINITY for no limit.
"""

from ctypes import Structure, byref, c_uint64

from sampan.linux.call import syscall

INFINITY = 2**64 - 1

# asm-generic/resource.h; the names are those of the OCI runtime spec too.
RLIMITS = {
    "RLIMIT_CPU": 0,
    "RLIMIT_FSIZE": 1,
    "RLIMIT_DATA": 2,
    "RLIMIT_STACK": 3,
    "RLIMIT_CORE": 4,
    "RLIMIT_RSS": 5,
    "RLIMIT_NPROC": 6,
    "RLIMIT_NOFILE": 7,
    "RLIMIT_MEMLOCK": 8,
    "RLIMIT_AS": 9,
    "RLIMIT_LOCKS": 10,
    "RLIMIT_SIGPENDING": 11,
    "RLIMIT_MSGQUEUE": 12,
    "RLIMIT_NICE": 13,
    "RLIMIT_RTPRIO": 14,
    "RLIMIT_RTTIME": 15,
}


class RLimit64(Structure):
    """struct rlimit64."""

    _fields_ = (("rlim_cur", c_uint64), ("rlim_max", c_uint64))


def set_rlimit(name: str, soft: int, hard: int, pid: int = 0) -> None:
    """prlimit(2). EPERM when the hard limit grows without CAP_SYS_RESOURCE, EINVAL when soft exceeds hard."""
    new = RLimit64(soft, hard)
    syscall("prlimit64", pid, RLIMITS[name], byref(new), None, paths=(name,))


def get_rlimit(name: str, pid: int = 0) -> tuple[int, int]:
    """prlimit(2): the soft and the hard limit."""
    old = RLimit64()
    syscall("prlimit64", pid, RLIMITS[name], None, byref(old), paths=(name,))
    return old.rlim_cur, old.rlim_max
