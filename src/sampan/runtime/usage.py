"""What does a container use, as its cgroups count it?

The kernel's admin-guide/cgroup-v1 (cpuacct, memory, blkio, pids) and cgroup-v2; whichever version has a controller
answers for it, so a hybrid machine's numbers come from both. A file that this kernel does not have is left out; nothing
is written. Bytes and nanoseconds.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sampan.linux.cgroupfs import Hierarchy

READ_SIZE = 1 << 16
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
UNLIMITED = (1 << 64) - 1
NO_LIMIT = frozenset(("max", "-1"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """How much went to or from one block device: `operation` in the kernel's word."""

    major: int
    minor: int
    operation: str
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """Time that some, or all, processes waited: percent of the last 10, 60 and 300 s; in all, microseconds."""

    some: Mapping[str, float]
    full: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """One look. `memory_version`: whose words the keys of `memory_stat` are. A limit of `UNLIMITED` is none."""

    cpu_ns: int = 0
    cpu_user_ns: int = 0
    cpu_kernel_ns: int = 0
    per_cpu_ns: Sequence[int] = ()
    periods: int = 0
    throttled_periods: int = 0
    throttled_ns: int = 0
    memory: int = 0
    memory_peak: int = 0
    memory_limit: int = UNLIMITED
    memory_failures: int = 0
    memory_version: int = 0
    memory_stat: Mapping[str, int] = field(default_factory=dict)
    pids: int = 0
    pids_limit: int = UNLIMITED
    bytes: Sequence[Transfer] = ()
    operations: Sequence[Transfer] = ()
    pressure: Mapping[str, Pressure] = field(default_factory=dict)


def look(hierarchies: Sequence[Hierarchy], path: str) -> Usage:
    """What the cgroup `path` uses now. Raises FileNotFoundError when it is gone."""
    found: dict[str, object] = {}
    for hierarchy in hierarchies:
        directory = hierarchy.mount + path
        if hierarchy.version == 2:
            found |= _unified(directory, hierarchy.controllers)
            continue
        for controller, answer in VERSION_1.items():
            if controller in hierarchy.controllers:
                found |= answer(directory)
    if not found:
        raise FileNotFoundError(path)
    return Usage(**found)  # type: ignore[arg-type]


def _cpuacct(directory: str) -> dict[str, object]:
    stat = pairs(_text(f"{directory}/cpuacct.stat"))
    return {
        "cpu_ns": _number(f"{directory}/cpuacct.usage"),
        "per_cpu_ns": tuple(int(word) for word in _text(f"{directory}/cpuacct.usage_percpu").split()),
        "cpu_user_ns": stat.get("user", 0) * TICK_NS,
        "cpu_kernel_ns": stat.get("system", 0) * TICK_NS,
    }


def _cpu(directory: str) -> dict[str, object]:
    stat = pairs(_text(f"{directory}/cpu.stat"))
    return {
        "periods": stat.get("nr_periods", 0),
        "throttled_periods": stat.get("nr_throttled", 0),
        "throttled_ns": stat.get("throttled_time", 0),
    }


def _memory(directory: str) -> dict[str, object]:
    return {
        "memory": _number(f"{directory}/memory.usage_in_bytes"),
        "memory_peak": _number(f"{directory}/memory.max_usage_in_bytes"),
        "memory_limit": _number(f"{directory}/memory.limit_in_bytes"),
        "memory_failures": _number(f"{directory}/memory.failcnt"),
        "memory_stat": pairs(_text(f"{directory}/memory.stat")),
        "memory_version": 1,
    }


def _pids(directory: str) -> dict[str, object]:
    return {"pids": _number(f"{directory}/pids.current"), "pids_limit": _number(f"{directory}/pids.max")}


def _blkio(directory: str) -> dict[str, object]:
    # BFQ keeps its own books; without it the throttling layer's are the ones that count.
    result: dict[str, object] = {}
    for key, words in (("bytes", "io_service_bytes"), ("operations", "io_serviced")):
        text = ""
        for file in (f"blkio.bfq.{words}_recursive", f"blkio.throttle.{words}_recursive"):
            text = text or _text(f"{directory}/{file}")
        result[key] = transfers(text)
    return result


VERSION_1 = {"cpuacct": _cpuacct, "cpu": _cpu, "memory": _memory, "pids": _pids, "blkio": _blkio}


def _unified(directory: str, controllers: frozenset[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    if "cpu" in controllers:
        stat = pairs(_text(f"{directory}/cpu.stat"))
        found |= {
            "cpu_ns": stat.get("usage_usec", 0) * 1000,
            "cpu_user_ns": stat.get("user_usec", 0) * 1000,
            "cpu_kernel_ns": stat.get("system_usec", 0) * 1000,
            "periods": stat.get("nr_periods", 0),
            "throttled_periods": stat.get("nr_throttled", 0),
            "throttled_ns": stat.get("throttled_usec", 0) * 1000,
        }
    if "memory" in controllers:
        found |= {
            "memory": _number(f"{directory}/memory.current"),
            "memory_limit": _number(f"{directory}/memory.max"),
            "memory_failures": pairs(_text(f"{directory}/memory.events")).get("oom", 0),
            "memory_stat": pairs(_text(f"{directory}/memory.stat")),
            "memory_version": 2,
        }
    if "pids" in controllers:
        found |= _pids(directory)
    if "io" in controllers:
        found["bytes"], found["operations"] = io_stat(_text(f"{directory}/io.stat"))
    pressure = {word: parsed for word in ("cpu", "memory", "io") if (parsed := _pressure(directory, word)) is not None}
    if pressure:
        found["pressure"] = pressure
    return found


def _pressure(directory: str, word: str) -> Pressure | None:
    lines = {}
    for line in _text(f"{directory}/{word}.pressure").splitlines():
        name, *values = line.split()
        lines[name] = {key: float(number) for key, _, number in (value.partition("=") for value in values)}
    return Pressure(some=lines.get("some", {}), full=lines.get("full", {})) if lines else None


def transfers(text: str) -> tuple[Transfer, ...]:
    """The lines `8:0 Read 4096` of a v1 blkio file; the line "Total" has no device and is left out."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3:
            major, _, minor = words[0].partition(":")
            found.append(Transfer(major=int(major), minor=int(minor), operation=words[1], value=int(words[2])))
    return tuple(found)


def io_stat(text: str) -> tuple[tuple[Transfer, ...], tuple[Transfer, ...]]:
    """Bytes and operations in the lines `8:0 rbytes=1 wbytes=2 rios=3 wios=4 …` of io.stat."""
    found: dict[str, list[Transfer]] = {"bytes": [], "ios": []}
    for line in text.splitlines():
        device, _, rest = line.partition(" ")
        major, _, minor = device.partition(":")
        counters = dict(word.partition("=")[::2] for word in rest.split())
        for kind, list_of in found.items():
            for letter, operation in (("r", "read"), ("w", "write")):
                if (value := counters.get(letter + kind, "")).isdecimal() and minor.isdecimal():
                    transfer = Transfer(major=int(major), minor=int(minor), operation=operation, value=int(value))
                    list_of.append(transfer)
    return tuple(found["bytes"]), tuple(found["ios"])


def pairs(text: str) -> dict[str, int]:
    """The lines `key number`."""
    return {key: int(value) for key, _, value in (line.partition(" ") for line in text.splitlines()) if value.isdigit()}


def _number(path: str) -> int:
    text = _text(path).strip()
    return UNLIMITED if text in NO_LIMIT else int(text) if text.isdigit() else 0


def _text(path: str) -> str:
    """A control file in one read; "" when there is none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    try:
        return os.read(fd, READ_SIZE).decode()
    except OSError:
        return ""  # this kernel has the file and not what it tells of, or the cgroup has just gone
    finally:
        os.close(fd)
