"""Does each policy start again what dockerd would, at dockerd's pace?"""

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.containers.model import Container, State
from sampan.containers.restart_policy import (
    FIRST_DELAY_NS,
    MOST_DELAY_NS,
    STEADY_NS,
    delay_ns,
    is_an_end,
    is_due_with_the_daemon,
    wants,
)
from sampan.wire.containers import ContainerConfig, HostConfig, RestartPolicy

POLICIES = ("", "no", "on-failure", "always", "unless-stopped")


def container(policy: RestartPolicy, **state: object) -> Container:
    return Container(
        id="f" * 64,
        name="one",
        created_ns=1,
        image_id="",
        diff_ids=(),
        config=ContainerConfig(),
        host=HostConfig(restart_policy=policy),
        state=State(**state),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("name", "most", "code", "count", "was_stopped", "wanted"),
    [
        ("", 0, 1, 0, False, False),
        ("no", 0, 1, 0, False, False),
        ("always", 0, 0, 99, False, True),
        ("always", 0, 1, 0, True, False),
        ("unless-stopped", 0, 0, 5, False, True),
        ("unless-stopped", 0, 0, 5, True, False),
        ("on-failure", 0, 0, 0, False, False),
        ("on-failure", 0, 1, 1000, False, True),
        ("on-failure", 3, 1, 2, False, True),
        ("on-failure", 3, 1, 3, False, False),
        ("on-failure", 3, 1, 0, True, False),
    ],
)
def test_who_is_started_again(name: str, most: int, code: int, count: int, was_stopped: bool, wanted: bool) -> None:
    policy = RestartPolicy(name=name, maximum_retry_count=most)
    assert wants(policy, code=code, count=count, was_stopped=was_stopped) is wanted


def test_the_wait_doubles_from_a_tenth_of_a_second_to_a_minute_and_begins_anew_after_a_steady_run() -> None:
    waits, delay = [], 0
    for _ in range(12):
        found = delay_ns(container(RestartPolicy(name="always"), restart_delay_ns=delay), code=0, ran_ns=5)
        assert found is not None
        waits.append(delay := found)
    assert [wait // 10**8 for wait in waits] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]
    steady = container(RestartPolicy(name="always"), restart_delay_ns=MOST_DELAY_NS)
    assert delay_ns(steady, code=0, ran_ns=STEADY_NS) == FIRST_DELAY_NS
    assert delay_ns(steady, code=0, ran_ns=STEADY_NS - 1) == MOST_DELAY_NS


@given(st.sampled_from(POLICIES), st.integers(0, 255), st.booleans())
def test_only_always_overrides_a_stop_and_only_when_the_daemon_starts(name: str, code: int, was_stopped: bool) -> None:
    ended = container(RestartPolicy(name=name), exit_code=code, was_stopped=was_stopped, started_ns=5, finished_ns=6)
    due = is_due_with_the_daemon(ended)
    assert due is (delay_ns(ended, code=code, ran_ns=0) is not None or name == "always")
    never_started = container(RestartPolicy(name=name), exit_code=code, was_stopped=was_stopped)
    assert not is_due_with_the_daemon(never_started)


def test_a_signal_that_only_tells_a_program_something_is_no_wish_for_its_end() -> None:
    assert is_an_end(signal.SIGKILL, signal.SIGTERM)
    assert is_an_end(signal.SIGINT, signal.SIGTERM)
    assert not is_an_end(signal.SIGHUP, signal.SIGTERM)
    assert is_an_end(signal.SIGHUP, signal.SIGHUP)
