"""How does a policy become a filter?

    load arch ── x86-64? ──► load nr ──► binary search over the numbers ──► answer
              ├─ i386? ────► load nr ──► …                             └──► compare arguments ──► answer
              └─ else ─────► kill the process

One section per ABI, entered by the architecture, which is the first thing looked at: the same number is another call on
another ABI. x32 calls share the architecture of x86-64 and are told apart by a bit in the number, so they are the upper
part of its search; without x32 in the profile that part kills, like an unknown architecture.

A run of neighbouring numbers with the same answer is one leaf of the search: Docker's profile has 161 on x86-64 (x32
included), so seven or eight comparisons decide. What the argument registers hold is compared as 64 bits in two halves,
high half first. On a 32-bit ABI the high half is always zero, and equality means that the low halves are equal:
profiles write -1 as 64 bits.

For each call: rules with conditions in the order of the profile, then the first without; a rule that was meant to
refuse more is never hidden behind one that allows in general. A number above the highest that the profile mentions
belongs to a call newer than the profile. It gets ENOSYS, so that a libc tries the older call; EPERM would be taken as
a refusal (as runc does; not where the default is to allow).
"""

import errno
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import NamedTuple

from sampan.linux.seccomp import ALLOW, ERRNO, KILL_PROCESS, LOG, TRACE
from sampan.linux.syscalls.numbers import ABIS, X32_BIT, numbers
from sampan.runtime.bpf_program import JEQ, JGE, JGT, Label, Program
from sampan.runtime.seccomp_profile import Condition, Policy, Rule

# struct seccomp_data of linux/seccomp.h: nr u32, arch u32, instruction_pointer u64, args u64[6]; all little-endian.
_NR = 0
_ARCH = 4
_ARGS = 16

_LOW = 0xFFFFFFFF
_NO_CALL = 0xFFFFFFFF  # the number -1, which a tracer writes to skip a call
# Here an ABI has calls of its own, far above the common ones, whose numbers say nothing about their age
# (syscall_64.tbl; __ARM_NR_BASE of asm/unistd.h).
_APART = {"x32": range(512, 548), "arm": range(0xF0000, 0x100000)}


class Decision(NamedTuple):
    """What is answered to one call: the first rule whose conditions hold, or `otherwise`."""

    rules: tuple[Rule, ...]
    otherwise: int


def compile_policy(policy: Policy) -> bytes:
    """The filter of `policy` as an array of struct sock_filter. Raises InvalidRequest if it gets too long."""
    program = Program()
    sections = [
        (ABIS[abi].audit_arch, _section(program, _search_space(policy, abi), wide=ABIS[abi].wide))
        for abi in reversed(policy.abis)
        if abi != "x32"
    ]
    test = program.ret(KILL_PROCESS)
    for audit_arch, section in sections:
        test = program.branch(JEQ, audit_arch, section, test)
    program.load(_ARCH, test)
    return program.encode()


# --- which call gets which answer -----------------------------------------------------------------------------------


def _search_space(policy: Policy, abi: str) -> list[tuple[int, Decision]]:
    """All 32-bit numbers as runs: where each begins, and what is decided in it."""
    runs = _runs(policy, abi)
    if abi == "x86_64":
        if "x32" in policy.abis:
            runs |= {number | X32_BIT: decision for number, decision in _runs(policy, "x32").items()}
        else:
            last = runs[max(runs)]
            runs |= {X32_BIT: Decision((), KILL_PROCESS), _NO_CALL: last}
    space: list[tuple[int, Decision]] = []
    for start in sorted(runs):
        if not space or space[-1][1] != runs[start]:
            space.append((start, runs[start]))
    return space


def _runs(policy: Policy, abi: str) -> dict[int, Decision]:
    by_number = _rules_by_number(policy, abi)
    apart = _APART.get(abi, range(0))
    newest = _newest(policy, abi, apart)
    default, missing = Decision((), policy.default), Decision((), ERRNO | errno.ENOSYS)

    def unmentioned(number: int) -> Decision:
        return missing if number > newest and number not in apart else default

    edges = (0, newest + 1, apart.start, apart.stop)
    runs = {number: unmentioned(number) for number in edges if number <= _NO_CALL}
    for number in sorted(by_number):
        runs[number] = _decide(by_number[number], policy.default)
        runs[number + 1] = unmentioned(number + 1)
    return runs


def _newest(policy: Policy, abi: str, apart: range) -> int:
    """The highest number that the profile mentions; above all numbers if there is none, or newer calls are allowed."""
    table = numbers(abi)
    mentioned = {table[name] for rule in policy.rules for name in rule.names if name in table}
    if _lets_pass(policy.default) or not mentioned:
        return _NO_CALL
    return max((number for number in mentioned if number not in apart), default=_NO_CALL)


def _rules_by_number(policy: Policy, abi: str) -> dict[int, list[Rule]]:
    table = numbers(abi)
    by_number: dict[int, list[Rule]] = {}
    for rule in policy.rules:
        for name in rule.names:
            number = table.get(name)
            if number is not None:
                by_number.setdefault(number, []).append(rule)
            if abi == "i386" and name in _MULTIPLEXED:
                for stand_in in _multiplexed(rule, name, policy.default):
                    by_number.setdefault(table[_MULTIPLEXED[name][0]], []).append(stand_in)
    return by_number


def _decide(rules: list[Rule], default: int) -> Decision:
    conditional = [rule for rule in rules if rule.conditions]
    # A rule that repeats the default says nothing, and must not keep a later one from being heard.
    otherwise = next((rule.answer for rule in rules if not rule.conditions and rule.answer != default), default)
    while conditional and conditional[-1].answer == otherwise:
        conditional.pop()
    return Decision(tuple(conditional), otherwise)


def _lets_pass(answer: int) -> bool:
    """Allowed, or left to a tracer that knows better than a table which calls there are."""
    return answer in (ALLOW, LOG) or answer & 0xFFFF0000 == TRACE


# On i386, many calls can also be made through socketcall(2) and ipc(2), whose first argument says which is meant.
_SOCKETCALLS = (
    "socket bind connect listen accept getsockname getpeername socketpair send recv sendto recvfrom shutdown "
    "setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg"
)
_IPC = {1: "semop", 2: "semget", 3: "semctl", 4: "semtimedop", 11: "msgsnd", 12: "msgrcv", 13: "msgget", 14: "msgctl"}
_IPC |= {21: "shmat", 22: "shmdt", 23: "shmget", 24: "shmctl"}
_MULTIPLEXED: Mapping[str, tuple[str, Condition]] = {
    name: ("socketcall", Condition(0, "EQ", number)) for number, name in enumerate(_SOCKETCALLS.split(), 1)
} | {
    # The upper half of ipc's argument is a version that the kernel looks at separately.
    name: ("ipc", Condition(0, "MASKED_EQ", 0xFFFF, number))
    for number, name in _IPC.items()
}


def _multiplexed(rule: Rule, name: str, default: int) -> Iterator[Rule]:
    """What a rule about a call means for the call that can stand in for it.

    The arguments are then in memory, out of the filter's sight. A rule with conditions cannot be applied; where it
    makes an exception to a permissive default, the call is refused altogether that way.
    """
    if not rule.conditions or (_lets_pass(default) and not _lets_pass(rule.answer)):
        yield Rule((name,), rule.answer, (_MULTIPLEXED[name][1],))


# --- the instructions -----------------------------------------------------------------------------------------------


def _section(program: Program, space: list[tuple[int, Decision]], *, wide: bool) -> Label:
    written: dict[Decision, Label] = {}

    def search(low: int, high: int) -> Label:
        if high - low == 1:
            decision = space[low][1]
            if not decision.rules:
                return program.ret(decision.otherwise)
            if decision not in written:
                written[decision] = _decision(program, decision, wide=wide)
            return written[decision]
        middle = (low + high) // 2
        above = search(middle, high)
        below = search(low, middle)
        return program.branch(JGE, space[middle][0], above, below)

    return program.load(_NR, search(0, len(space)))


def _decision(program: Program, decision: Decision, *, wide: bool) -> Label:
    label = program.ret(decision.otherwise)
    for (kind, *_), group in groupby(reversed(decision.rules), _alike):
        rules = list(group)
        yes = program.ret(rules[0].answer)
        if kind == "equal":
            label = _one_of(program, rules, yes, label, wide=wide)
            continue
        for condition in reversed(rules[0].conditions):
            yes = _compare(program, condition, yes, label, wide=wide)
        label = yes
    return label


def _alike(rule: Rule) -> tuple[object, ...]:
    """Neighbouring rules with the same key can share their look at the argument (an `id` is shared by none)."""
    first = rule.conditions[0]
    if len(rule.conditions) == 1 and first.operator == "EQ":
        return "equal", rule.answer, first.argument, first.value >> 32
    return "other", id(rule)


def _one_of(program: Program, rules: list[Rule], yes: Label, no: Label, *, wide: bool) -> Label:
    index, _, value, _ = rules[0].conditions[0]
    label = no
    for rule in rules:
        label = program.branch(JEQ, rule.conditions[0].value & _LOW, yes, label)
    label = program.load(_low_word(index), label)
    if wide:
        label = program.load(_high_word(index), program.branch(JEQ, value >> 32, label, no))
    return label


def _compare(program: Program, condition: Condition, yes: Label, no: Label, *, wide: bool) -> Label:
    index, operator, value, value_two = condition
    if operator in ("NE", "LT", "LE"):
        # Each is the opposite of another: only three comparisons need writing.
        operator, yes, no = {"NE": "EQ", "LT": "GE", "LE": "GT"}[operator], no, yes
    if operator in ("GT", "GE"):
        return _order(program, condition, JGT if operator == "GT" else JGE, yes, no, wide=wide)
    mask = 2**64 - 1 if operator == "EQ" else value
    wanted = value if operator == "EQ" else value_two & mask
    label = _equal(program, _low_word(index), mask & _LOW, wanted & _LOW, yes, no)
    return _equal(program, _high_word(index), mask >> 32, wanted >> 32, label, no) if wide else label


def _equal(program: Program, word: int, mask: int, wanted: int, yes: Label, no: Label) -> Label:
    if mask == 0:
        return yes
    label = program.branch(JEQ, wanted, yes, no)
    if mask != _LOW:
        label = program.mask(mask, label)
    return program.load(word, label)


def _order(program: Program, condition: Condition, test: int, yes: Label, no: Label, *, wide: bool) -> Label:
    high, low = condition.value >> 32, condition.value & _LOW
    if not wide and high:
        return no  # 32 bits are never above that
    label = program.load(_low_word(condition.argument), program.branch(test, low, yes, no))
    if not wide:
        return label
    label = program.branch(JEQ, high, label, no)
    return program.load(_high_word(condition.argument), program.branch(JGT, high, yes, label))


def _low_word(index: int) -> int:
    return _ARGS + 8 * index


def _high_word(index: int) -> int:
    return _ARGS + 8 * index + 4
