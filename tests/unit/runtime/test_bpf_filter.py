"""Does the compiled filter say what the profile says, for every ABI, number and argument?"""

import copy
import ctypes
import ctypes.util
import os
import random
import struct
from typing import Any

import pytest

from bpf_emulator import ALLOW, AUDIT_ARCH, KILL_PROCESS, Machine, errno_answer
from sampan.errors import InvalidRequest
from sampan.linux.syscalls.numbers import numbers
from sampan.runtime.seccomp import compile_profile, default_profile, resolve
from seccomp_model import DOCKERS, SCMP, Model, call, profile

X86 = AUDIT_ARCH["x86_64"]
MACHINES = [
    ("x86_64", ["X86_64", "X86", "X32"], ["x86_64", "x86_64", "i386", "x32"]),
    ("aarch64", ["AARCH64", "ARM", "X86"], ["aarch64", "arm"]),
    ("i386", ["X86"], ["i386"]),
]
FIRSTS = [0, 1, 2, 8, *range(11, 47), 0x20000, 0x20008, 0xFFFFFFFF, 2**32, 2**32 + 38, 0x10000000, 0x7E020000]


def compiled(seccomp: dict[str, Any], architecture: str = "x86_64") -> Machine:
    return Machine(compile_profile(seccomp, capabilities=DOCKERS, architecture=architecture, kernel=(6, 1)))


def difference(machine: Machine, model: Model, source: random.Random, arches: list[str], cases: int) -> Any:
    """A call that filter and model answer differently."""
    for _ in range(cases):
        arch, number, arguments = call(source, model.seccomp, arches)
        if machine.run(arch, number, arguments) != model.answer(arch, number, arguments):
            return hex(arch), number, arguments
    return None


def equivalence(seed: int, profiles: int, cases: int) -> None:
    source = random.Random(seed)
    for number in range(profiles):
        architecture, listed, arches = MACHINES[number % len(MACHINES)]
        seccomp = profile(source, listed)
        machine = compiled(seccomp, architecture)
        found = difference(machine, Model(seccomp, architecture), source, arches, cases)
        assert found is None, (found, seccomp)


def test_random_profiles_and_calls_are_answered_as_the_profile_says() -> None:
    equivalence(seed=20, profiles=300, cases=400)


@pytest.mark.soak
def test_a_million_random_calls_are_answered_as_the_profile_says() -> None:
    equivalence(seed=21, profiles=1500, cases=800)


@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
@pytest.mark.parametrize("extra", ["", "CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_BPF"])
def test_the_default_profile_is_answered_as_it_says(architecture: str, extra: str) -> None:
    capabilities = DOCKERS | {extra}
    seccomp = resolve(default_profile(), capabilities, architecture, (6, 1))
    machine = Machine(
        compile_profile(default_profile(), capabilities=capabilities, architecture=architecture, kernel=(6, 1))
    )
    model = Model(seccomp, architecture)
    for arch in AUDIT_ARCH.values():
        for number in [*range(600), *range(0xF0000, 0xF0008), *range(0x40000000, 0x40000258), 2**31, 2**32 - 1]:
            for first in (0, 13):
                assert machine.run(arch, number, [first]) == model.answer(arch, number, [first, 0, 0, 0, 0, 0])
    for abi in ("x86_64", "x32", "i386", "aarch64", "arm"):
        arch, bit = AUDIT_ARCH.get(abi, X86), 0x40000000 if abi == "x32" else 0
        for name in ("socket", "personality", "clone", "clone3", "socketcall", "ipc"):
            number = numbers(abi).get(name, 0) | bit
            for first in FIRSTS:
                assert machine.run(arch, number, [first]) == model.answer(arch, number, [first, 0, 0, 0, 0, 0])


def test_the_check_notices_a_broken_rule() -> None:
    seccomp = resolve(default_profile(), DOCKERS, "x86_64", (6, 1))
    machine = compiled(default_profile())
    for place in range(len(seccomp["syscalls"])):
        broken = copy.deepcopy(seccomp)
        rule = broken["syscalls"][place]
        rule["action"] = "SCMP_ACT_TRAP"
        found = difference(machine, Model(broken, "x86_64"), random.Random(place), MACHINES[0][2], 20_000)
        assert found, rule


def test_the_check_notices_a_broken_instruction() -> None:
    seccomp = resolve(default_profile(), DOCKERS, "x86_64", (6, 1))
    program = compile_profile(seccomp, capabilities=DOCKERS, architecture="x86_64", kernel=(6, 1))
    model = Model(seccomp, "x86_64")
    calls = [
        (arch, number, [first, 0, 0, 0, 0, 0])
        for arch in (X86, AUDIT_ARCH["i386"])
        for number in [*range(480), *range(0x40000000, 0x40000230)]
        for first in (FIRSTS if number & 0xFFF in (41, 135, 359, 136) else [0])
    ]
    expected = [model.answer(*one) for one in calls]
    source = random.Random(1)
    jumps = [place for place in range(0, len(program), 8) if program[place] in (0x15, 0x25, 0x35)]
    for place in source.sample(jumps, 25):
        code, yes, no, operand = struct.unpack_from("=HBBI", program, place)
        broken = bytearray(program)
        struct.pack_into("=HBBI", broken, place, code, yes, no, operand + 1)
        machine = Machine(bytes(broken))
        assert any(machine.run(*one) != answer for one, answer in zip(calls, expected, strict=True)), (code, operand)


def test_a_hot_call_takes_few_comparisons() -> None:
    machine = compiled(default_profile())
    for name in ("read", "write", "futex", "openat", "close", "epoll_wait", "mmap", "sendto", "clock_gettime"):
        assert machine.run(X86, numbers("x86_64")[name]) == ALLOW
        assert machine.steps <= 13, name  # two loads, one answer, one comparison of the architecture
    assert len(machine.code) < 450


def test_a_foreign_architecture_kills() -> None:
    machine = compiled(default_profile())
    assert machine.run(AUDIT_ARCH["aarch64"], 0) == KILL_PROCESS
    assert machine.run(0, 0) == KILL_PROCESS


def test_x32_calls_kill_unless_the_profile_lists_x32() -> None:
    seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": []}
    assert compiled(seccomp).run(X86, 0x40000000) == KILL_PROCESS
    assert compiled(seccomp).run(X86, 0xFFFFFFFF) == ALLOW  # a call that a tracer has taken out
    seccomp["architectures"] = ["SCMP_ARCH_X32"]
    assert compiled(seccomp).run(X86, 0x40000000) == ALLOW


def test_a_number_with_the_x32_bit_is_not_taken_for_the_number_without() -> None:
    denied = [{"names": ["mount"], "action": "SCMP_ACT_ERRNO"}]
    seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X32"], "syscalls": denied}
    assert compiled(seccomp).run(X86, 165) == compiled(seccomp).run(X86, 165 | 0x40000000) == errno_answer(1)


def test_calls_newer_than_the_profile_do_not_exist() -> None:
    machine = compiled(default_profile())
    assert machine.run(X86, 466) == ALLOW  # removexattrat, the newest in the profile
    assert machine.run(X86, 467) == machine.run(X86, 9999) == machine.run(X86, 467 | 0x40000000) == errno_answer(38)
    assert machine.run(X86, 425) == errno_answer(1)  # io_uring_setup is old enough to be known, and refused


def test_where_the_default_is_to_allow_newer_calls_are_allowed() -> None:
    denied = [{"names": ["mount"], "action": "SCMP_ACT_ERRNO"}]
    machine = compiled({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": denied})
    assert machine.run(X86, 9999) == ALLOW


def test_arm_private_calls_do_not_hide_which_call_is_newest() -> None:
    machine = compiled(default_profile(), "aarch64")
    assert machine.run(AUDIT_ARCH["arm"], numbers("arm")["set_tls"]) == ALLOW
    assert machine.run(AUDIT_ARCH["arm"], 500) == errno_answer(38)


def test_a_refusal_is_not_hidden_behind_a_general_permission() -> None:
    tiocsti = {"index": 1, "op": "SCMP_CMP_MASKED_EQ", "value": 0xFFFFFFFF, "valueTwo": 0x5412}
    rules = [
        {"names": ["ioctl"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["ioctl"], "action": "SCMP_ACT_ERRNO", "args": [tiocsti]},
    ]
    machine = compiled({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules})
    assert machine.run(X86, 16, [0, 0x5412]) == machine.run(X86, 16, [0, 0x5412 | 2**32]) == errno_answer(1)
    assert machine.run(X86, 16, [0, 0x5413]) == ALLOW


def test_a_call_refused_on_i386_is_refused_through_socketcall_and_ipc() -> None:
    alg = {"index": 0, "op": "SCMP_CMP_EQ", "value": 38}
    rules = [
        {"names": ["bind", "shmget"], "action": "SCMP_ACT_ERRNO"},
        {"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": 97, "args": [alg]},
    ]
    machine = compiled({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86"], "syscalls": rules})
    i386 = AUDIT_ARCH["i386"]
    assert machine.run(i386, 361) == machine.run(i386, 102, [2]) == errno_answer(1)  # bind
    assert machine.run(i386, 395) == machine.run(i386, 117, [23]) == machine.run(i386, 117, [23 | 1 << 16])  # shmget
    assert machine.run(i386, 359, [2]) == machine.run(i386, 102, [3]) == machine.run(i386, 117, [24]) == ALLOW
    assert machine.run(i386, 102, [1]) == errno_answer(97)  # the family cannot be seen there


def test_a_profile_of_any_length_jumps_correctly_or_is_refused() -> None:
    def long(rules: int) -> dict[str, Any]:
        tests = [{"index": 0, "op": "SCMP_CMP_MASKED_EQ", "value": 0xFF, "valueTwo": n & 0xFF} for n in range(rules)]
        entries = [
            {"names": ["ioctl"], "action": "SCMP_ACT_ERRNO", "errnoRet": n + 1, "args": [tests[n]]}
            for n in range(rules)
        ]
        return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": entries}

    machine = compiled(long(250))
    assert [machine.run(X86, 16, [n]) for n in range(250)] == [errno_answer(n + 1) for n in range(250)]
    assert machine.run(X86, 16, [250]) == machine.run(X86, 15) == machine.run(X86, 17) == ALLOW
    with pytest.raises(InvalidRequest, match="the kernel takes 4096 at most"):
        compiled(long(1100))


LIBSECCOMP = ctypes.util.find_library("seccomp")


@pytest.mark.skipif(LIBSECCOMP is None, reason="needs libseccomp to compare with")
def test_libseccomp_reads_the_default_profile_the_same() -> None:
    library = ctypes.CDLL(LIBSECCOMP)
    seccomp = resolve(default_profile(), DOCKERS, "x86_64", (6, 1))
    theirs = Machine(libseccomp_filter(library, seccomp))
    ours = compiled(default_profile())
    compared = 0
    for abi in ("x86_64", "x32", "i386"):
        arch, bit = AUDIT_ARCH.get(abi, X86), 0x40000000 if abi == "x32" else 0
        for name, number in numbers(abi).items():
            known = library.seccomp_syscall_resolve_name_arch(SCMP_TOKENS[SCMP[abi]], name.encode())
            # Below zero are names of other ABIs, except calls that i386 also has through socketcall and ipc.
            same = known == number | bit or (abi == "i386" and -300 < known < -100)
            for first in FIRSTS if same else []:
                # libseccomp looks at 32 bits of an x32 argument, sampan at the 64 that there are.
                if abi == "x32" and first > 0xFFFFFFFF:
                    continue
                assert ours.run(arch, number | bit, [first]) == theirs.run(arch, number | bit, [first]), (abi, name)
                compared += 1
    assert compared > 10_000


SCMP_TOKENS = {"X86_64": 0xC000003E, "X86": 0x40000003, "X32": 0x4000003E}
SCMP_OPERATORS = {"NE": 1, "LT": 2, "LE": 3, "EQ": 4, "GE": 5, "GT": 6, "MASKED_EQ": 7}


class Comparison(ctypes.Structure):
    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


def libseccomp_filter(library: Any, seccomp: dict[str, Any]) -> bytes:
    """The same profile as libseccomp compiles it (seccomp_export_bpf(3)), with its tree (SCMP_FLTATR_CTL_OPTIMIZE)."""
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(errno_answer(1))))
    library.seccomp_attr_set(context, 8, 2)
    for name in seccomp["architectures"]:
        library.seccomp_arch_add(context, SCMP_TOKENS[name.removeprefix("SCMP_ARCH_")])
    for rule in seccomp["syscalls"]:
        answer = ALLOW if rule["action"] == "SCMP_ACT_ALLOW" else errno_answer(rule["errnoRet"])
        tests = [
            Comparison(t["index"], SCMP_OPERATORS[t["op"].removeprefix("SCMP_CMP_")], t["value"], t.get("valueTwo", 0))
            for t in rule.get("args", ())
        ]
        for name in rule["names"]:
            number = library.seccomp_syscall_resolve_name(name.encode())
            if number != -1:
                library.seccomp_rule_add_array(
                    context, ctypes.c_uint32(answer), number, len(tests), (Comparison * max(1, len(tests)))(*tests)
                )
    descriptor = os.memfd_create("filter")
    try:
        assert library.seccomp_export_bpf(context, descriptor) == 0
        return os.pread(descriptor, 1 << 20, 0)
    finally:
        os.close(descriptor)
        library.seccomp_release(context)
