"""How is the kernel called from here?

Two ways in: `call` for a function of the C library, `syscall` for a system call that the C library may not wrap. Both
look up an explicit prototype (ctypes would otherwise pass 64-bit values as 32-bit ones), repeat the call when a signal
interrupted it (as PEP 475 does for the os module), and turn a failure into OSError with the kernel's errno and the
paths that the call was about. One reading of errno, right here: nothing may run between the call and the reading.

Numbers are those of arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h (arm64).
"""

import errno
import os
from ctypes import CDLL, c_char_p, c_int, c_long, c_uint, c_ulong, c_void_p, get_errno

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Function = Callable[..., int]
    Path = str | bytes

# The program's own symbols include the C library's, whatever it is called on this system (glibc, musl).
libc = CDLL(None, use_errno=True)

# Functions of the C library: result, then arguments.
PROTOTYPES: "dict[str, tuple[type[Any], ...]]" = {
    "mount": (c_int, c_char_p, c_char_p, c_char_p, c_ulong, c_char_p),
    "umount2": (c_int, c_char_p, c_int),
    "unshare": (c_int, c_int),
    "setns": (c_int, c_int, c_int),
    "ptrace": (c_long, c_long, c_int, c_long, c_long),
    "prctl": (c_int, c_int, c_ulong, c_ulong, c_ulong, c_ulong),
    "personality": (c_int, c_ulong),
    "sethostname": (c_int, c_char_p, c_ulong),
    "setdomainname": (c_int, c_char_p, c_ulong),
    "fchownat": (c_int, c_int, c_char_p, c_uint, c_uint, c_int),
    "fstatfs": (c_int, c_int, c_void_p),
    "syncfs": (c_int, c_int),
    "inotify_init1": (c_int, c_int),
    "inotify_add_watch": (c_int, c_int, c_char_p, c_uint),
    "inotify_rm_watch": (c_int, c_int, c_int),
}

# System calls: number on x86_64, number on aarch64, then arguments. The result is always a long.
SYSCALLS: "dict[str, tuple[int, int, tuple[type[Any], ...]]]" = {
    "capget": (125, 90, (c_void_p, c_void_p)),
    "capset": (126, 91, (c_void_p, c_void_p)),
    "pivot_root": (155, 41, (c_char_p, c_char_p)),
    "keyctl": (250, 219, (c_int, c_ulong, c_ulong, c_ulong, c_ulong)),
    "set_tid_address": (218, 96, (c_void_p,)),
    "ioprio_set": (251, 30, (c_int, c_int, c_int)),
    "ioprio_get": (252, 31, (c_int, c_int)),
    "prlimit64": (302, 261, (c_int, c_uint, c_void_p, c_void_p)),
    "seccomp": (317, 277, (c_uint, c_uint, c_void_p)),
    "bpf": (321, 280, (c_int, c_void_p, c_uint)),
    "pidfd_send_signal": (424, 424, (c_int, c_int, c_void_p, c_uint)),
    "open_tree": (428, 428, (c_int, c_char_p, c_uint)),
    "move_mount": (429, 429, (c_int, c_char_p, c_int, c_char_p, c_uint)),
    "fsopen": (430, 430, (c_char_p, c_uint)),
    "fsconfig": (431, 431, (c_int, c_uint, c_char_p, c_char_p, c_int)),
    "fsmount": (432, 432, (c_int, c_uint, c_uint)),
    "fspick": (433, 433, (c_int, c_char_p, c_uint)),
    "pidfd_open": (434, 434, (c_int, c_uint)),
    "close_range": (436, 436, (c_uint, c_uint, c_uint)),
    "openat2": (437, 437, (c_int, c_char_p, c_void_p, c_ulong)),
    "pidfd_getfd": (438, 438, (c_int, c_int, c_uint)),
    "mount_setattr": (442, 442, (c_int, c_char_p, c_uint, c_void_p, c_ulong)),
    "landlock_create_ruleset": (444, 444, (c_void_p, c_ulong, c_uint)),
    "landlock_add_rule": (445, 445, (c_int, c_uint, c_void_p, c_uint)),
    "landlock_restrict_self": (446, 446, (c_int, c_uint)),
    # Called by sched.py alone, which must not let go of the interpreter lock meanwhile.
    "clone": (56, 220, (c_ulong, c_void_p, c_void_p, c_void_p, c_void_p)),
    "clone3": (435, 435, (c_void_p, c_ulong)),
}

ARCHITECTURES = ("x86_64", "aarch64")

_functions: "dict[str, Function]" = {}
_syscalls: "dict[str, Function]" = {}


def call(name: str, *arguments: object, paths: "Sequence[Path]" = ()) -> int:
    """Call the C library's function `name` and return its result; -1 becomes OSError about `paths`."""
    function = _functions.get(name)
    if function is None:
        function = _functions[name] = prototype(libc, name, *PROTOTYPES[name])
    return checked(function, arguments, paths)


def syscall(name: str, *arguments: object, paths: "Sequence[Path]" = ()) -> int:
    """Make the system call `name`, as syscall(2) does, and return its result; -1 becomes OSError about `paths`."""
    function = _syscalls.get(name)
    if function is None:
        function = _syscalls[name] = prototype(libc, "syscall", c_long, c_long, *SYSCALLS[name][2])
    return checked(function, (number(name), *arguments), paths)


_MACHINE = os.uname().machine  # asked once: a start makes some two hundred calls


def number(name: str) -> int:
    """The number of the system call `name` on this machine's architecture; ENOSYS where no number is known."""
    if _MACHINE not in ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"{name}: no system call numbers for {_MACHINE}")
    x86_64, aarch64, _ = SYSCALLS[name]
    return x86_64 if _MACHINE == "x86_64" else aarch64


def prototype(library: CDLL, symbol: str, result: "type[Any]", *arguments: "type[Any]") -> "Function":
    """A function object of its own, so that many prototypes can share one symbol (syscall(2) is variadic)."""
    function = library[symbol]  # unlike getattr(), makes a new object each time
    function.restype = result
    function.argtypes = arguments
    return function


def checked(function: "Function", arguments: "tuple[object, ...]", paths: "Sequence[Path]") -> int:
    """The function's result, having repeated it over EINTR; -1 becomes OSError."""
    while True:
        result = function(*arguments)
        if result != -1:
            return result
        reason = get_errno()
        if reason != errno.EINTR:
            raise failure(reason, paths)


def failure(reason: int, paths: "Sequence[Path]" = (), detail: str = "") -> OSError:
    """The OSError for errno `reason`, naming up to two paths; of the subclass that fits, such as FileNotFoundError."""
    text = f"{os.strerror(reason)}: {detail}" if detail else os.strerror(reason)
    return OSError(reason, text, *paths[:1], *((None, paths[1]) if len(paths) > 1 else ()))
