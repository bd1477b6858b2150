"""What does a seccomp profile mean? Its meaning read straight from the OCI JSON, with nothing shared with the compiler
but the tables of numbers; and random profiles and calls to hold the two against each other."""

import random
from collections.abc import Iterator, Mapping
from typing import Any

from bpf_emulator import AUDIT_ARCH, KILL_PROCESS
from sampan.linux.syscalls.numbers import numbers

X32 = 0x40000000
_DOCKERS = """
    AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID
    SYS_CHROOT
"""
# The capabilities of a container for which nothing was asked.
DOCKERS = frozenset(f"CAP_{name}" for name in _DOCKERS.split())
ENOSYS = 0x00050000 | 38
SCMP = {"x86_64": "X86_64", "i386": "X86", "x32": "X32", "aarch64": "AARCH64", "arm": "ARM"}
# Old calls with high numbers.
APART = dict.fromkeys(SCMP, range(0)) | {"x32": range(512, 548), "arm": range(0xF0000, 0x100000)}
PERMISSIVE = ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE")
_SOCKETCALLS = """
    socket bind connect listen accept getsockname getpeername socketpair send recv sendto recvfrom shutdown
    setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg
"""
SOCKETCALLS = _SOCKETCALLS.split()
IPC = {
    "semop": 1, "semget": 2, "semctl": 3, "semtimedop": 4, "msgsnd": 11, "msgrcv": 12, "msgget": 13, "msgctl": 14,
    "shmat": 21, "shmdt": 22, "shmget": 23, "shmctl": 24,
}  # fmt: skip


class Model:
    """The meaning of one OCI `linux.seccomp` on a machine whose own ABI is `native`."""

    def __init__(self, seccomp: Mapping[str, Any], native: str) -> None:
        self.seccomp = seccomp
        self.native = native
        self.rules: dict[tuple[str, int], tuple[list[Any], list[Any]]] = {}
        self.names: dict[str, dict[int, list[str]]] = {}
        self.newest: dict[str, int] = {}
        mentioned = {name for rule in seccomp["syscalls"] for name in rule["names"]}
        for abi in SCMP:
            by_number = self.names.setdefault(abi, {})
            for name, number in numbers(abi).items():
                by_number.setdefault(number, []).append(name)
            ordinary = [n for n, names in by_number.items() if n not in APART[abi] and mentioned.intersection(names)]
            self.newest[abi] = max(ordinary, default=2**40)

    def answer(self, arch: int, number: int, arguments: list[int]) -> int:
        """What the kernel should be told."""
        abi, number = self._abi(arch, number)
        if abi is None:
            return KILL_PROCESS
        if (abi, number) not in self.rules:
            found = list(self._rules(abi, number))
            self.rules[abi, number] = [one for one in found if one[1]], [one for one in found if not one[1]]
        conditional, plain = self.rules[abi, number]
        for rule, tested in conditional:
            if all(holds(test, arguments, abi) for test in tested):
                return answer_of(rule["action"], rule.get("errnoRet"))
        default = answer_of(self.seccomp["defaultAction"], self.seccomp.get("defaultErrnoRet"))
        for rule, _ in plain:
            if answer_of(rule["action"], rule.get("errnoRet")) != default:
                return answer_of(rule["action"], rule.get("errnoRet"))
        unmentioned = number > self.newest[abi] and not plain and not conditional
        if unmentioned and number not in APART[abi] and self.seccomp["defaultAction"] not in PERMISSIVE:
            return ENOSYS
        return default

    def _abi(self, arch: int, number: int) -> tuple[str | None, int]:
        listed = self.seccomp.get("architectures", [])
        abi = next((name for name, value in AUDIT_ARCH.items() if value == arch), None)
        # -1 stands for no call at all: a tracer writes it.
        if abi == "x86_64" and number >= X32 and (number != 0xFFFFFFFF or "SCMP_ARCH_X32" in listed):
            abi, number = "x32", number - X32
        if abi is None or (abi != self.native and f"SCMP_ARCH_{SCMP[abi]}" not in listed):
            return None, number
        served = {"x86_64": ("x86_64", "i386", "x32"), "aarch64": ("aarch64", "arm")}.get(self.native, (self.native,))
        return (abi if abi in served else None), number

    def _rules(self, abi: str, number: int) -> Iterator[tuple[Any, list[Any]]]:
        names = self.names[abi].get(number, [])
        for rule in self.seccomp["syscalls"]:
            tests = rule.get("args") or []
            for name in rule["names"]:
                if name in names:
                    indexes = [test["index"] for test in tests]
                    if len(set(indexes)) < len(indexes):
                        yield from ((rule, [test]) for test in tests)
                    else:
                        yield rule, tests
                if abi == "i386" and self._stands_in(names, name) and (not tests or self._must_refuse(rule)):
                    yield rule, [selector(name)]

    def _stands_in(self, names: list[str], name: str) -> bool:
        return ("socketcall" in names and name in SOCKETCALLS) or ("ipc" in names and name in IPC)

    def _must_refuse(self, rule: Any) -> bool:
        return self.seccomp["defaultAction"] in PERMISSIVE and rule["action"] not in PERMISSIVE


def selector(name: str) -> dict[str, Any]:
    """How socketcall(2) and ipc(2) are told which call is meant."""
    if name in IPC:
        return {"index": 0, "op": "SCMP_CMP_MASKED_EQ", "value": 0xFFFF, "valueTwo": IPC[name]}
    return {"index": 0, "op": "SCMP_CMP_EQ", "value": SOCKETCALLS.index(name) + 1}


def holds(test: Mapping[str, Any], arguments: list[int], abi: str) -> bool:
    """One comparison of the profile."""
    seen, value, two = arguments[test["index"]], test["value"], test.get("valueTwo", 0)
    operator = test["op"].removeprefix("SCMP_CMP_")
    if abi in ("i386", "arm"):
        seen &= 0xFFFFFFFF
        if operator in ("EQ", "NE", "MASKED_EQ"):
            value, two = value & 0xFFFFFFFF, two & 0xFFFFFFFF
    return {
        "EQ": seen == value,
        "NE": seen != value,
        "LT": seen < value,
        "LE": seen <= value,
        "GT": seen > value,
        "GE": seen >= value,
        "MASKED_EQ": seen & value == two & value,
    }[operator]


def answer_of(action: str, number: int | None) -> int:
    """SECCOMP_RET_* of an action."""
    data = 1 if number is None else number
    return {
        "SCMP_ACT_KILL": 0,
        "SCMP_ACT_KILL_THREAD": 0,
        "SCMP_ACT_KILL_PROCESS": 0x80000000,
        "SCMP_ACT_TRAP": 0x00030000,
        "SCMP_ACT_ERRNO": 0x00050000 | data,
        "SCMP_ACT_TRACE": 0x7FF00000 | data,
        "SCMP_ACT_LOG": 0x7FFC0000,
        "SCMP_ACT_ALLOW": 0x7FFF0000,
    }[action]


ACTIONS = ["ERRNO", "ERRNO", "ALLOW", "ALLOW", "LOG", "TRACE", "TRAP", "KILL", "KILL_THREAD", "KILL_PROCESS"]
OPERATORS = ["EQ", "NE", "LT", "LE", "GT", "GE", "MASKED_EQ"]
CORNERS = [0, 1, 2, 38, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**32, 2**32 + 1, 2**63, 2**64 - 2, 2**64 - 1]
NAMES = sorted(set().union(*(numbers(abi) for abi in SCMP)))
# Often together in one profile, so that rules about the same call meet.
CONTESTED = ["socket", "clone", "ioctl", "socketcall", "ipc", "shmget", "bind", "read", "removexattrat", "set_tls"]


def value(source: random.Random) -> int:
    """A number in which something may go wrong."""
    if source.random() < 0.7:
        return source.choice(CORNERS)
    return source.getrandbits(source.choice([4, 16, 32, 33, 64]))


def profile(source: random.Random, architectures: list[str]) -> dict[str, Any]:
    """An OCI `linux.seccomp` such as nobody would write."""
    made: dict[str, Any] = {"defaultAction": "SCMP_ACT_" + source.choice(ACTIONS), "syscalls": []}
    if source.random() < 0.5:
        made["defaultErrnoRet"] = source.choice([1, 38, 22])
    if source.random() < 0.8:
        made["architectures"] = [f"SCMP_ARCH_{arch}" for arch in architectures if source.random() < 0.7]
    for _ in range(source.choice([0, 1, 5, 20, 60])):
        rule: dict[str, Any] = {"action": "SCMP_ACT_" + source.choice(ACTIONS)}
        pool = CONTESTED if source.random() < 0.5 else NAMES
        rule["names"] = source.sample(pool, source.choice([1, 1, 2, 8]))
        if source.random() < 0.5:
            rule["errnoRet"] = source.choice([1, 13, 38])
        if source.random() < 0.6:
            rule["args"] = [
                {
                    "index": source.randrange(6 if source.random() < 0.3 else 2),
                    "op": "SCMP_CMP_" + source.choice(OPERATORS),
                    "value": value(source),
                    "valueTwo": value(source),
                }
                for _ in range(source.choice([1, 1, 1, 2, 3]))
            ]
        made["syscalls"].append(rule)
    return made


def call(source: random.Random, seccomp: Mapping[str, Any], arches: list[str]) -> tuple[int, int, list[int]]:
    """A system call that comes near the rules of a profile: (arch, number, arguments)."""
    rules = seccomp["syscalls"]
    rule = source.choice(rules) if rules else {"names": ["read"]}
    abi = source.choice(arches)
    arch = AUDIT_ARCH.get(abi, AUDIT_ARCH["x86_64"])
    if source.random() < 0.01:
        arch = source.choice([0, 0x80000015, *AUDIT_ARCH.values()])
    if source.random() < 0.8:
        number = numbers(abi).get(source.choice(rule["names"]), 0) + source.choice([0, 0, 0, 0, 1, -1])
    else:
        number = source.choice([source.randrange(600), source.getrandbits(32), 0xFFFFFFFF, 0xF0005, 0xF0007])
    if abi == "x32" or source.random() < 0.02:
        number |= X32
    arguments = [value(source) for _ in range(6)]
    for test in rule.get("args") or []:
        near = test["value"] if source.random() < 0.7 else test.get("valueTwo", 0)
        near += source.choice([0, 0, 0, 1, -1, 2**32, -(2**32)])
        arguments[test["index"]] = near % 2**64
    return arch, number & 0xFFFFFFFF, arguments
