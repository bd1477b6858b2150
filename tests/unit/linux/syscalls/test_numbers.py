"""Are the tables of system calls those of the kernel?"""

import re
from pathlib import Path

import pytest

from sampan.linux.syscalls.numbers import ABIS, SERVED, native_abi, numbers, parse

HEADERS = {
    "x86_64": "x86_64-linux-gnu/asm/unistd_64.h",
    "i386": "x86_64-linux-gnu/asm/unistd_32.h",
    "x32": "x86_64-linux-gnu/asm/unistd_x32.h",
}


def test_the_notation() -> None:
    assert parse("0 read write 9 mmap 9 mmap2 munmap") == {"read": 0, "write": 1, "mmap": 9, "mmap2": 9, "munmap": 10}


@pytest.mark.parametrize(
    ("abi", "known"),
    [
        (
            "x86_64",
            {"read": 0, "mount": 165, "seccomp": 317, "uretprobe": 335, "pidfd_send_signal": 424, "clone3": 435},
        ),
        ("i386", {"restart_syscall": 0, "socketcall": 102, "ipc": 117, "mmap2": 192, "socket": 359, "clone3": 435}),
        ("x32", {"read": 0, "ioctl": 514, "execve": 520, "pwritev2": 547, "clone3": 435}),
        ("aarch64", {"io_setup": 0, "openat": 56, "newfstatat": 79, "clone": 220, "rseq": 293, "clone3": 435}),
        ("arm", {"restart_syscall": 0, "fork": 2, "mmap2": 192, "openat": 322, "clone3": 435, "set_tls": 0xF0005}),
    ],
)
def test_calls_whose_number_one_remembers(abi: str, known: dict[str, int]) -> None:
    assert {name: numbers(abi)[name] for name in known} == known


@pytest.mark.parametrize("abi", ABIS)
def test_the_newest_calls_have_the_same_number_everywhere(abi: str) -> None:
    for number, name in enumerate(["cachestat", "fchmodat2", "map_shadow_stack", "futex_wake", "futex_wait"], 451):
        assert numbers(abi)[name] == number
    assert numbers(abi)["listns"] == 470


@pytest.mark.parametrize("abi", HEADERS)
def test_the_tables_contain_those_of_the_headers(abi: str) -> None:
    header = Path("/usr/include") / HEADERS[abi]
    if not header.exists():
        pytest.skip(f"needs {header} (Debian: linux-libc-dev)")
    defined = re.findall(r"^#define __NR_(\w+) (?:\(__X32_SYSCALL_BIT \+ )?(\d+)\)?$", header.read_text(), re.MULTILINE)
    assert len(defined) > 340
    table = numbers(abi)
    assert {name: table.get(name) for name, _ in defined} == {name: int(number) for name, number in defined}


def test_machines_have_several_names() -> None:
    assert native_abi("amd64") == native_abi("x86_64") == "x86_64"
    assert native_abi("arm64") == native_abi("aarch64") == "aarch64"
    assert native_abi("riscv64") is None
    assert all(own == served[0] for own, served in SERVED.items())
