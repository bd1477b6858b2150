"""Is a container healthy?

Pure: dockerd's rules (moby, daemon/health.go) over the results of its checks. Times are Unix nanoseconds, spans of time
nanoseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sampan.containers.model import Container
from sampan.wire.containers import ContainerConfig, HealthConfig
from sampan.wire.timestamps import rfc3339_nano

SECOND = 1_000_000_000
INTERVAL_NS = TIMEOUT_NS = 30 * SECOND
START_INTERVAL_NS = 5 * SECOND
RETRIES = 3
LOG_ENTRIES = 5
OUTPUT_BYTES = 4096
SHELL = ("/bin/sh", "-c")
RESTART_LABEL = "sampan.restart-unhealthy"


class Verdict(StrEnum):
    """Docker's words for how a container is."""

    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One check: when it ran, the exit code (-1: it could not be run, or took too long) and the head of its output."""

    start_ns: int
    end_ns: int
    exit_code: int
    output: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What is known; `log` holds the last few results, the newest at the end."""

    verdict: Verdict = Verdict.STARTING
    failing_streak: int = 0
    log: tuple[Result, ...] = ()

    def begun(self) -> "Health":
        """At the start of a run: nothing is known yet, and what was seen before is remembered."""
        return replace(self, verdict=Verdict.STARTING, failing_streak=0)

    def ended(self) -> "Health":
        """When nobody checks any more: what cannot answer is not healthy."""
        return replace(self, verdict=Verdict.UNHEALTHY)


def command(config: ContainerConfig) -> list[str]:
    """What is run inside to find out; empty when there is no check. The first word of the test says how to read it."""
    test = (config.healthcheck.test if config.healthcheck else None) or []
    kind, words = (test[0], test[1:]) if test else ("NONE", [])
    if kind == "CMD":
        return list(words)
    return [*(config.shell or SHELL), *words] if kind == "CMD-SHELL" else []


def judge(health: Health, result: Result, check: HealthConfig, started_ns: int) -> Health:
    """What is known after one more check of a container that was started at `started_ns`."""
    log = (*health.log, result)[-LOG_ENTRIES:]
    if result.exit_code == 0:
        return Health(verdict=Verdict.HEALTHY, log=log)
    # Failures count only once the container has had the time that it is known to need.
    if health.verdict is Verdict.STARTING and result.start_ns - started_ns < check.start_period:
        return replace(health, log=log)
    streak = health.failing_streak + 1
    verdict = Verdict.UNHEALTHY if streak >= (check.retries or RETRIES) else health.verdict
    return Health(verdict=verdict, failing_streak=streak, log=log)


def pause_ns(health: Health, check: HealthConfig, *, ran_ns: int) -> int:
    """How long to wait before the next check of a container that has been running for `ran_ns`."""
    if ran_ns < check.start_period and health.verdict is Verdict.STARTING:
        return check.start_interval or START_INTERVAL_NS
    return check.interval or INTERVAL_NS


def timeout_ns(check: HealthConfig) -> int:
    """How long one check may take."""
    return check.timeout or TIMEOUT_NS


def restarts_when_unhealthy(container: Container) -> bool:
    """Has its owner asked for a restart when it turns out unhealthy? (Docker has no such thing.)"""
    return (container.config.labels or {}).get(RESTART_LABEL, "").lower() in ("1", "true", "yes")


def as_json(health: Health) -> dict[str, Any]:
    """Docker's `State.Health`."""
    entries: list[Mapping[str, Any]] = [
        {
            "Start": rfc3339_nano(result.start_ns),
            "End": rfc3339_nano(result.end_ns),
            "ExitCode": result.exit_code,
            "Output": result.output,
        }
        for result in health.log
    ]
    return {"Status": health.verdict.value, "FailingStreak": health.failing_streak, "Log": entries}


def duration(nanoseconds: int) -> str:
    """A span of time as Go prints it: `30s`, `1m30s`, `500ms`, `1.5s`."""
    if nanoseconds < SECOND:
        return f"{nanoseconds / 1_000_000:g}ms"
    minutes, rest = divmod(nanoseconds, 60 * SECOND)
    seconds = f"{rest / SECOND:g}s"
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else "") + seconds
