"""What does a container use, in Docker's words?

The body of `GET /containers/{id}/stats` (Engine API 1.51), from the cgroups' and the interfaces' counters. `pressure`
is what Docker does not tell: how long processes waited (the kernel's accounting/psi).
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from sampan.containers.engine import Engine
from sampan.containers.model import Container
from sampan.errors import InvalidRequest, NotFound
from sampan.linux import procfs
from sampan.runtime.usage import UNLIMITED, Pressure, Transfer, Usage
from sampan.wire.timestamps import rfc3339_nano

PERIOD_SECONDS = 1.0
SAMPLE_SECONDS = 0.25
"""Between the two looks of a single answer: enough for whole percents. dockerd takes one to two seconds."""

BLOCK_LISTS = (
    "io_service_bytes_recursive", "io_serviced_recursive", "io_queue_recursive", "io_service_time_recursive",
    "io_wait_time_recursive", "io_merged_recursive", "io_time_recursive", "sectors_recursive",
)  # fmt: skip
NOTHING: dict[str, Any] = {
    "cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0},
    "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
}


def stats(engine: Engine, reference: str, *, stream: bool, one_shot: bool) -> AsyncIterator[dict[str, Any]]:
    """The answers of one request: one, or one a second. Raises NotFound and InvalidRequest at once."""
    if stream and one_shot:
        raise InvalidRequest("cannot have stream=true and one-shot=true")
    container = engine.rows.find(reference)
    return _follow(engine, container.id) if stream else _once(engine, container.id, one_shot)


async def _once(engine: Engine, container_id: str, one_shot: bool) -> AsyncIterator[dict[str, Any]]:
    first = look(engine, engine.current(container_id))
    if one_shot or not first["cpu_stats"].get("online_cpus"):
        yield first
        return
    await asyncio.sleep(SAMPLE_SECONDS)
    yield _after(look(engine, engine.current(container_id)), first)


async def _follow(engine: Engine, container_id: str) -> AsyncIterator[dict[str, Any]]:
    previous: dict[str, Any] | None = None
    due = time.monotonic()
    while True:
        try:
            current = look(engine, engine.current(container_id))
        except NotFound:
            return  # it was removed, and there is nothing more to say of it
        yield _after(current, previous) if previous else current
        previous = current
        due = max(due + PERIOD_SECONDS, time.monotonic())
        await asyncio.sleep(due - time.monotonic())


def _after(current: dict[str, Any], previous: Mapping[str, Any]) -> dict[str, Any]:
    """The answer that knows the one before it: shares are differences of the two."""
    return {**current, "preread": previous["read"], "precpu_stats": previous["cpu_stats"]}


def look(engine: Engine, container: Container) -> dict[str, Any]:
    """What the container uses now; all zero when it does not run."""
    head = {"name": f"/{container.name}", "id": container.id, "preread": rfc3339_nano(0), "num_procs": 0}
    process = engine.processes.get(container.id)
    try:
        usage = process.usage() if process is not None else None
    except FileNotFoundError:
        usage = None  # it has just ended
    if usage is None:
        empty: dict[str, Any] = {"pids_stats": {}, "storage_stats": {}, "memory_stats": {}}
        blocks = dict.fromkeys(BLOCK_LISTS)
        return head | empty | {"read": rfc3339_nano(0), "blkio_stats": blocks, "cpu_stats": NOTHING} | _no_previous()
    body: dict[str, Any] = {
        "read": rfc3339_nano(time.time_ns()),
        "pids_stats": _pids(usage),
        "blkio_stats": _blocks(usage),
        "storage_stats": {},
        "cpu_stats": _cpu(usage),
        "memory_stats": _memory(usage, engine.host.memory_bytes),
        **_no_previous(),
    }
    if (interfaces := _networks(container)) is not None:
        body["networks"] = interfaces
    if usage.pressure:
        body["pressure"] = {word: _pressure(each) for word, each in usage.pressure.items()}
    return head | body


def _no_previous() -> dict[str, Any]:
    return {"precpu_stats": NOTHING}


def _pids(usage: Usage) -> dict[str, int]:
    limit = {"limit": usage.pids_limit} if usage.pids_limit != UNLIMITED else {}
    return {"current": usage.pids} | limit


def _cpu(usage: Usage) -> dict[str, Any]:
    count = os.cpu_count() or 1
    per_cpu = {"percpu_usage": list(usage.per_cpu_ns)} if usage.per_cpu_ns else {}
    return {
        "cpu_usage": {
            "total_usage": usage.cpu_ns,
            **per_cpu,
            "usage_in_kernelmode": usage.cpu_kernel_ns,
            "usage_in_usermode": usage.cpu_user_ns,
        },
        # All that all processors have done, idling included: what /proc/stat adds up to in hundredths of a second,
        # in nanoseconds here, as differences are taken over short times.
        "system_cpu_usage": time.clock_gettime_ns(time.CLOCK_BOOTTIME) * count,
        "online_cpus": count,
        "throttling_data": {
            "periods": usage.periods,
            "throttled_periods": usage.throttled_periods,
            "throttled_time": usage.throttled_ns,
        },
    }


def _memory(usage: Usage, machine_bytes: int) -> dict[str, Any]:
    fields = {
        "usage": usage.memory,
        "max_usage": usage.memory_peak,
        "stats": dict(usage.memory_stat),
        "failcnt": usage.memory_failures,
        "limit": min(usage.memory_limit, machine_bytes or usage.memory_limit),
    }
    return {name: value for name, value in fields.items() if value}


def _blocks(usage: Usage) -> dict[str, Any]:
    empty: dict[str, Any] = {name: [] if usage.memory_version == 1 else None for name in BLOCK_LISTS}
    empty["io_service_bytes_recursive"] = _transfers(usage.bytes)
    empty["io_serviced_recursive"] = _transfers(usage.operations)
    return empty


def _transfers(found: Sequence[Transfer]) -> list[dict[str, Any]]:
    return [{"major": each.major, "minor": each.minor, "op": each.operation, "value": each.value} for each in found]


def _networks(container: Container) -> dict[str, dict[str, int]] | None:
    """Counters of each interface; None for who has no network of its own."""
    if container.host.network_mode in ("host", "none") or not container.state.pid:
        return None
    try:
        return procfs.interface_counters(container.state.pid)
    except (FileNotFoundError, ProcessLookupError):
        return None


def _pressure(pressure: Pressure) -> dict[str, Any]:
    return {"some": dict(pressure.some), "full": dict(pressure.full)}
