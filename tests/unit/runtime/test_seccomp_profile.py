"""Is a profile read as Docker reads it, and a wrong one refused with the reason?"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import InvalidRequest, NotSupported
from sampan.linux.seccomp import ALLOW, ERRNO, KILL_PROCESS, KILL_THREAD, LOG, TRACE, TRAP
from sampan.runtime.seccomp_profile import Condition, Rule, read_policy, resolve

ALLOWED = {"names": ["read"], "action": "SCMP_ACT_ALLOW"}


def profile(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": list(rules)} | more


def resolved(
    given: dict[str, Any],
    capabilities: tuple[str, ...] = (),
    architecture: str = "x86_64",
    kernel: tuple[int, int] = (6, 1),
) -> dict[str, Any]:
    return resolve(given, frozenset(capabilities), architecture, kernel)


@pytest.mark.parametrize(
    ("condition", "applies"),
    [
        ({"includes": {"caps": ["CAP_A"]}}, True),
        ({"includes": {"caps": ["CAP_A", "CAP_B"]}}, True),
        ({"includes": {"caps": ["CAP_A", "CAP_C"]}}, False),
        ({"excludes": {"caps": ["CAP_C"]}}, True),
        ({"excludes": {"caps": ["CAP_C", "CAP_A"]}}, False),
        ({"includes": {"arches": ["amd64", "x32"]}}, True),
        ({"includes": {"arches": ["arm64"]}}, False),
        ({"excludes": {"arches": ["amd64"]}}, False),
        ({"excludes": {"arches": ["s390x"]}}, True),
        ({"includes": {"minKernel": "6.1"}}, True),
        ({"includes": {"minKernel": "6.2"}}, False),
        ({"includes": {"minKernel": "4.18"}}, True),
        ({"excludes": {"minKernel": "6.1"}}, False),
        ({"excludes": {"minKernel": "6.2"}}, True),
        ({"includes": {"caps": ["CAP_A"]}, "excludes": {"arches": ["amd64"]}}, False),
        ({"includes": {}, "excludes": {}}, True),
        ({"includes": None, "excludes": {"caps": None, "arches": None}}, True),
    ],
)
def test_a_rule_applies_where_its_conditions_hold(condition: dict[str, Any], applies: bool) -> None:
    found = resolved(profile(ALLOWED | condition), ("CAP_A", "CAP_B"))["syscalls"]
    assert found == ([ALLOWED] if applies else [])


def test_architectures_come_from_the_map_of_this_machine() -> None:
    given = profile(
        archMap=[
            {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
            {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": None},
        ]
    )
    assert resolved(given)["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]
    assert resolved(given, architecture="arm64")["architectures"] == ["SCMP_ARCH_AARCH64"]
    assert "architectures" not in resolved(given, architecture="armv7l")


def test_one_name_is_a_list_of_one() -> None:
    assert resolved(profile({"name": "read", "action": "SCMP_ACT_ALLOW"}))["syscalls"] == [ALLOWED]


def test_what_the_oci_shape_says_is_kept() -> None:
    oci = profile(
        ALLOWED | {"errnoRet": 5, "args": [{"index": 1, "op": "SCMP_CMP_EQ", "value": 3}]},
        architectures=["SCMP_ARCH_X86"],
        defaultErrnoRet=38,
        flags=["SECCOMP_FILTER_FLAG_LOG"],
    )
    assert resolved(oci) == oci


@pytest.mark.parametrize(
    ("action", "answer"),
    [
        ("SCMP_ACT_KILL", KILL_THREAD),
        ("SCMP_ACT_KILL_THREAD", KILL_THREAD),
        ("SCMP_ACT_KILL_PROCESS", KILL_PROCESS),
        ("SCMP_ACT_TRAP", TRAP),
        ("SCMP_ACT_ERRNO", ERRNO | 13),
        ("SCMP_ACT_TRACE", TRACE | 13),
        ("SCMP_ACT_LOG", LOG),
        ("SCMP_ACT_ALLOW", ALLOW),
    ],
)
def test_actions(action: str, answer: int) -> None:
    rule = {"names": ["read"], "action": action, "errnoRet": 13}
    assert read_policy(profile(rule), "x86_64").rules == (Rule(("read",), answer),)


def test_without_an_errno_it_is_eperm() -> None:
    policy = read_policy(profile(ALLOWED | {"action": "SCMP_ACT_TRACE"}), "x86_64")
    assert (policy.default, policy.rules[0].answer) == (ERRNO | 1, TRACE | 1)
    assert read_policy(profile(defaultErrnoRet=0), "x86_64").default == ERRNO


def test_conditions_hold_together_unless_they_share_an_argument() -> None:
    def rules(*tests: tuple[int, int]) -> tuple[Rule, ...]:
        args = [{"index": index, "op": "SCMP_CMP_GE", "value": number} for index, number in tests]
        return read_policy(profile(ALLOWED | {"args": args}), "x86_64").rules

    one, two, three = Condition(0, "GE", 1), Condition(1, "GE", 2), Condition(0, "GE", 3)
    assert rules((0, 1), (1, 2)) == (Rule(("read",), ALLOW, (one, two)),)
    assert rules((0, 1), (1, 2), (0, 3)) == tuple(Rule(("read",), ALLOW, (test,)) for test in (one, two, three))


def test_the_machines_own_abi_is_always_filtered_and_foreign_ones_are_not_compiled() -> None:
    assert read_policy(profile(), "x86_64").abis == ("x86_64",)
    assert read_policy(profile(architectures=["SCMP_ARCH_X32"]), "amd64").abis == ("x86_64", "x32")
    every = ["SCMP_ARCH_ARM", "SCMP_ARCH_X86", "SCMP_ARCH_S390X", "SCMP_ARCH_AARCH64", "SCMP_ARCH_NATIVE"]
    assert read_policy(profile(architectures=every), "x86_64").abis == ("x86_64", "i386")
    assert read_policy(profile(architectures=every), "aarch64").abis == ("aarch64", "arm")


def arg(**fields: Any) -> dict[str, Any]:
    return profile(ALLOWED | {"args": [{"index": 0, "op": "SCMP_CMP_EQ", "value": 1} | fields]})


WRONG: list[tuple[Any, str]] = [
    ([], "seccomp profile is not an object"),
    ({}, "seccomp profile: defaultAction: is missing"),
    (profile(defaultAction=5), "seccomp profile: defaultAction: 5 is not a string"),
    (profile(defaultAction="ALLOW"), 'seccomp profile: defaultAction: "ALLOW" is not an action'),
    (profile(defaultErrnoRet=5000), "seccomp profile: defaultErrnoRet: 5000 is not a number from 0 to 4095"),
    (profile(defaultErrnoRet=True), "seccomp profile: defaultErrnoRet: True is not a number from 0 to 4095"),
    (profile(syscalls={}), "seccomp profile: syscalls: is not a list"),
    (profile(ALLOWED, "read"), "seccomp profile: syscalls[1]: is not an object"),  # type: ignore[arg-type]
    (profile({"names": ["read"]}), "seccomp profile: syscalls[0].action: is missing"),
    (profile(ALLOWED | {"action": "x"}), 'seccomp profile: syscalls[0].action: "x" is not an action'),
    (profile(ALLOWED | {"names": "read"}), "seccomp profile: syscalls[0].names: is not a list"),
    (profile(ALLOWED | {"names": [1]}), "seccomp profile: syscalls[0].names: is not a list of strings"),
    (profile(ALLOWED | {"names": [""]}), "seccomp profile: syscalls[0].names: an empty name is not a system call"),
    (
        profile(ALLOWED | {"name": "write"}),
        "both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'",
    ),
    (profile(ALLOWED | {"args": {}}), "seccomp profile: syscalls[0].args: is not a list"),
    (arg(index=6), "seccomp profile: syscalls[0].args[0].index: 6 is not a number from 0 to 5"),
    (arg(value=-1), f"seccomp profile: syscalls[0].args[0].value: -1 is not a number from 0 to {2**64 - 1}"),
    (arg(value=1.5), f"seccomp profile: syscalls[0].args[0].value: 1.5 is not a number from 0 to {2**64 - 1}"),
    (
        arg(op="EQ"),
        'seccomp profile: syscalls[0].args[0].op: "EQ" is not one of SCMP_CMP_EQ, SCMP_CMP_NE, SCMP_CMP_LT, '
        "SCMP_CMP_LE, SCMP_CMP_GT, SCMP_CMP_GE, SCMP_CMP_MASKED_EQ",
    ),
    (profile(ALLOWED | {"includes": []}), "seccomp profile: syscalls[0].includes: is not an object"),
    (
        profile(ALLOWED | {"excludes": {"caps": "CAP_BPF"}}),
        "seccomp profile: syscalls[0].excludes.caps: is not a list",
    ),
    (
        profile(ALLOWED | {"includes": {"minKernel": "4"}}),
        'seccomp profile: syscalls[0].includes.minKernel: "4" is not a version like "4.8"',
    ),
    (profile(architectures=["x86"]), 'seccomp profile: architectures: "x86" is not known'),
    (
        profile(architectures=["SCMP_ARCH_X86"], archMap=[{"architecture": "SCMP_ARCH_X86_64"}]),
        "both 'architectures' and 'archMap' are specified in the seccomp profile, "
        "use either 'architectures' or 'archMap'",
    ),
    (profile(archMap=[{}]), "seccomp profile: archMap[0].architecture: is missing"),
]


@pytest.mark.parametrize(("given", "message"), WRONG)
def test_a_malformed_profile_is_refused_with_the_place(given: Any, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_policy(resolved(given), "x86_64")
    assert str(caught.value) == message


def test_a_listener_is_refused_not_ignored() -> None:
    with pytest.raises(NotSupported, match=r"syscalls\[0\]\.action: sampan has no listener for SCMP_ACT_NOTIFY"):
        read_policy(profile(ALLOWED | {"action": "SCMP_ACT_NOTIFY"}), "x86_64")
    with pytest.raises(NotSupported, match="listenerPath"):
        read_policy(resolved(profile(listenerPath="/run/agent.sock")), "x86_64")


def test_a_machine_without_a_table_says_what_to_do() -> None:
    with pytest.raises(NotSupported, match="riscv64: use --security-opt seccomp=unconfined"):
        resolved(profile(), architecture="riscv64")


KEYS = """
    defaultAction architectures archMap syscalls names name action args includes excludes caps arches minKernel index
    value valueTwo op errnoRet
"""
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "read", "SCMP_ACT_ALLOW", "4.8"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS.split()),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_whatever_is_sent_is_read_or_refused(given_json: Any) -> None:
    try:
        read_policy(resolved(given_json), "x86_64")
    except (InvalidRequest, NotSupported) as refusal:
        assert "seccomp profile" in str(refusal)


@given(JSON, JSON)
def test_whatever_the_rules_are_they_are_read_or_refused(rules: Any, condition: Any) -> None:
    for given_json in (
        profile() | {"syscalls": rules},
        profile(ALLOWED | {"args": [condition], "includes": condition}),
    ):
        try:
            read_policy(resolved(given_json), "x86_64")
        except (InvalidRequest, NotSupported) as refusal:
            assert "seccomp profile" in str(refusal)
