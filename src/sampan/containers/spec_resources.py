"""Which limits does a container's cgroup set, and which devices does it allow?

Pure; `linux.resources` of the OCI runtime spec (config-linux.md, "Control groups"). Only what was asked for is there:
an absent limit is the kernel's default. Used for a start and, without devices, for an update.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sampan.containers.devices import RULE, Device
from sampan.wire.containers import HostConfig, ThrottleDevice

PERIOD_USEC = 100_000
Numbers = Mapping[str, tuple[int, int]]

# Docker's list, on top of which every OCI runtime allows what its standard devices need: mem devices, tty, console.
ALLOWED_DEVICES = ((1, 5), (1, 3), (1, 9), (1, 8), (5, 0), (5, 1))
FUSE = (10, 229)


def resources(asked: HostConfig, block_devices: Numbers, devices: Sequence[Device]) -> dict[str, Any]:
    """The whole of `linux.resources`; `block_devices` has the numbers of each path that a limit names."""
    return {"devices": device_rules(asked, devices), **limits(asked, block_devices)}


def limits(asked: HostConfig, block_devices: Numbers) -> dict[str, Any]:
    """Everything but devices."""
    groups = {"memory": _memory(asked), "cpu": _cpu(asked), "blockIO": _block(asked, block_devices)}
    if asked.pids_limit is not None:
        groups["pids"] = {"limit": asked.pids_limit if asked.pids_limit > 0 else -1}
    return {name: values for name, values in groups.items() if values}


def _memory(asked: HostConfig) -> dict[str, Any]:
    values = {
        "limit": asked.memory if asked.memory > 0 else None,
        "reservation": asked.memory_reservation if asked.memory_reservation > 0 else None,
        "swap": asked.memory_swap or None,
        "swappiness": asked.memory_swappiness,
        "disableOOMKiller": asked.oom_kill_disable or None,
    }
    return {name: value for name, value in values.items() if value is not None}


def _cpu(asked: HostConfig) -> dict[str, Any]:
    quota, period = asked.cpu_quota, asked.cpu_period
    if asked.nano_cpus > 0:
        period = PERIOD_USEC
        quota = asked.nano_cpus * PERIOD_USEC // 1_000_000_000
    values = {
        "shares": max(asked.cpu_shares, 0),
        "quota": quota,
        "period": period,
        "realtimePeriod": asked.cpu_realtime_period,
        "realtimeRuntime": asked.cpu_realtime_runtime,
        "cpus": asked.cpuset_cpus,
        "mems": asked.cpuset_mems,
    }
    return {name: value for name, value in values.items() if value}


def _block(asked: HostConfig, numbers: Numbers) -> dict[str, Any]:
    values = {
        "weight": asked.blkio_weight,
        "weightDevice": [
            {"major": numbers[each.path][0], "minor": numbers[each.path][1], "weight": each.weight}
            for each in asked.blkio_weight_device or ()
        ],
        "throttleReadBpsDevice": _rates(asked.blkio_device_read_bps, numbers),
        "throttleWriteBpsDevice": _rates(asked.blkio_device_write_bps, numbers),
        "throttleReadIOPSDevice": _rates(asked.blkio_device_read_iops, numbers),
        "throttleWriteIOPSDevice": _rates(asked.blkio_device_write_iops, numbers),
    }
    return {name: value for name, value in values.items() if value}


def _rates(devices: Sequence[ThrottleDevice] | None, numbers: Numbers) -> list[dict[str, int]]:
    return [
        {"major": numbers[each.path][0], "minor": numbers[each.path][1], "rate": each.rate} for each in devices or ()
    ]


def block_device_paths(asked: HostConfig) -> set[str]:
    """The host paths that the block limits name."""
    lists = (
        asked.blkio_weight_device,
        asked.blkio_device_read_bps,
        asked.blkio_device_write_bps,
        asked.blkio_device_read_iops,
        asked.blkio_device_write_iops,
    )
    return {device.path for devices in lists for device in devices or ()}


def device_rules(asked: HostConfig, devices: Sequence[Device]) -> list[dict[str, Any]]:
    """Deny everything, then allow Docker's list, --device and --device-cgroup-rule; everything when privileged."""
    if asked.privileged:
        return [{"allow": True, "access": "rwm"}]
    rules: list[dict[str, Any]] = [{"allow": False, "access": "rwm"}]
    rules += [_rule("c", major, minor, "rwm") for major, minor in ALLOWED_DEVICES]
    rules.append({**_rule("c", *FUSE, "rwm"), "allow": False})
    rules += [_rule(device.kind, device.major, device.minor, device.permissions) for device in devices]
    for text in asked.device_cgroup_rules or ():
        if match := RULE.fullmatch(text):
            kind, major, minor, access = match.groups()
            rules.append(_rule(kind, _number(major), _number(minor), access))
    return rules


def _rule(kind: str, major: int, minor: int, access: str) -> dict[str, Any]:
    return {"allow": True, "type": kind, "major": major, "minor": minor, "access": access}


def _number(text: str) -> int:
    return -1 if text == "*" else int(text)
