"""Does the kernel take our filters, and does a bound process get exactly these answers?

A forked child binds itself and makes raw system calls, of x86-64 through syscall(3) and of i386 through `int 0x80`.
Each refused call is also made by a child without a filter, with arguments that can do no harm: it must fail for another
reason there, or the refusal would prove nothing.
"""

import ctypes
import errno
import json
import mmap
import os
import platform
import random
import signal
from collections.abc import Callable
from typing import Any

import pytest

from sampan.linux.seccomp import FilterFlag, set_filter
from sampan.linux.syscalls.numbers import X32_BIT, numbers
from sampan.runtime.seccomp import compile_profile, default_filter
from seccomp_model import DOCKERS, profile

if platform.machine() != "x86_64":
    pytest.skip("the calls are made for x86-64", allow_module_level=True)

BAD = 8  # an address where nothing is mapped: EFAULT
KERNEL = (6, 1)
FILTER = default_filter(DOCKERS, "x86_64", KERNEL)
libc = ctypes.CDLL(None, use_errno=True)

# Refused with EPERM. Without a filter: EINVAL, EBADF, EFAULT, ENOSYS and the like, and nothing happens.
REFUSED: list[tuple[str, tuple[int, ...]]] = [
    ("_sysctl", (BAD,)),
    ("acct", (BAD,)),
    ("add_key", (BAD, BAD, 0, 0, 0)),
    ("bpf", (999, 0, 0)),
    ("clock_settime", (99, BAD)),
    ("create_module", (BAD, 0)),
    ("delete_module", (BAD, 0)),
    ("fanotify_init", (0xFFFFFFFF, 0)),
    ("finit_module", (-1, BAD, 0x80)),
    ("fsconfig", (-1, 99, 0, 0, 0)),
    ("fsmount", (-1, 0, 0)),
    ("fsopen", (BAD, 0)),
    ("fspick", (-1, BAD, 0)),
    ("get_mempolicy", (BAD, 0, 0, 0, 0xFF)),
    ("init_module", (BAD, 0, BAD)),
    ("io_uring_enter", (-1, 0, 0, 0xFF000000, 0)),
    ("io_uring_register", (-1, 0xFFFF, 0, 0)),
    ("io_uring_setup", (0, BAD)),
    ("ioperm", (0x100000, 1, 1)),
    ("iopl", (99,)),
    ("kcmp", (0x7FFFFFFF, 0x7FFFFFFF, 99, 0, 0)),
    ("kexec_file_load", (-1, -1, 0, 0, 0xFF00)),
    ("kexec_load", (0, 999, BAD, 0)),
    ("keyctl", (9999, 0, 0, 0, 0)),
    ("lookup_dcookie", (0, BAD, 0)),
    ("lsm_get_self_attr", (0, BAD, BAD, 0xFF)),
    ("lsm_list_modules", (BAD, BAD, 1)),
    ("lsm_set_self_attr", (0, BAD, 0, 0xFF)),
    ("mbind", (0, 0, 99, 0, 0, 0xFF00)),
    ("migrate_pages", (0x7FFFFFFF, 0, 0, 0)),
    ("mount", (BAD, BAD, BAD, 0, 0)),
    ("mount_setattr", (-1, BAD, 0xFF, BAD, 0)),
    ("move_mount", (-1, BAD, -1, BAD, 0xFF000000)),
    ("move_pages", (0, 1, BAD, BAD, BAD, 0xFF)),
    ("open_by_handle_at", (-1, BAD, 0)),
    ("open_tree", (-1, BAD, 0xFF)),
    ("perf_event_open", (BAD, 0, -1, -1, 0)),
    ("personality", (0x0040000,)),
    ("personality", (0x0000001,)),
    ("pidfd_getfd", (-1, 0, 1)),
    ("pivot_root", (BAD, BAD)),
    ("process_madvise", (-1, BAD, 1, 99, 1)),
    ("query_module", (BAD, 0, 0, 0, 0)),
    ("quotactl", (0x7FFFFFFF, BAD, 0, 0)),
    ("quotactl_fd", (-1, 0x7FFFFFFF, 0, 0)),
    ("reboot", (0, 0, 0, 0)),
    ("request_key", (BAD, BAD, BAD, 0)),
    ("set_mempolicy", (99, 0, 0)),
    ("set_mempolicy_home_node", (0, 0, 0, 1)),
    ("setdomainname", (BAD, 5)),
    ("sethostname", (BAD, 5)),
    ("setns", (-1, 0)),
    ("settimeofday", (BAD, 0)),
    ("socket", (38, 99, 0)),
    ("socket", (40, 99, 0)),
    ("socket", (38 | 1 << 32, 99, 0)),
    ("socket", (40 | 1 << 32, 99, 0)),
    ("socket", (46, 1, 0)),
    ("swapoff", (BAD,)),
    ("swapon", (BAD, 0)),
    ("sysfs", (99, 0, 0)),
    ("syslog", (99, 0, 0)),
    ("umount2", (BAD, 0xFF00)),
    ("unshare", (0x10000000,)),
    ("unshare", (0x00020000,)),
    ("unshare", (0x02000000,)),
    ("clone", (0x10000000 | 0x200,)),
    ("clone", (0x00020000 | 0x200,)),
    ("uselib", (BAD,)),
    ("userfaultfd", (0xFF01,)),
    ("ustat", (0, BAD)),
]
# Not there: the libc then tries something older.
MISSING: list[tuple[str, tuple[int, ...]]] = [
    ("clone3", (0, 0)),
    ("open_tree_attr", (-1, BAD, 0xFF, BAD, 0)),
    ("file_getattr", (-1, BAD, BAD, 0, 0xFF)),
]
# Allowed: the kernel itself answers.
ALLOWED: list[tuple[str, tuple[int, ...], int]] = [
    ("getpid", (), 0),
    ("read", (-1, BAD, 1), errno.EBADF),
    ("openat", (-100, BAD, 0), errno.EFAULT),
    ("name_to_handle_at", (-100, BAD, BAD, BAD, 0), errno.EFAULT),
    ("chroot", (BAD,), errno.EFAULT),
    ("fanotify_mark", (-1, 0, 0, -1, 0), errno.EINVAL),
    ("ptrace", (1, 0x7FFFFFFF, 0, 0), errno.ESRCH),
    ("process_vm_readv", (0, 0, 0, 0, 0, 1), errno.EINVAL),
    ("personality", (0xFFFFFFFF,), 0),
    ("personality", (0,), 0),
    ("socket", (1, 1, 0), 0),
    ("socket", (2, 99, 0), errno.EINVAL),
    ("clone", (0x800,), errno.EINVAL),
    ("seccomp", (99, 0, 0), errno.EINVAL),
    ("memfd_create", (BAD, 0), errno.EFAULT),
    ("pidfd_open", (-1, 0), errno.EINVAL),
    ("openat2", (-100, BAD, BAD, 24), errno.EFAULT),
    ("mknodat", (-100, BAD, 0, 0), errno.EFAULT),
]
# The same through the other door (int 0x80), where numbers differ and socketcall and ipc exist.
REFUSED_I386: list[tuple[str, tuple[int, ...]]] = [
    ("acct", (BAD,)),
    ("add_key", (BAD, BAD, 0, 0, 0)),
    ("bpf", (999, 0, 0)),
    ("clock_settime", (99, BAD)),
    ("clock_settime64", (99, BAD)),
    ("delete_module", (BAD, 0)),
    ("fsopen", (BAD, 0)),
    ("init_module", (BAD, 0, BAD)),
    ("io_uring_setup", (0, BAD)),
    ("iopl", (99,)),
    ("keyctl", (9999, 0, 0, 0, 0)),
    ("mount", (BAD, BAD, BAD, 0, 0)),
    ("open_by_handle_at", (-1, BAD, 0)),
    ("open_tree", (-1, BAD, 0xFF)),
    ("perf_event_open", (BAD, 0, -1, -1, 0)),
    ("personality", (0x0040000,)),
    ("pivot_root", (BAD, BAD)),
    ("reboot", (0, 0, 0, 0)),
    ("request_key", (BAD, BAD, BAD, 0)),
    ("sethostname", (BAD, 5)),
    ("setns", (-1, 0)),
    ("settimeofday", (BAD, 0)),
    ("socket", (38, 99, 0)),
    ("socket", (40, 99, 0)),
    ("stime", (BAD,)),
    ("swapoff", (BAD,)),
    ("syslog", (99, 0, 0)),
    ("umount", (BAD,)),
    ("umount2", (BAD, 0xFF00)),
    ("unshare", (0x10000000,)),
    ("userfaultfd", (0xFF01,)),
    ("vm86", (99, BAD)),
]
ALLOWED_I386: list[tuple[str, tuple[int, ...], int]] = [
    ("getpid", (), 0),
    ("read", (-1, BAD, 1), errno.EBADF),
    ("socketcall", (1, BAD), errno.EFAULT),
    ("ipc", (99, 0, 0, 0), errno.ENOSYS),
    ("socket", (2, 99, 0), errno.EINVAL),
    ("personality", (0xFFFFFFFF,), 0),
]


def in_child(work: Callable[[], Any]) -> tuple[Any, int]:
    """What `work` returns in a forked child, and the signal that ended it if it could not return."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.write(writing, json.dumps(work()).encode())
            code = 0
        except BaseException as error:
            os.write(writing, json.dumps(repr(error)).encode())
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    return (json.loads(text) if text else None), (os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0)


def bind(program: bytes, flags: int = 0) -> None:
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
    set_filter(program, flags)


def errno_of(number: int, arguments: tuple[int, ...]) -> int:
    """0 or the errno of a raw x86-64 system call."""
    libc.syscall.restype = ctypes.c_long
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(one) for one in arguments))
    return ctypes.get_errno() if result == -1 else 0


def errnos(calls: list[tuple[int, tuple[int, ...]]]) -> list[int]:
    return [errno_of(number, arguments) for number, arguments in calls]


def numbered(calls: list[Any], abi: str = "x86_64") -> list[tuple[int, tuple[int, ...]]]:
    return [(numbers(abi)[one[0]], one[1]) for one in calls]


def bound(work: Callable[[], Any], program: bytes = FILTER) -> Any:
    def bound_work() -> Any:
        bind(program)
        return work()

    result, killed_by = in_child(bound_work)
    assert not killed_by, signal.Signals(killed_by)
    return result


# Filter and system call in one: entered as a C function with 64-bit arguments, it leaves by the 32-bit door.
#   push rbx; mov eax,edi; mov ebx,esi; xchg ecx,edx; mov esi,r8d; mov edi,r9d; int 0x80; pop rbx; ret
INT_80 = bytes.fromhex("53 89f8 89f3 87d1 4489c6 4489cf cd80 5b c3")


def i386_errnos(calls: list[tuple[int, tuple[int, ...]]]) -> list[int]:
    """0 or the errno of raw i386 system calls with up to five arguments."""
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(INT_80)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    enter = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_uint] * 6)(address)
    results = [
        enter(number, *(one & 0xFFFFFFFF for one in [*arguments, 0, 0, 0, 0, 0][:5])) for number, arguments in calls
    ]
    return [-result if -4096 < result < 0 else 0 for result in results]


def has_i386() -> bool:
    result, killed_by = in_child(lambda: i386_errnos([(20, ())]))
    return killed_by == 0 and result == [0]


needs_i386 = pytest.mark.skipif(not has_i386(), reason="needs a kernel that runs 32-bit programs (IA32_EMULATION)")


def names(calls: list[Any], found: list[int]) -> dict[str, str]:
    return {f"{one[0]}{one[1]}": errno.errorcode.get(number, "0") for one, number in zip(calls, found, strict=True)}


def test_more_than_sixty_calls_are_refused_with_eperm() -> None:
    assert len({name for name, _ in REFUSED}) >= 60
    found = bound(lambda: errnos(numbered(REFUSED)))
    assert names(REFUSED, found) == dict.fromkeys(names(REFUSED, found), "EPERM")


@pytest.mark.needs_root
def test_without_the_filter_none_of_them_fails_with_eperm() -> None:
    found, _ = in_child(lambda: errnos(numbered(REFUSED)))
    assert "EPERM" not in names(REFUSED, found).values(), names(REFUSED, found)


def test_calls_whose_refusal_would_mislead_are_missing() -> None:
    found = bound(lambda: errnos(numbered(MISSING)))
    assert names(MISSING, found) == dict.fromkeys(names(MISSING, found), "ENOSYS")


@pytest.mark.needs_root
def test_what_programs_need_goes_on() -> None:
    found = bound(lambda: errnos(numbered(ALLOWED)))
    assert names(ALLOWED, found) == names(ALLOWED, [one[2] for one in ALLOWED])


def test_a_bound_process_forks_runs_and_ends_programs() -> None:
    def run() -> int:
        child = os.fork()
        if child == 0:
            os.execv("/bin/sh", ["sh", "-c", "exit 7"])
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert bound(run) == 7


def test_capabilities_open_their_calls() -> None:
    program = default_filter(DOCKERS | {"CAP_SYS_ADMIN"}, "x86_64", KERNEL)
    calls: list[Any] = [("mount", (BAD, BAD, BAD, 0, 0)), ("fsopen", (BAD, 0)), ("clone3", (0, 0)), ("keyctl", (9999,))]
    found = bound(lambda: errnos(numbered(calls)), program)
    assert found[2:] == [errno.EINVAL, errno.EPERM]
    assert os.geteuid() != 0 or found[:2] == [errno.EFAULT, errno.EFAULT]


@needs_i386
def test_thirty_calls_are_refused_to_32_bit_programs() -> None:
    assert len(REFUSED_I386) >= 30
    found = bound(lambda: i386_errnos(numbered(REFUSED_I386, "i386")))
    assert names(REFUSED_I386, found) == dict.fromkeys(names(REFUSED_I386, found), "EPERM")
    assert bound(lambda: i386_errnos([(435, (0, 0)), (467, ())])) == [errno.ENOSYS, errno.ENOSYS]


@needs_i386
@pytest.mark.needs_root
def test_without_the_filter_none_of_them_fails_with_eperm_for_32_bit_programs() -> None:
    found, _ = in_child(lambda: i386_errnos(numbered(REFUSED_I386, "i386")))
    assert "EPERM" not in names(REFUSED_I386, found).values(), names(REFUSED_I386, found)


@needs_i386
def test_what_32_bit_programs_need_goes_on() -> None:
    found = bound(lambda: i386_errnos(numbered(ALLOWED_I386, "i386")))
    assert names(ALLOWED_I386, found) == names(ALLOWED_I386, [one[2] for one in ALLOWED_I386])


@needs_i386
def test_32_bit_calls_kill_where_the_profile_is_for_64_bits_only() -> None:
    program = compile_profile(
        {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": []},
        capabilities=frozenset(), architecture="x86_64", kernel=KERNEL,
    )  # fmt: skip

    def work() -> Any:
        bind(program)
        return i386_errnos([(20, ())])

    assert in_child(work) == (None, signal.SIGSYS)


def test_x32_calls_kill_where_the_profile_does_not_list_them() -> None:
    program = compile_profile(
        {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []},
        capabilities=frozenset(), architecture="x86_64", kernel=KERNEL,
    )  # fmt: skip

    def work(number: int) -> Callable[[], int]:
        def call() -> int:
            bind(program)
            return errno_of(number, ())

        return call

    assert in_child(work(39 | X32_BIT)) == (None, signal.SIGSYS)
    assert in_child(work(39)) == (0, 0)


def test_mount_is_refused_by_its_x32_number_too() -> None:
    assert bound(lambda: errno_of(165 | X32_BIT, (BAD, BAD, BAD, 0, 0))) == errno.EPERM


@pytest.mark.parametrize("flags", [FilterFlag(0), *FilterFlag])
def test_the_kernel_takes_the_filter_with_each_flag(flags: FilterFlag) -> None:
    def work() -> int:
        bind(FILTER, flags)
        return errno_of(165, (BAD, BAD, BAD, 0, 0))

    assert in_child(work) == (errno.EPERM, 0)


def test_the_kernel_takes_whatever_is_compiled() -> None:
    source = random.Random(7)
    # What the child needs to say that it lives.
    rules = [{"names": ["write", "exit_group", "rt_sigprocmask", "mmap", "munmap", "brk"], "action": "SCMP_ACT_ALLOW"}]
    for number in range(40):
        seccomp = profile(source, ["X86_64", "X86", "X32"])
        kept = [rule for rule in seccomp["syscalls"] if not set(rule["names"]) & {"write", "exit_group"}]
        seccomp |= {"syscalls": rules + kept, "defaultAction": "SCMP_ACT_ALLOW"}
        program = compile_profile(seccomp, capabilities=frozenset(), architecture="x86_64", kernel=KERNEL)

        def work(program: bytes = program) -> int:
            bind(program)
            return 1

        assert in_child(work)[0] == 1, (number, seccomp)


@pytest.mark.needs_root
def test_binding_without_privilege_and_without_no_new_privs_is_refused() -> None:
    def work() -> int:
        os.setresuid(65534, 65534, 65534)
        try:
            set_filter(FILTER)
        except OSError as error:
            return error.errno or 0
        return 0

    assert in_child(work) == (errno.EACCES, 0)


def test_what_is_no_program_is_refused() -> None:
    def work() -> int:
        try:
            bind(b"\xff" * 8)
        except OSError as error:
            return error.errno or 0
        return 0

    assert in_child(work) == (errno.EINVAL, 0)
