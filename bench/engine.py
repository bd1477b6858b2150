"""How long does the engine alone take from "start" to the exit of /bin/true, over the least the kernel asks for?

    bench/engine.py FLOOR.c ROOT [--runs N]

FLOOR.c is a C program that does one container's kernel work and nothing else (`floor N LOWERDIR` prints the
milliseconds of each); ROOT is an unpacked root filesystem with a static /bin/true. Both sides run in turn, in the same
process tree; the ratio of the medians is what counts. Root; uses a run root and a cgroup of its own.
"""

import argparse
import asyncio
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sampan.oci.mount import Mount, Rootfs
from sampan.runtime.client import LogOptions, Runtime, Stdio

CAPABILITIES = [
    f"CAP_{name}"
    for name in (
        *("CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP"),
        *("NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"),
    )
]
MASKED = [
    f"/proc/{name}"
    for name in (
        *("acpi", "asound", "interrupts", "kcore", "keys", "latency_stats", "sched_debug", "scsi"),
        *("timer_list", "timer_stats"),
    )
]
READ_ONLY = [f"/proc/{name}" for name in ("bus", "fs", "irq", "sys", "sysrq-trigger")]


def mount(target: str, kind: str, source: str, options: str) -> dict[str, Any]:
    """One entry of the spec's mounts."""
    return {"destination": target, "type": kind, "source": source, "options": options.split(",")}


def specification(cgroup: str) -> dict[str, Any]:
    """A container as docker makes one by default, running /bin/true."""
    quiet = "nosuid,noexec,nodev"
    return {
        "root": {},
        "hostname": "bench",
        "process": {
            "args": ["/bin/true"],
            "cwd": "/",
            "env": ["PATH=/bin"],
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), CAPABILITIES),
        },
        "mounts": [
            mount("/proc", "proc", "proc", quiet),
            mount("/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"),
            mount("/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"),
            mount("/sys", "sysfs", "sysfs", f"{quiet},ro"),
            mount("/sys/fs/cgroup", "cgroup", "cgroup", f"ro,{quiet}"),
            mount("/dev/mqueue", "mqueue", "mqueue", quiet),
            mount("/dev/shm", "tmpfs", "shm", f"{quiet},mode=1777,size=67108864"),
        ],
        "annotations": {"sampan.seccomp": "default"},
        "linux": {
            "cgroupsPath": cgroup,
            "namespaces": [{"type": kind} for kind in ("mount", "network", "uts", "pid", "ipc", "time")],
            "maskedPaths": [*MASKED, "/sys/devices/virtual/powercap", "/sys/firmware"],
            "readonlyPaths": READ_ONLY,
            "sysctl": {"net.ipv4.ping_group_range": "0 2147483647", "net.ipv4.ip_unprivileged_port_start": "0"},
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
        },
    }


def rootfs(scratch: Path, root: Path, number: int) -> Rootfs:
    """A fresh writable view of `root`."""
    upper, work = scratch / f"upper{number}", scratch / f"work{number}"
    upper.mkdir()
    work.mkdir()
    options = (f"lowerdir+={root}", f"upperdir={upper}", f"workdir={work}", "redirect_dir=nofollow", "metacopy=off")
    return Rootfs((), Mount(target="/", type="overlay", options=options))


async def once(runtime: Runtime, scratch: Path, root: Path, number: int) -> float:
    """Milliseconds from the request to the known exit of one container."""
    name = f"bench{number}"
    (scratch / name).mkdir()
    view = rootfs(scratch, root, number)
    spec = specification(f"/sampan-bench-{os.getpid()}/{name}")
    begin = time.perf_counter()
    process = await runtime.start(name, spec, rootfs=view, stdio=Stdio(), log=LogOptions(directory=str(scratch / name)))
    status = await process.wait()
    elapsed = (time.perf_counter() - begin) * 1e3
    if status.code:
        sys.exit(f"/bin/true ended with {status}")
    await runtime.forget(name)
    return elapsed


def floor(program: str, root: Path) -> float:
    """Milliseconds of one container in C."""
    said = subprocess.run([program, "5", str(root)], check=True, capture_output=True, text=True).stdout
    return float(re.match(r"[\d.]+", said)[0])  # type: ignore[index]


async def measure(program: str, root: Path, runs: int) -> None:
    """Take both in turn and print the medians and their ratio."""
    ours: list[float] = []
    theirs: list[float] = []
    with tempfile.TemporaryDirectory(prefix="sampan-bench-") as directory:
        scratch = Path(directory)
        runtime = Runtime(scratch / "run", cgroup_parent=f"/sampan-bench-{os.getpid()}")
        await runtime.ready()
        for number in range(runs + 2):
            taken = await once(runtime, scratch, root, number), floor(program, root)
            if number >= 2:  # the first two warm caches on both sides
                ours.append(taken[0])
                theirs.append(taken[1])
        await runtime.close()
        for hierarchy in runtime.machine.hierarchies:
            os.rmdir(f"{hierarchy.mount}/sampan-bench-{os.getpid()}")
    ratio = statistics.median(ours) / statistics.median(theirs)
    print(f"engine {statistics.median(ours):6.2f} ms   floor {statistics.median(theirs):6.2f} ms   ratio {ratio:.2f}")


def main() -> None:
    """Compile the floor and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("floor", help="the C source of the floor")
    parser.add_argument("root", type=Path, help="an unpacked root filesystem")
    parser.add_argument("--runs", type=int, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        program = f"{directory}/floor"
        subprocess.run(["cc", "-O2", options.floor, "-o", program], check=True)
        asyncio.run(measure(program, options.root, options.runs))


if __name__ == "__main__":
    main()
