"""Which devices may the container open or make?

Deny everything first, then allow what the plan lists (security catalogue A25). On v1 each rule is a line in
devices.allow or devices.deny; on v2 the rules become one BPF program on the cgroup (BPF_PROG_TYPE_CGROUP_DEVICE),
which walks them from the last to the first, since the last match decides.
"""

import os
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sampan.linux.bpf import attach_cgroup, prog_load_cgroup_device
from sampan.runtime.plan import DeviceRule
from sampan.runtime.status import StartFailed

if TYPE_CHECKING:
    from sampan.runtime.cgroup import Cgroup

INSTRUCTION = struct.Struct("<BBhi")  # struct bpf_insn: code, registers, jump offset, immediate


def apply_rules(cgroup: "Cgroup", rules: Sequence[DeviceRule]) -> None:
    """Put `rules` in force for `cgroup`."""
    try:
        directory = cgroup.directory("devices")
    except StartFailed:
        unified = cgroup.unified()
        if unified is None:
            raise StartFailed(
                "this machine has neither a devices cgroup controller nor cgroup v2, so devices stay open"
            ) from None
        _apply_v2(unified, rules)
        return
    files = {
        allow: os.open(f"{directory}/devices.{name}", os.O_WRONLY | os.O_CLOEXEC)
        for allow, name in ((True, "allow"), (False, "deny"))
    }
    try:
        for rule in _without_overridden(rules):
            try:
                os.write(files[rule.allow], line(rule).encode())
            except OSError as error:
                reason = (error.strerror or "").lower()
                raise StartFailed(
                    f'failed to write "{line(rule)}" to the device rules of {directory}: {reason}'
                ) from None
    finally:
        for fd in files.values():
            os.close(fd)


def _without_overridden(rules: Sequence[DeviceRule]) -> Sequence[DeviceRule]:
    """Rules from the last one on that is about everything: what came before it no longer matters."""
    last = max((i for i, rule in enumerate(rules) if rule.kind == "a"), default=0)
    return rules[last:]


def line(rule: DeviceRule) -> str:
    """One rule as the v1 control files take it."""
    if rule.kind == "a":
        return "a"
    major, minor = ("*" if number < 0 else str(number) for number in (rule.major, rule.minor))
    return f"{rule.kind} {major}:{minor} {rule.access}"


def _apply_v2(directory: str, rules: Sequence[DeviceRule]) -> None:
    cgroup = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        program = prog_load_cgroup_device(compile_rules(rules))
        try:
            attach_cgroup(program, cgroup)
        finally:
            os.close(program)
    except OSError as error:
        raise StartFailed(f"device rules cannot be loaded into {directory}: {(error.strerror or '').lower()}") from None
    finally:
        os.close(cgroup)


# Instruction codes of bpf(2) programs that are needed here (linux/bpf.h).
_LOAD = 0x61  # dst = *(u32 *)(src + offset)
_MOVE = 0xB7  # dst = immediate
_COPY = 0xBC  # dst = (u32) src
_AND = 0x54  # dst &= immediate, 32 bits
_SHIFT = 0x74  # dst >>= immediate, 32 bits
_UNEQUAL = 0x55  # jump if dst != immediate
_UNEQUAL_REGISTER = 0x5D  # jump if dst != src
_EXIT = 0x95
_ACCESS = {"m": 1, "r": 2, "w": 4}
_KIND = {"b": 1, "c": 2}


def compile_rules(rules: Sequence[DeviceRule]) -> bytes:
    """The BPF program for `rules`: returns 1 to allow, 0 to deny; denies what no rule names.

    struct bpf_cgroup_dev_ctx: access_type (kind in the low half, access in the high), major, minor.
    """
    code = [
        INSTRUCTION.pack(_LOAD, 2 | 1 << 4, 0, 0),
        INSTRUCTION.pack(_COPY, 3 | 2 << 4, 0, 0),
        INSTRUCTION.pack(_AND, 2, 0, 0xFFFF),  # r2: kind
        INSTRUCTION.pack(_SHIFT, 3, 0, 16),  # r3: access
        INSTRUCTION.pack(_LOAD, 4 | 1 << 4, 4, 0),  # r4: major
        INSTRUCTION.pack(_LOAD, 5 | 1 << 4, 8, 0),  # r5: minor
    ]
    for rule in reversed(rules):
        code += _rule(rule)
        if rule.kind == "a":
            break
    else:
        code += [INSTRUCTION.pack(_MOVE, 0, 0, 0), INSTRUCTION.pack(_EXIT, 0, 0, 0)]
    return b"".join(code)


def _rule(rule: DeviceRule) -> list[bytes]:
    tests: list[tuple[int, int, int]] = []  # (code, registers, immediate), each leaving the rule when it does not match
    if rule.kind != "a":
        tests.append((_UNEQUAL, 2, _KIND[rule.kind]))
    access = sum(_ACCESS[letter] for letter in set(rule.access))
    partial = rule.kind != "a" and access != 7
    if rule.kind != "a":
        tests += [(_UNEQUAL, reg, number) for reg, number in ((4, rule.major), (5, rule.minor)) if number >= 0]
    body = [(_COPY, 1 | 3 << 4, 0), (_AND, 1, access), (_UNEQUAL_REGISTER, 1 | 3 << 4, 0)] if partial else []
    steps = [tests[0], *body, *tests[1:]] if tests else []
    result = []
    for index, (code, registers, immediate) in enumerate(steps):
        jumps = code in (_UNEQUAL, _UNEQUAL_REGISTER)
        skip = len(steps) - index - 1 + 2 if jumps else 0
        result.append(INSTRUCTION.pack(code, registers, skip, immediate))
    return [*result, INSTRUCTION.pack(_MOVE, 0, 0, int(rule.allow)), INSTRUCTION.pack(_EXIT, 0, 0, 0)]
