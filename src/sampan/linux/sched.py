"""How does a process get namespaces of its own, or join those of another?

unshare(2), setns(2), and clone3(2), which forks straight into new namespaces and into a cgroup.
"""

import errno
import fcntl
import os
import signal
from ctypes import PyDLL, Structure, byref, c_int, c_long, c_uint64, c_void_p, cast, get_errno, pointer, sizeof
from enum import IntFlag

from sampan.linux.call import SYSCALLS, call, failure, number, prototype, syscall


class CloneFlag(IntFlag):
    """CLONE_* of linux/sched.h."""

    NEWTIME = 0x80
    VM = 0x100
    FS = 0x200
    FILES = 0x400
    SIGHAND = 0x800
    PIDFD = 0x1000
    VFORK = 0x4000
    PARENT = 0x8000
    THREAD = 0x10000
    PARENT_SETTID = 0x100000
    NEWNS = 0x20000
    NEWCGROUP = 0x2000000
    NEWUTS = 0x4000000
    NEWIPC = 0x8000000
    NEWUSER = 0x10000000
    NEWPID = 0x20000000
    NEWNET = 0x40000000
    CLEAR_SIGHAND = 0x100000000
    INTO_CGROUP = 0x200000000


class CloneArgs(Structure):
    """struct clone_args, version 2 (Linux 5.7, the first with `cgroup`)."""

    _fields_ = (
        ("flags", c_uint64),
        ("pidfd", c_uint64),
        ("child_tid", c_uint64),
        ("parent_tid", c_uint64),
        ("exit_signal", c_uint64),
        ("stack", c_uint64),
        ("stack_size", c_uint64),
        ("tls", c_uint64),
        ("set_tid", c_uint64),
        ("set_tid_size", c_uint64),
        ("cgroup", c_uint64),
    )


def unshare(flags: int) -> None:
    """unshare(2). NEWPID and NEWTIME take effect for children, not for the caller."""
    call("unshare", int(flags))


def setns(fd: int, flags: int = 0) -> None:
    """setns(2). `fd`: a file of /proc/PID/ns, or a pidfd, from which `flags` choose. NEWPID is for children only."""
    call("setns", fd, int(flags))


# The child goes on as the same Python interpreter. That is sound for a process with one thread and for no other:
#  - PyDLL, unlike CDLL, keeps the interpreter lock held across the call. Parent and child both come back holding
#    their copy of it, as if nothing had happened; there is no lock to be taken again, and none to make anew.
#  - The hooks of os.register_at_fork and of pthread_atfork do not run. They exist to mend what other threads leave
#    half done (import lock, allocator, logging); here there are none. The C library's record of the thread id stays
#    the parent's, which only robust and error-checking mutexes look at.
#  - Signals are not blocked meanwhile: a handler that the child inherits may run in it. Forkers whose handlers act on
#    the parent's affairs block the signals first, or pass CLEAR_SIGHAND.
_interpreter = PyDLL(None, use_errno=True)
_clone3 = prototype(_interpreter, "syscall", c_long, c_long, *SYSCALLS["clone3"][2])
_clone = prototype(_interpreter, "syscall", c_long, c_long, *SYSCALLS["clone"][2])


def clone3(flags: int, *, cgroup_fd: int | None = None) -> tuple[int, int]:
    """clone3(2), as fork: (pid, pidfd) in the parent, (0, -1) in the child. Only for processes with one thread.

    The child's end is told by SIGCHLD; with PARENT, to the caller's parent. `cgroup_fd`, a directory of a version 2
    hierarchy, makes the child start in that cgroup. Where clone3 is missing or filtered out (ENOSYS), clone(2) does
    the same, except for what it has no room for: a cgroup, NEWTIME, CLEAR_SIGHAND.
    """
    pidfd = c_int(-1)
    arguments = _arguments(flags | CloneFlag.PIDFD, cgroup_fd)
    arguments.pidfd = cast(pointer(pidfd), c_void_p).value
    pid = _cloned(arguments, pidfd)
    return (pid, pidfd.value) if pid else (0, -1)


def clone_in_place(flags: int, *, cgroup_fd: int | None = None, held: bool = False) -> int:
    """Go on as a new process with the memory of this one, which is killed; returns the new pid, as seen from the old.

    Or, if it is `held` (`ptrace.hold_after_vfork`), stands still until its tracer kills it: then the memory of both is
    not freed by the new one while it executes, but by the old one meanwhile.

    Only a child enters a new pid namespace. This one is given the memory instead of a copy, as by vfork(2), so that no
    page of it has to be copied when it is written to next. Everything else is inherited as over clone3, and the flags
    mean the same; with PARENT, the parent collects two children, the old one killed by SIGKILL.
    """
    pid = c_int(0)
    arguments = _arguments(flags | CloneFlag.VM | CloneFlag.VFORK | CloneFlag.PARENT_SETTID, cgroup_fd)
    arguments.parent_tid = cast(pointer(pid), c_void_p).value
    ends: tuple[int, ...] = () if held else _deadly_to_this_process()
    # A process that ends zeroes the C library's record of its thread id, if others have its memory
    # (set_tid_address(2)). Ours stays as clone3 would leave it.
    syscall("set_tid_address", byref(_record_of_the_dead))
    try:
        _cloned(arguments, pid)
    except OSError:
        for end in ends:  # the reader first: while somebody reads, closing the writer is deadly, too
            os.close(end)
        raise
    # We are the child. The old process stands still inside the kernel until we execute or end (VFORK), then it would
    # come back on a stack that is no longer its own; so it must be killed while it stands.
    if not held:
        watched, trigger = ends
        os.write(trigger, b"\0")
        os.close(trigger)
        os.close(watched)
    return pid.value


_record_of_the_dead = c_int(0)  # written to at any later moment, so it must be there for good


def _deadly_to_this_process() -> tuple[int, int]:
    """A pipe, as (reader, writer): whoever writes to it kills this process; SIGKILL is pending when write(2) returns.

    From inside a pid namespace no kill(2) and no pidfd reaches a process outside, but the owner that a descriptor has
    for its signals stays the one that was meant when it was set (F_SETOWN and F_SETSIG in fcntl(2)).
    """
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(reader, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(reader, fcntl.F_SETFL, os.O_NONBLOCK | os.O_ASYNC)
    return reader, writer


def _arguments(flags: int, cgroup_fd: int | None) -> CloneArgs:
    arguments = CloneArgs(flags=int(flags))
    # With PARENT the kernel takes the caller's own exit signal and refuses another one.
    arguments.exit_signal = 0 if flags & CloneFlag.PARENT else signal.SIGCHLD
    if cgroup_fd is not None:
        arguments.flags |= CloneFlag.INTO_CGROUP
        arguments.cgroup = cgroup_fd
    return arguments


def _cloned(arguments: CloneArgs, told: c_int) -> int:
    """The child's pid, 0 in the child. `told`: what the arguments want a pidfd or a thread id written to."""
    pid = _clone3(number("clone3"), byref(arguments), sizeof(arguments))
    if pid == -1:
        reason = get_errno()
        if reason != errno.ENOSYS:
            raise failure(reason)
        pid = _clone_instead(arguments, told)
    return pid


def _clone_instead(arguments: CloneArgs, told: c_int) -> int:
    """The same by clone(2): the low byte of its flags is the exit signal, so flags that live there cannot be passed."""
    flags: int = arguments.flags
    if flags & 0xFF or flags >> 32:
        raise failure(errno.ENOSYS, (), "clone3")
    # The third argument, on every architecture, is where the pidfd goes, or the parent's copy of the thread id.
    pid = _clone(number("clone"), flags | arguments.exit_signal, None, byref(told), None, None)
    if pid == -1:
        raise failure(get_errno())
    return pid
