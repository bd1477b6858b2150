"""Which limits does the container get? cgroup settings, ulimits, sysctls, restart policy."""

from __future__ import annotations

from sampan.cli.command import Failure
from sampan.cli.flags import Options, read_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ULIMITS = "core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack"
ULIMITS = frozenset(_ULIMITS.split())
_SYSCTLS = "msgmax msgmnb msgmni sem shmall shmmax shmmni shm_rmid_forced"
NAMESPACED_SYSCTLS = frozenset(f"kernel.{name}" for name in _SYSCTLS.split())
NAMESPACED_PREFIXES = ("net.", "fs.mqueue.")
WINDOWS_ONLY = ("cpu-count", "cpu-percent", "io-maxbandwidth", "io-maxiops")


def resources(options: Options) -> dict[str, Any]:
    """The cgroup part of HostConfig. Raises Failure."""
    swappiness = options["memory-swappiness"]
    if swappiness != -1 and not 0 <= swappiness <= 100:
        raise Failure(f"invalid value: {swappiness}. Valid memory swappiness range is 0-100", 125)
    for flag in WINDOWS_ONLY:
        if options.given(flag):
            raise Failure(f'"--{flag}" is only supported on Windows: leave it out')
    return {
        "CpuShares": options["cpu-shares"],
        "Memory": options["memory"],
        "NanoCpus": options["cpus"],
        "CgroupParent": options["cgroup-parent"],
        "BlkioWeight": options["blkio-weight"],
        "BlkioWeightDevice": options["blkio-weight-device"],
        "BlkioDeviceReadBps": options["device-read-bps"],
        "BlkioDeviceWriteBps": options["device-write-bps"],
        "BlkioDeviceReadIOps": options["device-read-iops"],
        "BlkioDeviceWriteIOps": options["device-write-iops"],
        "CpuPeriod": options["cpu-period"],
        "CpuQuota": options["cpu-quota"],
        "CpuRealtimePeriod": options["cpu-rt-period"],
        "CpuRealtimeRuntime": options["cpu-rt-runtime"],
        "CpusetCpus": options["cpuset-cpus"],
        "CpusetMems": options["cpuset-mems"],
        "Devices": devices(options["device"]),
        "DeviceCgroupRules": options["device-cgroup-rule"] or None,
        "DeviceRequests": device_requests(options["gpus"], options["device"]) or None,
        "MemoryReservation": options["memory-reservation"],
        "MemorySwap": options["memory-swap"],
        "MemorySwappiness": swappiness,
        "OomKillDisable": options["oom-kill-disable"],
        "PidsLimit": options["pids-limit"],
        "Ulimits": ulimits(options["ulimit"]),
        "CpuCount": 0,
        "CpuPercent": 0,
        "IOMaximumIOps": 0,
        "IOMaximumBandwidth": 0,
    }


def devices(given: list[str]) -> list[dict[str, str]]:
    """--device values."""
    if not given:
        return []
    from sampan.cli.create.devices import device_mapping, is_cdi_name

    return [device_mapping(text) for text in given if not is_cdi_name(text)]


def device_requests(gpus: list[list[dict[str, Any]]], given: list[str]) -> list[dict[str, Any]]:
    """--gpus values, and those of --device that name a vendor's device."""
    found = [request for requests in gpus for request in requests]
    if given:
        from sampan.cli.create.devices import is_cdi_name

        if named := [text for text in given if is_cdi_name(text)]:
            found.append({"Driver": "cdi", "Count": 0, "DeviceIDs": named, "Capabilities": None, "Options": None})
    return found


def restart_policy(text: str) -> dict[str, Any]:
    """`on-failure:3`. Raises Failure; names that no engine knows are left for it to refuse."""
    name, colon, count = text.partition(":")
    if colon and not count.isdigit():
        raise Failure(
            f"invalid restart policy format {text!r}: the maximum retry count must be a number, as in on-failure:3", 125
        )
    return {"Name": name, "MaximumRetryCount": int(count) if colon else 0}


def ulimits(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """--ulimit values in order of their names; of one name the last counts."""
    by_name = {limit["Name"]: limit for limit in given}
    return [by_name[name] for name in sorted(by_name)]


def read_ulimit(text: str) -> dict[str, Any]:
    """`nofile=1024:2048`; one number sets both limits, -1 means unlimited."""
    name, equals, limits = text.partition("=")
    soft_text, colon, hard_text = limits.partition(":")
    if not equals:
        raise ValueError(f"invalid ulimit argument: {text}: write it as --ulimit nofile=1024:2048")
    if name not in ULIMITS:
        raise ValueError(f"invalid ulimit type: {name}")
    soft = read_number(soft_text)
    hard = read_number(hard_text) if colon else soft
    if hard != -1 and (soft == -1 or soft > hard):
        raise ValueError(f"ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}")
    return {"Name": name, "Hard": hard, "Soft": soft}


def read_sysctl(text: str) -> str:
    """NAME=VALUE, where NAME is a setting that belongs to a namespace and not to the whole machine."""
    name, equals, _ = text.partition("=")
    if not equals:
        raise ValueError(f"sysctl '{text}' is not allowed: write it as --sysctl net.core.somaxconn=1024")
    if name not in NAMESPACED_SYSCTLS and not name.startswith(NAMESPACED_PREFIXES):
        raise ValueError(f"sysctl '{text}' is not allowed: it would change the whole machine")
    return text
