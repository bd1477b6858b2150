"""What is this machine, in the words of `docker info`? Looked at once, when the daemon starts."""

import os
import platform
import secrets
import shlex
import shutil
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sampan import __version__
from sampan.api.about import About
from sampan.containers.host import Host
from sampan.containers.log_driver import DRIVERS as LOG_DRIVERS
from sampan.daemon.config import Config

ENGINE_ID = "engine-id"
_CGROUP_VERSION = {"legacy": "1", "hybrid": "1", "unified": "2"}


def describe(config: Config, host: Host, *, engine_id: str, storage_driver: str) -> About:
    """What `/info` and `/version` say, as far as it does not change."""
    system = _os_release()
    return About(
        sampan_version=__version__,
        engine_id=engine_id,
        name=platform.node(),
        kernel_version=platform.release(),
        operating_system=system.get("PRETTY_NAME", "Linux"),
        os_version=system.get("VERSION_ID", ""),
        machine=platform.machine(),
        cpu_count=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        data_root=str(config.data_root),
        storage_driver=storage_driver,
        storage_status=(("Layers", "uncompressed tar" if storage_driver == "erofs" else "unpacked directories"),),
        log_driver=config.log_driver,
        log_drivers=LOG_DRIVERS,
        cgroup_version=_CGROUP_VERSION[host.cgroups],
        limits=host.limits,
        security_options=_security_options(config, host),
        runtimes=_runtimes(config.runtimes),
        default_runtime=config.default_runtime,
        labels=config.labels,
        debug=config.debug,
        warnings=_warnings(host),
        started_ns=time.time_ns(),
        cdi_spec_dirs=config.cdi_spec_dirs,
    )


def _runtimes(commands: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """As `docker info` lists them: those that can be had, our own and every other whose program is there."""
    listed: dict[str, dict[str, Any]] = {}
    for name, command in commands.items():
        path, *arguments = shlex.split(command) or ["sampan runtime"]
        if not command or name != "runc" or shutil.which(path):  # runc is named whether or not it is installed
            listed[name] = {"path": path, **({"runtimeArgs": arguments} if arguments else {})}
    return listed


def read_engine_id(data_root: Path) -> str:
    """The id of the engine that owns the data root; made on its first start."""
    path = data_root / ENGINE_ID
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        made = str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))
        path.write_text(made + "\n")
        return made


def engine_made_ns(data_root: Path) -> int:
    """When the engine was first started, Unix nanoseconds: the predefined networks are as old as that."""
    return (data_root / ENGINE_ID).stat().st_mtime_ns


def _security_options(config: Config, host: Host) -> tuple[str, ...]:
    options = [f"name=seccomp,profile={config.seccomp_profile}"]
    if config.userns_remap:
        options.append("name=userns")
    if host.cgroups == "unified":
        options.append("name=cgroupns")
    if config.no_new_privileges:
        options.append("name=no-new-privileges")
    return tuple(options)


def _warnings(host: Host) -> tuple[str, ...]:
    words = {
        "memory": "No memory limit support",
        "swap": "No swap limit support",
        "cpu_cfs": "No cpu cfs quota support",
        "cpu_shares": "No cpu shares support",
        "cpuset": "No cpuset support",
        "pids": "No pids limit support",
    }
    return tuple(f"WARNING: {sentence}" for word, sentence in words.items() if word not in host.limits)


def _os_release() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}
