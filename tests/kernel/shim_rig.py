"""How do tests drive the runtime directly, without an engine? One `Rig` is a runtime and the containers on it."""

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sampan.linux.cgroupfs import hierarchies
from sampan.oci.mount import Mount, Rootfs
from sampan.runtime.client import LogOptions, Process, Runtime, Stdio, Stream
from sampan.runtime.log import read_log

CAPABILITIES = [f"CAP_{name}" for name in ("CHOWN", "DAC_OVERRIDE", "KILL", "SETGID", "SETUID", "SYS_CHROOT", "MKNOD")]
ENVIRONMENT = ["PATH=/bin"]
FIXED = ("redirect_dir=nofollow", "metacopy=off", "index=off", "xino=off")


class Client:
    """The far end of one attached stream."""

    def __init__(self, **options: Any) -> None:
        self.sock, theirs = socket.socketpair()
        self.sock.settimeout(8)
        self.stream = Stream(fd=theirs.detach(), **options)

    def type(self, data: bytes) -> None:
        """Send what a person or a pipe would."""
        self.sock.sendall(data)

    async def wait_for(self, wanted: bytes) -> bytes:
        """Everything received up to and including `wanted`."""
        data = b""
        while wanted not in data:
            try:
                more = await asyncio.to_thread(self.sock.recv, 65536)
            except TimeoutError:
                more = b""
            assert more, f"nothing came, or the stream ended, before {wanted!r}: {data[-500:]!r}"
            data += more
        return data

    async def wait_for_bytes(self, count: int) -> bytes:
        """The next `count` bytes, framing included."""
        return await asyncio.to_thread(self._exactly, count)

    def _exactly(self, count: int) -> bytes:
        parts = []
        while count:
            part = self.sock.recv(min(count, 1 << 20))
            assert part, f"the stream ended {count} bytes too early"
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    async def wait_for_start(self) -> None:
        """Until there is something to read."""
        await asyncio.to_thread(self.sock.recv, 1, socket.MSG_PEEK)

    async def rest(self) -> bytes:
        """Everything until the stream ends."""
        return await asyncio.to_thread(self._rest)

    def _rest(self) -> bytes:
        parts = []
        with suppress(ConnectionResetError):
            while part := self.sock.recv(1 << 20):
                parts.append(part)
        self.sock.close()
        return b"".join(parts)


class Rig:
    """A runtime with its own run root and cgroup parent. Containers run on an overlay over `tree`."""

    def __init__(self, tree: Path, directory: Path) -> None:
        self.tree = tree
        self.directory = directory
        # Short: below it is a unix socket.
        self.run_root = directory / "run"
        self.parent = f"/sampan-test-{os.getpid()}-{directory.name[-12:]}"
        self.events: list[tuple[str, str, dict[str, Any]]] = []
        self.runtimes: list[Runtime] = []
        self.processes: dict[str, Process] = {}
        self.shims: dict[str, int] = {}

    @property
    def runtime(self) -> Runtime:
        """The newest runtime; the first use makes one."""
        return self.runtimes[-1] if self.runtimes else self.another_runtime()

    def another_runtime(self) -> Runtime:
        """A runtime on the same run root, as a daemon that is started again would have it."""
        self.runtimes.append(
            Runtime(self.run_root, cgroup_parent=self.parent, on_event=lambda *event: self.events.append(event))
        )
        return self.runtimes[-1]

    def rootfs(self, name: str) -> Rootfs:
        """A writable view of the tree."""
        for part in ("upper", "work"):
            (self.directory / name / part).mkdir(parents=True, exist_ok=True)
        place = self.directory / name
        options = (f"lowerdir+={self.tree}", f"upperdir={place}/upper", f"workdir={place}/work", *FIXED)
        return Rootfs(shared=(), overlay=Mount(target="/", type="overlay", options=options))

    def log_directory(self, name: str) -> Path:
        """Where the log of a container is."""
        return self.directory / f"log-{name}"

    def log(self, name: str) -> bytes:
        """Every byte of a container's log, in order."""
        entries = read_log(str(self.log_directory(name)), stdout=True, stderr=True)
        return b"".join(entry.payload for entry in entries)

    async def start(
        self,
        name: str,
        *argv: str,
        stdio: Stdio | None = None,
        clients: tuple[Client, ...] = (),
        log: LogOptions | None = None,
        resources: dict[str, Any] | None = None,
        init: bool = False,
        **process: Any,
    ) -> Process:
        """Start container `name`; a single argument is a command line for its shell."""
        stdio = stdio or Stdio()
        spec = self.spec(name, process_of(*argv, terminal=stdio.terminal, **process), resources or {})
        if init:
            spec.setdefault("annotations", {})["sampan.init"] = "true"
        self.log_directory(name).mkdir(exist_ok=True)
        started = await self.runtime.start(
            name,
            spec,
            rootfs=self.rootfs(name),
            stdio=stdio,
            log=log or LogOptions(directory=str(self.log_directory(name))),
            streams=[client.stream for client in clients],
        )
        self.processes[name] = started
        with suppress(OSError):  # it may have ended already
            parent = parent_of(started.pid)
            if Path(f"/proc/{parent}/comm").read_text() == "sampan:shim\n":  # else who adopts what a killed shim leaves
                self.shims[name] = parent
        return started

    def spec(self, name: str, process: dict[str, Any], resources: dict[str, Any]) -> dict[str, Any]:
        """A small runtime spec: what a program needs to find, and every namespace."""
        return {
            "ociVersion": "1.2.0",
            "process": process,
            "root": {"path": "rootfs"},
            "hostname": name,
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
                {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance", "gid=5"]},
            ],
            "linux": {
                "namespaces": [{"type": kind} for kind in ("mount", "network", "uts", "pid", "ipc", "time")],
                "cgroupsPath": f"{self.parent}/{name}",
                "resources": resources,
            },
            "annotations": {"sampan.seccomp": "default"},
        }

    async def end(self) -> None:
        """End every container that the test left running, and take the shims' leave."""
        for name, process in self.processes.items():
            await process.signal(9, everyone=True)
            await self.runtime.forget(name)
            await self.runtime.sweep(name)
        for runtime in self.runtimes:
            await runtime.close()
        await settled(lambda: not any(alive(pid) for pid in self.shims.values()))

    def cgroups(self) -> list[str]:
        """The cgroups of containers that are there now."""
        roots = [Path(hierarchy.mount + self.parent) for hierarchy in hierarchies()]
        return [str(entry) for root in roots if root.is_dir() for entry in root.iterdir() if entry.is_dir()]

    def mounts(self) -> list[str]:
        """Mounts of this machine below the rig's directory; there should never be one."""
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        return [line for line in lines if str(self.directory) in line]

    def leaks(self) -> list[str]:
        """What is left of anything started here. The cgroup parents go now."""
        found = [*self.cgroups(), *self.mounts()]
        found += [f"shim of {name}" for name, pid in self.shims.items() if alive(pid)]
        containers = self.run_root / "containers"
        found += [str(entry) for entry in containers.iterdir()] if containers.is_dir() else []
        for hierarchy in hierarchies():
            with suppress(OSError):
                os.rmdir(hierarchy.mount + self.parent)
        return found


def process_of(*argv: str, **fields: Any) -> dict[str, Any]:
    """The `process` of a runtime spec; a single argument is a command line for the shell."""
    return {
        "args": list(argv) if len(argv) > 1 else ["sh", "-c", *argv],
        "cwd": "/",
        "env": ENVIRONMENT,
        "user": {},
        "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), CAPABILITIES),
        **fields,
    }


async def settled(condition: Callable[[], object], seconds: float = 10) -> bool:
    """Whether a condition that nothing announces comes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.01)
    return True


async def soon(awaitable: Awaitable[Any], seconds: float = 20) -> Any:
    """The result of what must not hang."""
    return await asyncio.wait_for(awaitable, seconds)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def parent_of(pid: int) -> int:
    """The parent of a process."""
    return int(Path(f"/proc/{pid}/status").read_text().split("PPid:\t")[1].split()[0])


def descriptors(pid: int) -> int:
    """How many descriptors a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


async def descriptors_at_rest(shim: int) -> int:
    """How many a shim has open for its container, once who helped with the start is gone."""
    children = Path(f"/proc/{shim}/task/{shim}/children")
    assert await settled(lambda: len(children.read_text().split()) == 1)
    return descriptors(shim)


def memory_kib(pid: int, field: str = "Pss") -> int:
    """A figure of smaps_rollup (proc(5))."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(text.split(f"\n{field}:")[1].split()[0])
