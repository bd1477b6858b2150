"""What can the process that unpacks an archive still do?

Make files below one directory, whatever the archive or the container that changes the directory meanwhile have in mind:

    root         is that directory, in a mount namespace of its own; no descriptor that it holds leads out of it
    Landlock     nothing outside can be opened, and nothing inside be read or executed (where the kernel has it)
    network      an empty namespace
    capabilities those of owner, mode, device nodes and file capabilities; not the one to change the root again
    limits       memory, CPU time, the size of a file, open files
    seccomp      the few system calls that it takes; everything else gets EPERM

Python loads modules late (encodings, error paths): all that is needed is imported before, and what would still be
looked for cannot be read, so nothing of an image is ever loaded (CVE-2019-14271).
"""

import os

from sampan.linux import landlock
from sampan.linux.capability import capset, mask
from sampan.linux.landlock import Access
from sampan.linux.prctl import set_no_new_privs
from sampan.linux.rlimit import get_rlimit, set_rlimit
from sampan.linux.sched import CloneFlag, unshare
from sampan.linux.seccomp import set_filter

CAPABILITIES = ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_MKNOD", "CAP_SETFCAP")
NAMESPACES = CloneFlag.NEWNS | CloneFlag.NEWNET | CloneFlag.NEWIPC
ALLOWED = ~(Access.EXECUTE | Access.READ_FILE | Access.MAKE_SOCK | Access.IOCTL_DEV)
LIMITS = {
    "RLIMIT_AS": 1 << 30,
    "RLIMIT_CPU": 2 * 60 * 60,  # seconds; the longest archive that is taken, 1 TiB, takes one and a half hours
    "RLIMIT_FSIZE": 1 << 40,
    "RLIMIT_NOFILE": 4096,  # a walk to a missing directory holds one for each of its parents
    "RLIMIT_CORE": 0,
}
CALLS = (
    # bytes
    *("read", "readv", "pread64", "write", "writev", "lseek", "copy_file_range", "sendto", "sendmsg"),
    # names below a descriptor
    *("openat", "openat2", "mkdirat", "mknodat", "symlinkat", "linkat", "unlinkat", "renameat", "renameat2"),
    *("newfstatat", "fstat", "statx", "fstatfs", "readlinkat", "getdents64"),
    # what a file carries
    *("fchown", "fchownat", "fchmod", "fchmodat", "fchmodat2", "utimensat", "fsetxattr"),
    # the interpreter
    *("close", "dup", "fcntl", "brk", "mmap", "munmap", "mremap", "madvise", "mprotect", "futex", "getrandom"),
    *("clock_gettime", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "exit", "exit_group"),
)


def confine(root: int, seccomp_filter: bytes) -> None:
    """Leave this process nothing but the tree at `root`, a descriptor of a directory, which becomes its root.

    Everything is for good, so the order is that of what still needs a right: the namespaces and the root need
    capabilities, Landlock and the filter no_new_privs, and the filter forbids all the others.
    """
    for name, limit in LIMITS.items():
        least = min(limit, get_rlimit(name)[1])  # it may be less already, and cannot be raised again
        set_rlimit(name, least, least)
    unshare(NAMESPACES)
    os.fchdir(root)
    os.chroot(".")
    os.umask(0)  # a node has the mode that it is made with
    set_no_new_privs()
    landlock.restrict_to(root, ALLOWED)
    kept = mask(CAPABILITIES)
    capset(kept, kept, 0)
    set_filter(seccomp_filter)
