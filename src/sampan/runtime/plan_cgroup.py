"""Which cgroup control files get which values?

Pure: OCI `linux.resources` (config-linux.md "Control groups") becomes writes for cgroup v1 or v2. A hybrid machine
gets v1 names for the controllers that are on v1 and v2 names for the rest. The v2 conversions are those every OCI
runtime uses (crun's documentation, cgroup-v2.md of the kernel).
"""

from collections.abc import Callable, Mapping
from typing import Any

from sampan.errors import InvalidRequest
from sampan.runtime.plan import CgroupWrite, DeviceRule

Versions = Mapping[str, int]  # controller (v1 name) → 1 or 2; absent: this machine has no such controller

PERIOD_DEFAULT = 100_000  # µs: the kernel's cpu.cfs_period_us


def plan_writes(resources: Mapping[str, Any], versions: Versions) -> tuple[CgroupWrite, ...]:
    """The writes for `resources`, in the order they must be made. Raises InvalidRequest for a missing controller."""
    plan = _Writes(versions)
    _memory(resources.get("memory") or {}, plan)
    _cpu(resources.get("cpu") or {}, plan)
    _pids(resources.get("pids") or {}, plan)
    _block(resources.get("blockIO") or {}, plan)
    _rest(resources, plan)
    return tuple(plan.writes)


class _Writes:
    """Collects writes, choosing between the v1 and the v2 form of each."""

    def __init__(self, versions: Versions) -> None:
        self.versions = versions
        self.writes: list[CgroupWrite] = []

    def version(self, controller: str) -> int:
        version = self.versions.get(controller)
        if version is None:
            raise InvalidRequest(f"this kernel has no {controller} cgroup controller, so its limit cannot be set")
        return version

    def add(self, controller: str, file: str, value: object, *, required: bool = True) -> None:
        self.writes.append(CgroupWrite(controller=controller, file=file, value=str(value), required=required))

    def either(self, controller: str, one: tuple[str, object], two: tuple[str, object] | None) -> None:
        """Write file and value `one` on v1, `two` on v2 (None: v2 has no such limit, and none is needed)."""
        choice = one if self.version(controller) == 1 else two
        if choice:
            self.add(controller, *choice)


def _memory(memory: Mapping[str, Any], plan: _Writes) -> None:
    limit, swap = memory.get("limit"), memory.get("swap")
    if limit == -1 and swap is None:
        swap = -1  # memory without an end does not fit into a limit of both together (runc)
    if limit is not None and limit != 0:
        plan.either("memory", ("memory.limit_in_bytes", limit), ("memory.max", _or_max(limit)))
    if swap is not None and swap != 0:
        # OCI's swap is memory + swap together, as in v1; v2 counts swap alone.
        alone = "max" if swap == -1 else swap - (limit or 0)
        if plan.version("memory") == 1:
            # A kernel without swap accounting has no such file; runc goes on when no swap was asked for.
            plan.add("memory", "memory.memsw.limit_in_bytes", swap, required=swap not in (-1, limit, 2 * (limit or 0)))
        else:
            plan.add("memory", "memory.swap.max", alone, required=alone not in (0, "max"))
    if memory.get("reservation"):
        low = memory["reservation"]
        plan.either("memory", ("memory.soft_limit_in_bytes", low), ("memory.low", _or_max(low)))
    if memory.get("swappiness") is not None and memory["swappiness"] != -1:
        plan.either("memory", ("memory.swappiness", memory["swappiness"]), None)
    if memory.get("disableOOMKiller"):
        plan.either("memory", ("memory.oom_control", 1), None)


def _cpu(cpu: Mapping[str, Any], plan: _Writes) -> None:
    quota, period = cpu.get("quota"), cpu.get("period")
    if cpu.get("shares"):
        plan.either("cpu", ("cpu.shares", cpu["shares"]), ("cpu.weight", weight_of_shares(cpu["shares"])))
    if (quota or period) and plan.version("cpu") == 2:
        plan.add("cpu", "cpu.max", f"{_or_max(quota or -1)} {period or PERIOD_DEFAULT}")
    elif quota or period:
        # The period first: a quota is checked against the period in force.
        if period:
            plan.add("cpu", "cpu.cfs_period_us", period)
        if quota:
            plan.add("cpu", "cpu.cfs_quota_us", quota)
    for key, file in (("realtimePeriod", "cpu.rt_period_us"), ("realtimeRuntime", "cpu.rt_runtime_us")):
        if cpu.get(key):
            plan.either("cpu", (file, cpu[key]), None)
    if cpu.get("idle") is not None:
        plan.either("cpu", ("cpu.idle", cpu["idle"]), ("cpu.idle", cpu["idle"]))
    for key, file in (("cpus", "cpuset.cpus"), ("mems", "cpuset.mems")):
        if cpu.get(key):
            plan.either("cpuset", (file, cpu[key]), (file, cpu[key]))


def weight_of_shares(shares: int) -> int:
    """cpu.weight (1–10000) for cpu.shares (2–262144): the linear map that runc and crun use."""
    return 1 + (max(2, min(shares, 262_144)) - 2) * 9_999 // 262_142


def _pids(pids: Mapping[str, Any], plan: _Writes) -> None:
    limit = pids.get("limit")
    if limit:
        plan.either("pids", ("pids.max", _or_max(limit)), ("pids.max", _or_max(limit)))


def _block(block: Mapping[str, Any], plan: _Writes) -> None:
    weight = block.get("weight")
    if weight:
        scaled = 1 + (weight - 10) * 9_999 // 990
        # CFQ's file went with CFQ (5.0); BFQ has its own under both versions.
        plan.either("blkio", ("blkio.bfq.weight|blkio.weight", weight), ("io.bfq.weight|io.weight", scaled))
    for device in block.get("weightDevice") or ():
        text = f"{device['major']}:{device['minor']} {device['weight']}"
        plan.either("blkio", ("blkio.bfq.weight_device|blkio.weight_device", text), ("io.bfq.weight", text))
    rates = {
        "throttleReadBpsDevice": ("blkio.throttle.read_bps_device", "rbps"),
        "throttleWriteBpsDevice": ("blkio.throttle.write_bps_device", "wbps"),
        "throttleReadIOPSDevice": ("blkio.throttle.read_iops_device", "riops"),
        "throttleWriteIOPSDevice": ("blkio.throttle.write_iops_device", "wiops"),
    }
    for key, (file, word) in rates.items():
        for device in block.get(key) or ():
            number = f"{device['major']}:{device['minor']}"
            plan.either("blkio", (file, f"{number} {device['rate']}"), ("io.max", f"{number} {word}={device['rate']}"))


def _rest(resources: Mapping[str, Any], plan: _Writes) -> None:
    for page in resources.get("hugepageLimits") or ():
        size, limit = page["pageSize"], page["limit"]
        plan.either("hugetlb", (f"hugetlb.{size}.limit_in_bytes", limit), (f"hugetlb.{size}.max", limit))
    network = resources.get("network") or {}
    if network.get("classID"):
        plan.either("net_cls", ("net_cls.classid", network["classID"]), None)
    for priority in network.get("priorities") or ():
        plan.either("net_prio", ("net_prio.ifpriomap", f"{priority['name']} {priority['priority']}"), None)
    for file, value in (resources.get("unified") or {}).items():
        if "/" in file or "." not in file:
            raise InvalidRequest(f'unified resource "{file}" is not the name of a cgroup v2 file')
        plan.add("unified", file, value)


def _or_max(number: int) -> object:
    return "max" if number < 0 else number


# What every container may do beside the spec's rules, or its standard devices would not work: make any node, and use
# null, zero, full, random, urandom, tty, console, ptmx and the ptys (runc's AllowedDevices).
ALWAYS_ALLOWED: tuple[DeviceRule, ...] = tuple(
    DeviceRule(allow=True, kind=kind, major=major, minor=minor, access=access)
    for kind, major, minor, access in (
        ("c", -1, -1, "m"),
        ("b", -1, -1, "m"),
        ("c", 1, 3, "rwm"),
        ("c", 1, 8, "rwm"),
        ("c", 1, 7, "rwm"),
        ("c", 5, 0, "rwm"),
        ("c", 1, 5, "rwm"),
        ("c", 1, 9, "rwm"),
        ("c", 136, -1, "rwm"),
        ("c", 5, 2, "rwm"),
        ("c", 10, 200, "rwm"),
    )
)


def plan_devices(resources: Mapping[str, Any]) -> tuple[DeviceRule, ...]:
    """The device rules in the order they apply: the spec's, then what no container can do without."""
    rules = [_rule(rule) for rule in resources.get("devices") or ()]
    return (*rules, *ALWAYS_ALLOWED) if rules else ()


def _rule(rule: Mapping[str, Any]) -> DeviceRule:
    kind = rule.get("type") or "a"
    if kind not in ("a", "b", "c"):
        raise InvalidRequest(f'device rule of unknown type "{kind}"')
    number: Callable[[str], int] = lambda key: -1 if rule.get(key) is None else int(rule[key])  # noqa: E731
    return DeviceRule(
        allow=bool(rule.get("allow")),
        kind=kind,
        major=number("major"),
        minor=number("minor"),
        # Letters that mean nothing are passed over, as runc does.
        access="".join(letter for letter in "rwm" if letter in (rule.get("access") or "rwm")),
    )
