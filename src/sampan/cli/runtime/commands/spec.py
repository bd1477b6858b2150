"""sampan runtime spec: write a config.json to begin from, the one that runc writes."""

import json
import os
from typing import Any

from sampan.cli.flags import SWITCH, TEXT, Flag
from sampan.cli.runtime.call import Call, Command
from sampan.errors import Conflict, InvalidRequest, NotSupported
from sampan.linux.cgroupfs import hierarchies

FLAGS = (
    Flag("bundle", TEXT, "Path to the root of the bundle directory", short="b"),
    Flag("rootless", SWITCH, "Refused: containers are made as root"),
)
NAMESPACES = ("pid", "network", "ipc", "uts", "mount")
KEPT = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
MASKED = (
    "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
    "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi",
)  # fmt: skip
READONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


def run(call: Call) -> int:
    """Write config.json; one that is there stays."""
    if call.options["rootless"]:
        raise NotSupported("rootless containers are not supported: leave --rootless out")
    path = os.path.join(call.options["bundle"], "config.json")
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(json.dumps(default_spec(), indent="\t"))
    except FileExistsError:
        raise Conflict("File config.json exists. Remove it first") from None
    except OSError as error:
        raise InvalidRequest(f"open {path}: {(error.strerror or '').lower()}") from None
    return 0


def only_unified() -> bool:
    """Whether cgroup v2 is all there is: then runc adds a cgroup namespace."""
    return [hierarchy.version for hierarchy in hierarchies()] == [2]


def default_spec() -> dict[str, Any]:
    """A shell with a terminal, in the namespaces of its own that need no further settings."""
    return {
        "ociVersion": "1.2.0",
        "process": {
            "terminal": True,
            "user": {"uid": 0, "gid": 0},
            "args": ["sh"],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {"bounding": KEPT, "effective": KEPT, "permitted": KEPT},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "runc",
        "mounts": default_mounts(),
        "linux": {
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "namespaces": [{"type": kind} for kind in (*NAMESPACES, *(("cgroup",) if only_unified() else ()))],
            "maskedPaths": list(MASKED),
            "readonlyPaths": list(READONLY),
        },
    }


def default_mounts() -> list[dict[str, Any]]:
    """The filesystems that programs expect."""
    quiet = ["nosuid", "noexec", "nodev"]
    shm = [*quiet, "mode=1777", "size=65536k"]
    pts = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]
    rows: tuple[tuple[str, str, str, list[str]], ...] = (
        ("/proc", "proc", "proc", []),
        ("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        ("/dev/pts", "devpts", "devpts", pts),
        ("/dev/shm", "tmpfs", "shm", shm),
        ("/dev/mqueue", "mqueue", "mqueue", quiet),
        ("/sys", "sysfs", "sysfs", [*quiet, "ro"]),
        ("/sys/fs/cgroup", "cgroup", "cgroup", [*quiet, "relatime", "ro"]),
    )
    return [
        {"destination": target, "type": kind, "source": source} | ({"options": options} if options else {})
        for target, kind, source, options in rows
    ]


COMMAND = Command(usage="", run=run, flags=FLAGS, least=0, most=0)
