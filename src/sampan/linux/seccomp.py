"""How does a process bind itself to a filter of system calls?

seccomp(2), linux/seccomp.h. A filter is a classic BPF program (linux/filter.h) that the kernel runs on every system
call of the process and of everything it will fork or exec. It is shown a `struct seccomp_data` and answers with one of
the values below; it cannot be taken off again. `struct sock_filter` is 8 bytes: code u16, jt u8, jf u8, k u32.
"""

import ctypes
import errno
from enum import IntFlag

from sampan.linux.call import call, syscall

SET_MODE_FILTER = 1
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2

# What a filter may answer; the low 16 bits carry an errno (ERRNO) or a message (TRACE).
KILL_PROCESS = 0x80000000
KILL_THREAD = 0x00000000
TRAP = 0x00030000
ERRNO = 0x00050000
TRACE = 0x7FF00000
LOG = 0x7FFC0000
ALLOW = 0x7FFF0000

# BPF_MAXINSNS of linux/bpf_common.h: no program may be longer.
MAX_INSTRUCTIONS = 4096
INSTRUCTION_SIZE = 8


class FilterFlag(IntFlag):
    """SECCOMP_FILTER_FLAG_*."""

    TSYNC = 1
    LOG = 2
    SPEC_ALLOW = 4


class _SockFprog(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def set_filter(program: bytes, flags: int = 0) -> None:
    """Bind the calling thread, and all that it starts, to `program` (an array of struct sock_filter): seccomp(2).

    Needs no_new_privs or CAP_SYS_ADMIN (EACCES); a program that the kernel finds wrong is EINVAL.
    """
    fprog = _SockFprog(len(program) // INSTRUCTION_SIZE, program)
    try:
        thread = syscall("seccomp", SET_MODE_FILTER, flags, ctypes.byref(fprog))
    except OSError as error:
        if error.errno != errno.ENOSYS or flags:
            raise
        call("prctl", _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(fprog), 0, 0)
        return
    if thread:
        # With TSYNC the kernel names the thread that it could not bring along.
        raise OSError(errno.EBUSY, f"thread {thread} cannot be bound to the filter")
