"""Can these limits be set on this machine?

Contradictions are refused; what the kernel cannot enforce is dropped with a warning, as dockerd does: a client must not
fail because a machine lacks one controller. Pure. Sentences are dockerd's.
"""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from sampan.containers.host import Host
from sampan.errors import InvalidRequest
from sampan.wire.containers import HostConfig

MIN_MEMORY_BYTES = 6 << 20
MIN_SHARES, MAX_SHARES = 2, 262_144

# What is dropped where the machine cannot do it: the word of Host.limits, the fields with their "nothing", the warning.
UNSUPPORTED: tuple[tuple[str, Mapping[str, Any], str], ...] = (
    ("memory", {"memory": 0}, "memory limit capabilities or the cgroup is not mounted. Limitation discarded."),
    (
        "swappiness",
        {"memory_swappiness": None},
        "memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.",
    ),
    (
        "reservation",
        {"memory_reservation": 0},
        "memory soft limit capabilities or the cgroup is not mounted. Limitation discarded.",
    ),
    ("oom_kill_disable", {"oom_kill_disable": None}, "OomKillDisable. OomKillDisable discarded."),
    ("pids", {"pids_limit": None}, "PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded."),
    ("cpu_shares", {"cpu_shares": 0}, "CPU shares or the cgroup is not mounted. Shares discarded."),
    ("cpu_cfs", {"cpu_period": 0, "cpu_quota": 0}, "CPU CFS scheduler. CPU period/quota discarded."),
    ("cpuset", {"cpuset_cpus": "", "cpuset_mems": ""}, "cpuset or the cgroup is not mounted. Cpuset discarded."),
    ("blkio_weight", {"blkio_weight": 0}, "Block I/O weight or the cgroup is not mounted. Weight discarded."),
    (
        "blkio_weight_device",
        {"blkio_weight_device": None},
        "Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.",
    ),
    (
        "blkio_rates",
        {
            "blkio_device_read_bps": None,
            "blkio_device_write_bps": None,
            "blkio_device_read_iops": None,
            "blkio_device_write_iops": None,
        },
        "Block I/O rate limits or the cgroup is not mounted. Block I/O limits discarded.",
    ),
)


def settle(asked: HostConfig, host: Host, *, is_update: bool = False) -> tuple[HostConfig, list[str]]:
    """The limits that will be set, and warnings about the rest. Raises InvalidRequest."""
    if asked.memory_swappiness == -1:  # what the docker CLI sends for "not given"
        asked = replace(asked, memory_swappiness=None)
    _check_memory(asked, is_update)
    _check_cpu(asked, host)
    if asked.io_maximum_bandwidth or asked.io_maximum_iops:
        raise InvalidRequest("Invalid QoS settings: linux does not support Maximum IO Bandwidth or Maximum IO IOps")
    asked, warnings = _without_unsupported(asked, host)
    if asked.blkio_weight and not 10 <= asked.blkio_weight <= 1000:
        raise InvalidRequest("Range of blkio weight is from 10 to 1000")
    if asked.oom_kill_disable and not asked.memory:
        warnings.append(
            "OOM killer is disabled for the container, but no memory limit is set, "
            "this can result in the system running out of resources."
        )
    if asked.cpu_shares > 0:
        asked = replace(asked, cpu_shares=min(max(asked.cpu_shares, MIN_SHARES), MAX_SHARES))
    if asked.memory > 0 and asked.memory_swap == 0 and not is_update:
        asked = replace(asked, memory_swap=2 * asked.memory)
    return asked, warnings


def _without_unsupported(asked: HostConfig, host: Host) -> tuple[HostConfig, list[str]]:
    warnings = []
    for word, nothing, rest in UNSUPPORTED:
        if word not in host.limits and any(getattr(asked, field) for field in nothing):
            warnings.append(f"Your kernel does not support {rest}")
            asked = replace(asked, **nothing)
    if asked.memory > 0 and asked.memory_swap != -1 and "swap" not in host.limits:
        warnings.append(
            "Your kernel does not support swap limit capabilities or the cgroup is not mounted. "
            "Memory limited without swap."
        )
        asked = replace(asked, memory_swap=-1)
    if asked.kernel_memory or asked.kernel_memory_tcp:
        warnings.append("Kernel memory limits are obsolete and of no effect. Limitation discarded.")
        asked = replace(asked, kernel_memory=0, kernel_memory_tcp=0)
    if asked.cpu_percent:
        warnings.append("linux does not support CPU percent. Percent discarded.")
        asked = replace(asked, cpu_percent=0)
    if asked.cpu_count:
        warnings.append("linux does not support CPU count. Count discarded.")
        asked = replace(asked, cpu_count=0)
    return asked, warnings


def _check_memory(asked: HostConfig, is_update: bool) -> None:
    memory, swap, reservation = asked.memory, asked.memory_swap, asked.memory_reservation
    if memory and memory < MIN_MEMORY_BYTES:
        raise InvalidRequest("Minimum memory limit allowed is 6MB")
    if memory > 0 and 0 < swap < memory:
        raise InvalidRequest("Minimum memoryswap limit should be larger than memory limit, see usage")
    if not memory and swap > 0 and not is_update:
        raise InvalidRequest("You should always set the Memory limit when using Memoryswap limit, see usage")
    if asked.memory_swappiness is not None and not 0 <= asked.memory_swappiness <= 100:
        raise InvalidRequest(f"Invalid value: {asked.memory_swappiness}, valid memory swappiness range is 0-100")
    if 0 < reservation < MIN_MEMORY_BYTES:
        raise InvalidRequest("Minimum memory reservation allowed is 6MB")
    if 0 < memory < reservation:
        raise InvalidRequest("Minimum memory limit can not be less than memory reservation limit, see usage")


def _check_cpu(asked: HostConfig, host: Host) -> None:
    if asked.nano_cpus > 0 and asked.cpu_period > 0:
        raise InvalidRequest("Conflicting options: Nano CPUs and CPU Period cannot both be set")
    if asked.nano_cpus > 0 and asked.cpu_quota > 0:
        raise InvalidRequest("Conflicting options: Nano CPUs and CPU Quota cannot both be set")
    if asked.nano_cpus > 0 and "cpu_cfs" not in host.limits:
        raise InvalidRequest(
            "NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted"
        )
    if not 0 <= asked.nano_cpus <= host.cpu_count * 1_000_000_000:
        count = host.cpu_count
        raise InvalidRequest(f"Range of CPUs is from 0.01 to {count}.00, as there are only {count} CPUs available")
    if asked.cpu_shares < 0:
        raise InvalidRequest("shares: invalid argument")
    if asked.cpu_period and not 1_000 <= asked.cpu_period <= 1_000_000:
        raise InvalidRequest("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
    if 0 < asked.cpu_quota < 1_000:
        raise InvalidRequest("CPU cfs quota can not be less than 1ms (i.e. 1000)")
    if (asked.cpu_realtime_period or asked.cpu_realtime_runtime) and "cpu_realtime" not in host.limits:
        raise InvalidRequest("Your kernel does not support CPU real-time scheduler")
    if asked.cpu_realtime_period and asked.cpu_realtime_runtime > asked.cpu_realtime_period:
        raise InvalidRequest("cpu real-time runtime cannot be higher than cpu real-time period")
    _check_set("CPUs", "cpuset cpus", asked.cpuset_cpus, host.cpus)
    _check_set("memory nodes", "cpuset mems", asked.cpuset_mems, host.memory_nodes)


def _check_set(things: str, field: str, asked: str, available: str) -> None:
    try:
        wanted = numbers(asked)
    except ValueError:
        raise InvalidRequest(f"Invalid value {asked} for {field}: invalid format: {asked}") from None
    if not wanted <= numbers(available):
        raise InvalidRequest(f"Requested {things} are not available - requested {asked}, available: {available}")


def numbers(text: str) -> set[int]:
    """The numbers of a list such as `0-2,5` (cpuset(7), "List format"). Raises ValueError."""
    result: set[int] = set()
    for part in text.split(",") if text else ():
        first, dash, last = part.partition("-")
        low, high = int(first), int(last if dash else first)
        if low > high or high >= 1 << 16 or not part.replace("-", "", 1).isdecimal():
            raise ValueError(part)
        result.update(range(low, high + 1))
    return result
