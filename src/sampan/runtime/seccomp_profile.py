"""What does a seccomp profile say about this container on this machine?

Two shapes come in. Docker's (`--security-opt seccomp=FILE`) says for many machines and containers at once what holds
when: `archMap`, and `includes`/`excludes` with capabilities, architectures and a kernel version. The OCI runtime spec's
(`linux.seccomp`) is what is left when these questions are answered. `resolve` turns the first into the second,
`read_policy` checks the second and turns it into the values that `bpf_filter.py` compiles.

Deviations from the letter are Docker's own: conditions of one rule hold together, unless two of them look at the same
argument, when each of them stands alone; a call that no table knows is left out.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sampan.errors import InvalidRequest, NotSupported
from sampan.linux import seccomp
from sampan.linux.syscalls.numbers import SERVED, native_abi

ACTIONS = {
    "SCMP_ACT_KILL": seccomp.KILL_THREAD,
    "SCMP_ACT_KILL_THREAD": seccomp.KILL_THREAD,
    "SCMP_ACT_KILL_PROCESS": seccomp.KILL_PROCESS,
    "SCMP_ACT_TRAP": seccomp.TRAP,
    "SCMP_ACT_ERRNO": seccomp.ERRNO,
    "SCMP_ACT_TRACE": seccomp.TRACE,
    "SCMP_ACT_ALLOW": seccomp.ALLOW,
    "SCMP_ACT_LOG": seccomp.LOG,
}
OPERATORS = {f"SCMP_CMP_{name}": name for name in ("EQ", "NE", "LT", "LE", "GT", "GE", "MASKED_EQ")}

_EPERM = 1
_MAX_ERRNO = 4095  # the kernel cuts larger ones down to it
_ABIS = {
    "SCMP_ARCH_X86_64": "x86_64",
    "SCMP_ARCH_X86": "i386",
    "SCMP_ARCH_X32": "x32",
    "SCMP_ARCH_AARCH64": "aarch64",
    "SCMP_ARCH_ARM": "arm",
}
# Real, but programs of these cannot run here; the filter refuses what it has no section for.
_FOREIGN = re.compile(
    "SCMP_ARCH_(MIPS|MIPSEL|MIPS64|MIPSEL64|MIPS64N32|MIPSEL64N32|PPC|PPC64|PPC64LE|S390|S390X"
    "|PARISC|PARISC64|RISCV64|LOONGARCH64|M68K|SH|SHEB)"
)
# How `arches` in Docker's profiles call the machine.
_PROFILE_NAMES = {"x86_64": "amd64", "i386": "x86", "aarch64": "arm64", "arm": "arm"}


class Condition(NamedTuple):
    """A comparison of one argument (0 to 5); for MASKED_EQ `value` is the mask and `value_two` the outcome."""

    argument: int
    operator: str
    value: int
    value_two: int = 0


class Rule(NamedTuple):
    """The answer to calls with these names, if all conditions hold."""

    names: tuple[str, ...]
    answer: int
    conditions: tuple[Condition, ...] = ()


class Policy(NamedTuple):
    """What a filter decides: the answer of the first rule that holds, or the default; for the ABIs named."""

    default: int
    rules: tuple[Rule, ...]
    abis: tuple[str, ...]


def resolve(
    profile: Mapping[str, Any], capabilities: frozenset[str], architecture: str, kernel: tuple[int, int]
) -> dict[str, Any]:
    """The OCI `linux.seccomp` that `profile` (Docker's shape, or the OCI's already) means for one container.

    `capabilities` is the bounding set ("CAP_CHOWN", …), `architecture` as in uname(2) or the OCI, `kernel` its version.
    """
    _expect(isinstance(profile, Mapping), "", "is not an object")
    abi = _native(architecture)
    resolved: dict[str, Any] = {"defaultAction": _text(profile, "defaultAction", "")}
    for key in ("defaultErrnoRet", "flags", "listenerPath", "listenerMetadata"):
        if profile.get(key) is not None:
            resolved[key] = profile[key]
    architectures = _architectures(profile, abi)
    if architectures:
        resolved["architectures"] = architectures
    resolved["syscalls"] = [
        {"names": names} | {key: rule[key] for key in ("action", "errnoRet", "args") if rule.get(key) is not None}
        for place, rule in _objects(profile, "syscalls", "")
        for names in [_names(rule, place)]
        if _applies(rule, place, capabilities, _PROFILE_NAMES[abi], kernel)
    ]
    return resolved


def read_policy(seccomp_spec: Mapping[str, Any], architecture: str) -> Policy:
    """Check an OCI `linux.seccomp`. Raises InvalidRequest naming what is wrong, NotSupported for SCMP_ACT_NOTIFY."""
    native = _native(architecture)
    if seccomp_spec.get("listenerPath"):
        raise NotSupported("seccomp profile: listenerPath: sampan hands no filter to a listener")
    wanted = {native}
    for name in _strings(seccomp_spec, "architectures", ""):
        _expect(
            name in _ABIS or name == "SCMP_ARCH_NATIVE" or _FOREIGN.fullmatch(name) is not None,
            "architectures",
            f'"{name}" is not known',
        )
        wanted.add(_ABIS.get(name, native))
    return Policy(
        default=_answer(seccomp_spec, "defaultAction", "defaultErrnoRet", ""),
        rules=tuple(rule for place, entry in _objects(seccomp_spec, "syscalls", "") for rule in _rules(entry, place)),
        abis=tuple(abi for abi in SERVED[native] if abi in wanted),
    )


def _native(architecture: str) -> str:
    abi = native_abi(architecture)
    if abi is None:
        raise NotSupported(f"seccomp is not supported on {architecture}: use --security-opt seccomp=unconfined")
    return abi


def _architectures(profile: Mapping[str, Any], abi: str) -> list[str]:
    listed = _strings(profile, "architectures", "")
    mapped = _objects(profile, "archMap", "")
    if listed and mapped:
        raise InvalidRequest(
            "both 'architectures' and 'archMap' are specified in the seccomp profile, "
            "use either 'architectures' or 'archMap'"
        )
    for place, entry in mapped:
        name = _text(entry, "architecture", place)
        if _ABIS.get(name) == abi:
            listed += [name, *_strings(entry, "subArchitectures", place)]
    return listed


def _names(rule: Mapping[str, Any], place: str) -> list[str]:
    names = _strings(rule, "names", place)
    if rule.get("name"):
        if names:
            raise InvalidRequest(
                "both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'"
            )
        names = [_text(rule, "name", place)]
    _expect(all(names), f"{place}names", "an empty name is not a system call")
    return names


def _applies(
    rule: Mapping[str, Any], place: str, capabilities: frozenset[str], machine: str, kernel: tuple[int, int]
) -> bool:
    """A rule is left out by any of its `excludes`, and by missing any of its `includes`."""
    excludes = _object(rule, "excludes", place)
    if machine in _strings(excludes, "arches", f"{place}excludes."):
        return False
    if not capabilities.isdisjoint(_strings(excludes, "caps", f"{place}excludes.")):
        return False
    if excludes.get("minKernel") and kernel >= _kernel(excludes, f"{place}excludes."):
        return False
    includes = _object(rule, "includes", place)
    arches = _strings(includes, "arches", f"{place}includes.")
    if arches and machine not in arches:
        return False
    if not capabilities.issuperset(_strings(includes, "caps", f"{place}includes.")):
        return False
    return not includes.get("minKernel") or kernel >= _kernel(includes, f"{place}includes.")


def _kernel(conditions: Mapping[str, Any], place: str) -> tuple[int, int]:
    text = _text(conditions, "minKernel", place)
    match = re.fullmatch(r"(\d+)\.(\d+)", text, re.ASCII)
    if match is None:
        raise InvalidRequest(f'seccomp profile: {place}minKernel: "{text}" is not a version like "4.8"')
    return int(match[1]), int(match[2])


def _rules(entry: Mapping[str, Any], place: str) -> Iterator[Rule]:
    names = tuple(_names(entry, place))
    answer = _answer(entry, "action", "errnoRet", place)
    conditions = tuple(_condition(argument, at) for at, argument in _objects(entry, "args", place))
    if len({condition.argument for condition in conditions}) == len(conditions):
        yield Rule(names, answer, conditions)
    else:
        for condition in conditions:
            yield Rule(names, answer, (condition,))


def _condition(argument: Mapping[str, Any], place: str) -> Condition:
    operator = _text(argument, "op", place)
    _expect(operator in OPERATORS, f"{place}op", f'"{operator}" is not one of {", ".join(OPERATORS)}')
    return Condition(
        argument=_number(argument, "index", place, 5),
        operator=OPERATORS[operator],
        value=_number(argument, "value", place, 2**64 - 1),
        value_two=_number(argument, "valueTwo", place, 2**64 - 1),
    )


def _answer(entry: Mapping[str, Any], action_key: str, errno_key: str, place: str) -> int:
    action = _text(entry, action_key, place)
    if action == "SCMP_ACT_NOTIFY":
        raise NotSupported(f"seccomp profile: {place}{action_key}: sampan has no listener for SCMP_ACT_NOTIFY")
    _expect(action in ACTIONS, f"{place}{action_key}", f'"{action}" is not an action')
    data = _EPERM
    if entry.get(errno_key) is not None:
        data = _number(entry, errno_key, place, _MAX_ERRNO if action == "SCMP_ACT_ERRNO" else 0xFFFF)
    return ACTIONS[action] | (data if action in ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE") else 0)


def _expect(holds: bool, place: str, otherwise: str) -> None:
    if not holds:
        raise InvalidRequest(f"seccomp profile: {place}: {otherwise}" if place else f"seccomp profile {otherwise}")


def _text(entry: Mapping[str, Any], key: str, place: str) -> str:
    value = entry.get(key)
    _expect(value is not None, f"{place}{key}", "is missing")
    _expect(isinstance(value, str), f"{place}{key}", f"{value!r} is not a string")
    return str(value)


def _number(entry: Mapping[str, Any], key: str, place: str, most: int) -> int:
    """A number, 0 if absent, as Docker's and runc's decoders have it."""
    value = entry.get(key)
    value = 0 if value is None else value
    valid = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most
    _expect(valid, f"{place}{key}", f"{value!r} is not a number from 0 to {most}")
    return int(value)


def _object(entry: Mapping[str, Any], key: str, place: str) -> Mapping[str, Any]:
    value = entry.get(key)
    value = {} if value is None else value
    _expect(isinstance(value, Mapping), f"{place}{key}", "is not an object")
    return dict(value)


def _list(entry: Mapping[str, Any], key: str, place: str) -> list[Any]:
    value = entry.get(key)
    value = [] if value is None else value
    _expect(isinstance(value, (list, tuple)), f"{place}{key}", "is not a list")
    return list(value)


def _strings(entry: Mapping[str, Any], key: str, place: str) -> list[str]:
    values = _list(entry, key, place)
    _expect(all(isinstance(value, str) for value in values), f"{place}{key}", "is not a list of strings")
    return values


def _objects(entry: Mapping[str, Any], key: str, place: str) -> list[tuple[str, Mapping[str, Any]]]:
    """The objects in a list, each with its place as the start of an error message."""
    values = _list(entry, key, place)
    for number, value in enumerate(values):
        _expect(isinstance(value, Mapping), f"{place}{key}[{number}]", "is not an object")
    return [(f"{place}{key}[{number}].", value) for number, value in enumerate(values)]
