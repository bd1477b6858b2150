"""What does the engine say about itself: `/version`, `/info`, the headers of `/_ping`?

`About` is filled in once by the daemon. Fields are those of Docker Engine API 1.51 (`SystemVersion`, `SystemInfo`); the
docker CLI prints most of them, compose and testcontainers read a few.
"""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sampan.wire import timestamps, versions

# The dockerd release whose API is spoken, as clients compare it; what follows the plus is ours (semver build metadata).
DOCKER_RELEASE = "28.3.0"
INDEX_SERVER = "https://index.docker.io/v1/"


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Facts about this engine and its machine that do not change while it runs."""

    sampan_version: str
    engine_id: str = ""
    name: str = ""
    kernel_version: str = ""
    operating_system: str = ""
    os_version: str = ""
    machine: str = "x86_64"
    cpu_count: int = 1
    memory_bytes: int = 0
    data_root: str = ""
    storage_driver: str = "erofs"
    storage_status: tuple[tuple[str, str], ...] = ()
    log_driver: str = "json-file"
    log_drivers: tuple[str, ...] = ("json-file", "none")
    cgroup_driver: str = "cgroupfs"
    cgroup_version: str = "2"
    limits: frozenset[str] = frozenset()
    security_options: tuple[str, ...] = ()
    networks: tuple[str, ...] = ("bridge", "host", "macvlan", "null")
    volumes: tuple[str, ...] = ("local",)
    runtimes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    default_runtime: str = "sampan"
    labels: tuple[str, ...] = ()
    debug: bool = False
    warnings: tuple[str, ...] = ()
    registries: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    started_ns: int = 0
    cdi_spec_dirs: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """The engine's version as clients see it."""
        return f"{DOCKER_RELEASE}+sampan{self.sampan_version}"

    @property
    def architecture(self) -> str:
        """The machine in Go's words."""
        return {"x86_64": "amd64", "aarch64": "arm64"}.get(self.machine, self.machine)


def _registry_config(about: About) -> dict[str, Any]:
    mirrors = [f"{url}/" for url in about.registries.get("mirrors", ())]
    insecure = about.registries.get("insecure", ())
    hosts = {name: _index(name, secure=False) for name in insecure if "/" not in name}
    return {
        "InsecureRegistryCIDRs": ["::1/128", "127.0.0.0/8", *(block for block in insecure if "/" in block)],
        "IndexConfigs": {**hosts, "docker.io": {**_index("docker.io"), "Mirrors": mirrors, "Official": True}},
        "Mirrors": mirrors,
    }


def _index(name: str, *, secure: bool = True) -> dict[str, Any]:
    return {"Name": name, "Mirrors": [], "Secure": secure, "Official": False}


def version_body(about: About) -> dict[str, Any]:
    """The body of `GET /version`."""
    details = {
        "ApiVersion": str(versions.NEWEST),
        "Arch": about.architecture,
        "BuildTime": "",
        "Experimental": "false",
        "GitCommit": "",
        "GoVersion": "",
        "KernelVersion": about.kernel_version,
        "MinAPIVersion": str(versions.OLDEST),
        "Os": "linux",
    }
    return {
        "Platform": {"Name": f"sampan {about.sampan_version}"},
        "Components": [{"Name": "Engine", "Version": about.version, "Details": details}],
        "Version": about.version,
        "ApiVersion": str(versions.NEWEST),
        "MinAPIVersion": str(versions.OLDEST),
        "GitCommit": "",
        "GoVersion": "",
        "Os": "linux",
        "Arch": about.architecture,
        "KernelVersion": about.kernel_version,
        "BuildTime": "",
    }


def info_body(
    about: About, counts: Mapping[str, int], images: int, listeners: int, devices: Sequence[str] = ()
) -> dict[str, Any]:
    """The body of `GET /info`; `counts`: containers by their status; `devices`: what vendors offer."""
    return {
        "ID": about.engine_id,
        "Containers": sum(counts.values()),
        "ContainersRunning": counts.get("running", 0),
        "ContainersPaused": counts.get("paused", 0),
        "ContainersStopped": sum(counts.values()) - counts.get("running", 0) - counts.get("paused", 0),
        "Images": images,
        **_storage_and_plugins(about),
        **_limits(about),
        "Debug": about.debug,
        "NFd": len(os.listdir("/proc/self/fd")),
        "NGoroutines": 0,
        "SystemTime": timestamps.rfc3339_nano(time.time_ns()),
        "LoggingDriver": about.log_driver,
        "CgroupDriver": about.cgroup_driver,
        "CgroupVersion": about.cgroup_version,
        "NEventsListener": listeners,
        **_machine(about),
        "DockerRootDir": about.data_root,
        "HttpProxy": "",
        "HttpsProxy": "",
        "NoProxy": "",
        "Name": about.name,
        "Labels": list(about.labels),
        "ExperimentalBuild": False,
        "ServerVersion": about.version,
        **_runtimes(about),
        "LiveRestoreEnabled": True,
        "Isolation": "",
        "InitBinary": "sampan",
        "SecurityOptions": list(about.security_options),
        "FirewallBackend": {"Driver": "none"},
        "DiscoveredDevices": [{"Source": "cdi", "ID": name} for name in devices],
        "CDISpecDirs": list(about.cdi_spec_dirs),
        "Warnings": list(about.warnings) or None,
    }


def _storage_and_plugins(about: About) -> dict[str, Any]:
    return {
        "Driver": about.storage_driver,
        "DriverStatus": [list(pair) for pair in about.storage_status],
        "Plugins": {
            "Volume": list(about.volumes),
            "Network": list(about.networks),
            "Authorization": None,
            "Log": list(about.log_drivers),
        },
    }


def _limits(about: About) -> dict[str, Any]:
    words = {
        "MemoryLimit": "memory",
        "SwapLimit": "swap",
        "CpuCfsPeriod": "cpu_cfs",
        "CpuCfsQuota": "cpu_cfs",
        "CPUShares": "cpu_shares",
        "CPUSet": "cpuset",
        "PidsLimit": "pids",
        "OomKillDisable": "oom_kill_disable",
    }
    return {name: word in about.limits for name, word in words.items()} | {
        "IPv4Forwarding": True,
        "BridgeNfIptables": False,
        "BridgeNfIp6tables": False,
    }


def _machine(about: About) -> dict[str, Any]:
    return {
        "KernelVersion": about.kernel_version,
        "OperatingSystem": about.operating_system,
        "OSVersion": about.os_version,
        "OSType": "linux",
        "Architecture": about.machine,
        "IndexServerAddress": INDEX_SERVER,
        "RegistryConfig": _registry_config(about),
        "NCPU": about.cpu_count,
        "MemTotal": about.memory_bytes,
        "GenericResources": None,
    }


def _runtimes(about: About) -> dict[str, Any]:
    ours = {"ID": about.sampan_version}
    return {
        "Runtimes": {name: dict(runtime) for name, runtime in about.runtimes.items()},
        "DefaultRuntime": about.default_runtime,
        "Swarm": {
            "NodeID": "",
            "NodeAddr": "",
            "LocalNodeState": "inactive",
            "ControlAvailable": False,
            "Error": "",
            "RemoteManagers": None,
        },
        # The CLI prints a line for each of the three; ours is one program.
        "ContainerdCommit": ours,
        "RuncCommit": ours,
        "InitCommit": ours,
    }
