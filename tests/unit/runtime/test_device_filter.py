"""Does the compiled device program decide as the list of rules does?"""

import struct

from hypothesis import given
from hypothesis import strategies as st

from sampan.runtime.device_filter import compile_rules, line
from sampan.runtime.plan import DeviceRule
from sampan.runtime.plan_cgroup import plan_devices

numbers = st.sampled_from([-1, 1, 3, 5, 136])
rules = st.builds(
    DeviceRule,
    allow=st.booleans(),
    kind=st.sampled_from("abc"),
    major=numbers,
    minor=numbers,
    access=st.sampled_from(["r", "w", "m", "rw", "rm", "rwm"]),
)
BITS = {"m": 1, "r": 2, "w": 4}
KINDS = {"b": 1, "c": 2}


def decide(ruleset: list[DeviceRule], kind: str, access: int, major: int, minor: int) -> bool:
    """What the rules say: the last one that covers the whole request decides, and nothing is allowed otherwise."""
    for rule in reversed(ruleset):
        if rule.kind == "a":
            return rule.allow
        covered = access & ~sum(BITS[letter] for letter in rule.access) == 0
        fits = rule.kind == kind and rule.major in (-1, major) and rule.minor in (-1, minor)
        if fits and covered:
            return rule.allow
    return False


def emulate(program: bytes, kind: str, access: int, major: int, minor: int) -> bool:
    """Run the few instructions that the compiler emits."""
    context = struct.pack("<III", KINDS[kind] | access << 16, major, minor)
    registers = [0] * 11
    at = 0
    while True:
        code, pair, offset, immediate = struct.unpack_from("<BBhi", program, at * 8)
        to, source = pair & 15, pair >> 4
        at += 1
        if code == 0x61:
            registers[to] = struct.unpack_from("<I", context, offset)[0]
        elif code == 0xB7:
            registers[to] = immediate
        elif code == 0xBC:
            registers[to] = registers[source]
        elif code == 0x54:
            registers[to] &= immediate
        elif code == 0x74:
            registers[to] >>= immediate
        elif code == 0x55:
            at += offset if registers[to] != immediate else 0
        elif code == 0x5D:
            at += offset if registers[to] != registers[source] else 0
        elif code == 0x95:
            return bool(registers[0])
        else:
            raise AssertionError(f"instruction {code:#x}")


@given(
    st.lists(rules, max_size=6),
    st.sampled_from("bc"),
    st.integers(1, 7),
    st.sampled_from([1, 3, 5, 8, 136]),
    st.sampled_from([1, 3, 5, 9]),
)
def test_the_program_decides_as_the_rules_do(
    ruleset: list[DeviceRule], kind: str, access: int, major: int, minor: int
) -> None:
    """A25"""
    found = emulate(compile_rules(ruleset), kind, access, major, minor)
    assert found == decide(ruleset, kind, access, major, minor)


def test_a_rule_list_begins_by_denying_everything() -> None:
    """A25: a deny-all that is only one rule among others must stay first."""
    planned = plan_devices({"devices": [{"allow": False, "access": "rwm"}]})
    assert line(planned[0]) == "a" and not planned[0].allow
    assert not decide(list(planned), "b", 7, 7, 0)
    assert decide(list(planned), "c", 6, 1, 3)


def test_lines_of_the_v1_files() -> None:
    assert line(DeviceRule(allow=True, kind="c", major=136, minor=-1, access="rwm")) == "c 136:* rwm"
