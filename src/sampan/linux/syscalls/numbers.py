"""Which number does a system call have, and which programs use which numbers?

A system call is known to the kernel by a number, and the number depends on the ABI the calling program was built for.
One 64-bit kernel serves several: an x86-64 one also runs 32-bit (i386) and x32 programs, an arm64 one 32-bit ARM ones.
A filter that forgets one of them is no filter.

Each ABI has a module with a text `NAMES`: the names in the order of their numbers. A figure is the number of the name
after it; every other name is one more than the name before. Two names of one call share a number.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import NamedTuple

# Set in the number of every x32 call (asm/unistd.h, __X32_SYSCALL_BIT); the tables are without it.
X32_BIT = 0x40000000


class Abi(NamedTuple):
    """How programs of one kind call the kernel.

    `audit_arch` is the AUDIT_ARCH_* of linux/audit.h that a filter sees; `wide` says that arguments have 64 bits.
    """

    audit_arch: int
    wide: bool


ABIS: Mapping[str, Abi] = MappingProxyType(
    {
        "x86_64": Abi(0xC000003E, True),
        # An x32 call looks like an x86-64 one but for the bit in its number.
        "x32": Abi(0xC000003E, True),
        "i386": Abi(0x40000003, False),
        "aarch64": Abi(0xC00000B7, True),
        "arm": Abi(0x40000028, False),
    }
)

# What a kernel runs: its own ABI first.
SERVED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "x86_64": ("x86_64", "i386", "x32"),
        "i386": ("i386",),
        "aarch64": ("aarch64", "arm"),
        "arm": ("arm",),
    }
)

# How uname(2) and the OCI call the ABIs above.
_NATIVE = {
    "x86_64": "x86_64",
    "amd64": "x86_64",
    "i386": "i386",
    "i686": "i386",
    "386": "i386",
    "aarch64": "aarch64",
    "arm64": "aarch64",
    "arm": "arm",
    "armv6l": "arm",
    "armv7l": "arm",
    "armv8l": "arm",
}


def native_abi(architecture: str) -> str | None:
    """The ABI of a machine, by its name in uname(2) or in the OCI; None if there is no table for it."""
    return _NATIVE.get(architecture)


@cache
def numbers(abi: str) -> Mapping[str, int]:
    """The numbers of all calls of an ABI (a key of `ABIS`), by name."""
    module = import_module(f"sampan.linux.syscalls.{abi}")
    return MappingProxyType(parse(module.NAMES))


def parse(names: str) -> dict[str, int]:
    """Read the notation of the tables."""
    table: dict[str, int] = {}
    number = 0
    for word in names.split():
        if word.isdigit():
            number = int(word)
        else:
            table[word] = number
            number += 1
    return table
