"""Is a container healthy when dockerd would say so?"""

from hypothesis import given
from hypothesis import strategies as st

from sampan.containers.health_state import (
    LOG_ENTRIES,
    Health,
    Result,
    Verdict,
    as_json,
    command,
    duration,
    judge,
    pause_ns,
)
from sampan.wire.containers import ContainerConfig, HealthConfig

SECOND = 10**9


def result(code: int, at: int = 100 * SECOND) -> Result:
    return Result(start_ns=at, end_ns=at + 1, exit_code=code, output="x")


def test_the_first_word_says_how_the_check_is_run() -> None:
    def words(*test: str, **rest: object) -> list[str]:
        return command(ContainerConfig(healthcheck=HealthConfig(test=list(test)), **rest))  # type: ignore[arg-type]

    assert words("CMD", "/ok", "a b") == ["/ok", "a b"]
    assert words("CMD-SHELL", "a b") == ["/bin/sh", "-c", "a b"]
    assert words("CMD-SHELL", "a b", shell=["/bin/bash", "-lc"]) == ["/bin/bash", "-lc", "a b"]
    assert words("NONE") == words() == words("CMD") == command(ContainerConfig()) == []


def test_failures_count_after_the_start_period_and_one_success_ends_it() -> None:
    check = HealthConfig(retries=2, start_period=10 * SECOND)
    early = judge(Health(), result(1, at=5 * SECOND), check, 0)
    assert (early.verdict, early.failing_streak) == (Verdict.STARTING, 0)
    late = judge(early, result(1, at=11 * SECOND), check, 0)
    assert (late.verdict, late.failing_streak) == (Verdict.STARTING, 1)
    assert judge(late, result(1, at=12 * SECOND), check, 0).verdict is Verdict.UNHEALTHY
    healthy = judge(early, result(0, at=6 * SECOND), check, 0)
    once = judge(healthy, result(7, at=7 * SECOND), check, 0)
    assert (once.verdict, once.failing_streak) == (Verdict.HEALTHY, 1)


@given(st.lists(st.integers(-1, 2), max_size=30), st.integers(0, 5))
def test_unhealthy_means_that_the_last_checks_failed_and_the_log_is_short(codes: list[int], retries: int) -> None:
    health, check = Health(), HealthConfig(retries=retries)
    for code in codes:
        health = judge(health, result(code), check, 0)
    streak = next((n for n, code in enumerate(reversed(codes)) if code == 0), len(codes))
    assert health.failing_streak == streak
    assert (health.verdict is Verdict.UNHEALTHY) == (streak >= (retries or 3))
    assert [each.exit_code for each in health.log] == codes[-LOG_ENTRIES:]
    assert as_json(health)["Status"] in ("starting", "healthy", "unhealthy")


def test_checks_are_closer_together_until_the_container_is_up() -> None:
    check = HealthConfig(interval=30 * SECOND, start_interval=SECOND, start_period=60 * SECOND)
    assert pause_ns(Health(), check, ran_ns=0) == SECOND
    assert pause_ns(Health(verdict=Verdict.HEALTHY), check, ran_ns=0) == 30 * SECOND
    assert pause_ns(Health(), check, ran_ns=61 * SECOND) == 30 * SECOND
    assert pause_ns(Health(), HealthConfig(), ran_ns=0) == 30 * SECOND


def test_spans_are_written_as_go_writes_them() -> None:
    spans = (10**6 * 500, SECOND, 90 * SECOND, 3600 * SECOND, SECOND * 3 // 2)
    assert [duration(span) for span in spans] == ["500ms", "1s", "1m30s", "1h0m0s", "1.5s"]
