"""What does this machine offer, and how is this daemon set up?

Both are values, made once at start-up and passed to whoever must decide: `Host` is found out, `Options` are dockerd's
flags that concern containers.
"""

import glob
import os
import platform
import resource
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sampan.linux import capability, cgroupfs, procfs

IdMap = tuple[int, int]
"""(first id on the host, how many) for the users 0, 1, … of a container."""

CDI_SPEC_DIRS = ("/etc/cdi", "/var/run/cdi")
DEFAULT_SHM_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Facts about the machine.

    `cgroups`: "legacy", "hybrid" or "unified". `limits`: the words of `LIMITS` that can be enforced here.
    `capabilities`: what a privileged container gets, the daemon's own bounding set.
    """

    cpu_count: int = 1
    cpus: str = "0"
    memory_nodes: str = "0"
    memory_bytes: int = 0
    cgroups: str = "unified"
    limits: frozenset[str] = frozenset()
    capabilities: frozenset[str] = frozenset()
    architecture: str = "x86_64"
    kernel: tuple[int, int] = (5, 11)
    hostname: str = "localhost"
    thermal_paths: tuple[str, ...] = ()
    sysctls: frozenset[str] = frozenset()
    has_apparmor: bool = False
    has_selinux: bool = False
    has_time_namespaces: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the daemon was told to treat containers. Fields are named after dockerd's flags.

    `directory` keeps a subdirectory for each container. `runtimes` maps a name to the command of an OCI runtime, ""
    being our own.
    """

    directory: Path
    cgroup_parent: str = "/sampan"
    default_runtime: str = "sampan"
    runtimes: Mapping[str, str] = field(default_factory=lambda: {"sampan": "", "runc": "runc"})
    default_shm_size: int = DEFAULT_SHM_BYTES
    default_ipc_mode: str = "private"
    default_cgroupns_mode: str = ""
    default_ulimits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    init: bool = False
    no_new_privileges: bool = False
    storage_driver: str = "erofs"
    log_driver: str = "json-file"
    log_opts: Mapping[str, str] = field(default_factory=dict)
    dns: tuple[str, ...] = ()
    dns_opts: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    host_gateway_ip: str = ""
    cdi_spec_dirs: tuple[str, ...] = CDI_SPEC_DIRS
    userns_remap: tuple[IdMap, IdMap] | None = None
    seccomp_profile: "str | Mapping[str, Any]" = "default"


# What must exist for a limit to be enforced: the controller, its v1 file and its v2 file. "": the controller is enough,
# since the root cgroup has no such file and need not have a child yet. None: version 2 has no such limit.
LIMITS: Mapping[str, tuple[str, str, str | None]] = {
    "memory": ("memory", "memory.limit_in_bytes", "memory.max"),
    "swap": ("memory", "memory.memsw.limit_in_bytes", "memory.swap.max"),
    "reservation": ("memory", "memory.soft_limit_in_bytes", "memory.low"),
    "swappiness": ("memory", "memory.swappiness", None),
    "oom_kill_disable": ("memory", "memory.oom_control", None),
    "cpu_shares": ("cpu", "cpu.shares", "cpu.weight"),
    "cpu_cfs": ("cpu", "cpu.cfs_quota_us", "cpu.max"),
    "cpu_realtime": ("cpu", "cpu.rt_period_us", None),
    "cpuset": ("cpuset", "cpuset.cpus", "cpuset.cpus"),
    "pids": ("pids", "", "pids.max"),
    "blkio_weight": ("blkio", "blkio.weight|blkio.bfq.io_serviced", "io.weight|io.bfq.weight"),
    "blkio_weight_device": ("blkio", "blkio.weight_device|blkio.bfq.io_serviced", "io.weight|io.bfq.weight"),
    "blkio_rates": ("blkio", "blkio.throttle.read_bps_device", "io.max"),
}

NOFILE = (1024, 524_288)
"""Open files a process may have, softly and at most: what systemd gives each of its services. (Programs that close
every descriptor they could have take minutes where the limit is a billion; moby #38814.)"""


def default_ulimits() -> Mapping[str, tuple[int, int]]:
    """The limits of a container for which nobody asked for others, as far as this process may set them."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = int(_line("/proc/sys/fs/nr_open") or hard)
    if "CAP_SYS_RESOURCE" not in _own_bounding_set():
        most = min(most, hard) if hard != resource.RLIM_INFINITY else most
    return {"nofile": (min(NOFILE[0], most), min(NOFILE[1], most))}


SYSCTLS = ("net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start")


def probe() -> Host:
    """Look at this machine; takes some milliseconds."""
    hierarchies = cgroupfs.hierarchies()
    release = platform.release().split(".")
    return Host(
        cpu_count=os.cpu_count() or 1,
        cpus=_line("/sys/devices/system/cpu/online") or "0",
        memory_nodes=_line("/sys/devices/system/node/online") or "0",
        memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        cgroups=cgroupfs.mode(hierarchies),
        limits=supported_limits(hierarchies),
        capabilities=_own_bounding_set(),
        architecture=platform.machine(),
        kernel=(int(release[0]), int(release[1])),
        hostname=platform.node(),
        thermal_paths=tuple(sorted(glob.glob("/sys/devices/system/cpu/cpu[0-9]*/thermal_throttle"))),
        sysctls=frozenset(name for name in SYSCTLS if os.path.exists("/proc/sys/" + name.replace(".", "/"))),
        has_apparmor=os.path.exists("/sys/kernel/security/apparmor/profiles"),
        has_selinux=os.path.exists("/sys/fs/selinux/enforce"),
        has_time_namespaces=os.path.exists("/proc/self/ns/time"),
    )


def _own_bounding_set() -> frozenset[str]:
    bits = int(procfs.status()["CapBnd"], 16)
    return frozenset(name for bit, name in enumerate(capability.CAPABILITIES) if bits >> bit & 1)


def supported_limits(hierarchies: tuple[cgroupfs.Hierarchy, ...]) -> frozenset[str]:
    """The words of LIMITS that these cgroup hierarchies can enforce."""
    return frozenset(name for name in LIMITS if _can_limit(name, hierarchies))


def _can_limit(name: str, hierarchies: tuple[cgroupfs.Hierarchy, ...]) -> bool:
    controller, version_1, version_2 = LIMITS[name]
    for hierarchy in hierarchies:
        if hierarchy.version == 1 and controller in hierarchy.controllers:
            return any(glob.glob(f"{hierarchy.mount}/{file}") for file in version_1.split("|"))
        if hierarchy.version == 2 and (io := {"blkio": "io"}.get(controller, controller)) in hierarchy.controllers:
            return version_2 is not None and _child_has(hierarchy.mount, io, version_2.split("|"))
    return False


def _child_has(mount: str, controller: str, files: Sequence[str]) -> bool:
    """Whether a cgroup of version 2 can have one of these files. The root has none of them: any child shows it.

    A machine without children, or one that has not given the controller to any, is believed to have all.
    """
    shown = glob.glob(f"{mount}/*/{controller}.*")
    return not shown or any(os.path.basename(path) in files for path in shown)


def _line(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
