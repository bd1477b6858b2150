"""How does the daemon start containers, and keep hold of them?

The one asyncio file of the runtime. It turns a spec into a plan, has the zygote fork a shim for it, and talks to that
shim over a socket; after a restart it finds the shims of the last life by their sockets. Everything below a container's
run directory is written so that it can be read, or swept away, by whoever comes after a crash:

    <run root>/containers/<id>/intent.json   the cgroup, before anything is made
                               state.json    pid and start time, once it runs
                               shim.sock     where its shim listens
                               exit.json     how it ended, before anybody was told
"""

import asyncio
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from sampan.errors import Unavailable
from sampan.linux.cgroupfs import hierarchies
from sampan.oci.mount import Rootfs
from sampan.runtime import zygote_process
from sampan.runtime.cgroup import Cgroup
from sampan.runtime.channel import Channel
from sampan.runtime.plan import to_json
from sampan.runtime.plan_cgroup import plan_writes
from sampan.runtime.plan_process import plan_process
from sampan.runtime.planner import Machine, plan_container
from sampan.runtime.protocol import Message
from sampan.runtime.seccomp_choice import filter_for
from sampan.runtime.status import ExitStatus, StartFailed
from sampan.runtime.streams import LogOptions, Stdio, Stream, stream_to_json

__all__ = ["ExecProcess", "ExitStatus", "LogOptions", "Process", "Runtime", "StartFailed", "Stdio", "Stream"]

SIGKILL = 9
OnEvent = Callable[[str, str, dict[str, Any]], None]


class ExecProcess:
    """A process that joined a container."""

    def __init__(self, pid: int, ended: "asyncio.Future[int]") -> None:
        self.pid = pid
        self._ended = ended

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        return await asyncio.shield(self._ended)


class Process:
    """A running container, by way of its shim."""

    def __init__(self, runtime: "Runtime", container_id: str, cgroup: Cgroup) -> None:
        self.container_id = container_id
        self.pid = 0
        self.start_time = 0
        self.started_at = 0
        self._runtime = runtime
        self._cgroup = cgroup
        self._channel: Channel | None = None
        loop = asyncio.get_running_loop()
        self._begun: asyncio.Future[Message] = loop.create_future()
        self._ended: asyncio.Future[ExitStatus] = loop.create_future()
        self._execs: dict[str, asyncio.Future[int]] = {}

    # ── what the shim says ───────────────────────────────────────────────────────────────────────────────────────

    def connect(self, sock: socket.socket) -> None:
        """Listen to the shim at the other end of `sock`."""
        self._channel = Channel(sock, self._event, self._lost)

    def _event(self, message: Message) -> None:
        kind = message.get("event")
        if kind in ("started", "failed"):
            if not self._begun.done():
                self._begun.set_result(message)
        elif kind == "exit":
            self.end(message)
        elif kind == "exec_exit":
            future = self._execs.pop(message["exec_id"], None)
            if future and not future.done():
                future.set_result(message["code"])
            self._runtime.tell(self.container_id, "exec_die", {"exec_id": message["exec_id"], "code": message["code"]})
        elif kind in ("oom", "detach"):
            self._runtime.tell(self.container_id, kind, {})

    def end(self, message: Message) -> None:
        """Note how the container ended."""
        if not self._ended.done():
            self._ended.set_result(exit_status(message))

    def _lost(self) -> None:
        if not self._begun.done():
            self._begun.set_result({"event": "lost"})
        for future in self._execs.values():
            if not future.done():
                future.set_result(128 + SIGKILL)
        if not self._ended.done():
            record = self._runtime.exit_record(self.container_id)
            if record is None and self.pid:
                # Somebody killed the shim. The kernel has ended its child with it (PR_SET_PDEATHSIG).
                record = ExitStatus(code=128 + SIGKILL, error="the container's shim ended unexpectedly")
            self._ended.set_result(record or ExitStatus(code=128 + SIGKILL))

    async def begin(self) -> bool:
        """Wait until the program runs; False if shim and zygote vanished before it could. Raises StartFailed."""
        message = await self._begun
        if message["event"] == "lost":
            return False
        if message["event"] == "failed":
            raise StartFailed(message["error"], int(message["exit_code"]), plain=bool(message.get("plain")))
        self.take(message)
        return True

    def take(self, started: Message) -> None:
        """Note the identity of the running process."""
        self.pid, self.start_time, self.started_at = started["pid"], started["start_time"], started["started_at"]

    # ── what can be asked of it ──────────────────────────────────────────────────────────────────────────────────

    async def request(self, message: Message, fds: Sequence[int] = ()) -> Any:
        """One request to the shim. Raises Unavailable when it is gone."""
        if self._channel is None:
            raise Unavailable("the container's shim is gone")
        return await self._channel.request(message, fds)

    async def wait(self) -> ExitStatus:
        """How the container ended, once it has."""
        return await asyncio.shield(self._ended)

    async def signal(self, number: int, *, everyone: bool = False) -> None:
        """Send a signal to the first process, or SIGKILL to everyone inside; a container that has ended is no error."""
        try:
            await self.request({"op": "signal", "number": number, "everyone": everyone})
        except Unavailable:
            if everyone or number == SIGKILL:
                await asyncio.to_thread(self._cgroup.kill)

    async def pause(self) -> None:
        """Freeze everyone inside; returns when all have stopped."""
        await self.request({"op": "freeze", "frozen": True})

    async def resume(self) -> None:
        """Let everyone inside go on."""
        await self.request({"op": "freeze", "frozen": False})

    async def resize(self, rows: int, columns: int, exec_id: str = "") -> None:
        """Set the size of the terminal of the container or of one joined process."""
        await self.request({"op": "resize", "rows": rows, "columns": columns, "exec_id": exec_id})

    async def attach(self, stream: Stream) -> None:
        """Hand a client's socket to the shim; closes this process's copy."""
        try:
            await self.request({"op": "attach", "stream": stream_to_json(stream)}, [stream.fd])
        finally:
            os.close(stream.fd)

    async def exec(
        self, exec_id: str, process: Mapping[str, Any], *, stdio: Stdio, streams: Sequence[Stream] = ()
    ) -> ExecProcess:
        """Start another process inside. Takes over the streams' descriptors. Raises StartFailed."""
        ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._execs[exec_id] = ended
        try:
            plan = plan_process(process, annotations=process.get("annotations") or {})
            request: Message = {"op": "exec", "exec_id": exec_id, "process": to_json(plan), "stdio": asdict(stdio)}
            if streams:
                request["stream"] = stream_to_json(streams[0])
            answer = await self.request(request, [stream.fd for stream in streams[:1]])
        except BaseException:
            self._execs.pop(exec_id, None)
            raise
        finally:
            for stream in streams:
                os.close(stream.fd)
        return ExecProcess(answer["pid"], ended)

    async def update(self, resources: Mapping[str, Any]) -> None:
        """Change limits (OCI linux.resources) while it runs."""
        writes = plan_writes(resources, self._runtime.machine.versions())
        await self.request({"op": "update", "writes": [asdict(write) for write in writes]})

    def pids(self) -> list[int]:
        """Host pids of everyone inside."""
        return self._cgroup.pids()

    async def forget(self) -> None:
        """The exit is noted: the shim may leave."""
        try:
            if self._channel is not None:
                self._channel.post({"op": "forget"})
        except Unavailable:
            pass


class Runtime:
    """All containers of one daemon. `on_event(container_id, name, attributes)` hears of oom, exec_die and detach."""

    def __init__(self, run_root: Path, *, cgroup_parent: str, on_event: OnEvent | None = None) -> None:
        self._root = run_root
        self._cgroup_parent = cgroup_parent
        self._on_event = on_event
        self._zygote: Channel | None = None
        self._zygote_process: subprocess.Popen[bytes] | None = None
        self._spawning = asyncio.Lock()
        self._processes: dict[str, Process] = {}
        self.machine = Machine(
            hierarchies=hierarchies(), has_time_namespaces=os.path.exists("/proc/self/ns/time_for_children")
        )
        for directory in (run_root, run_root / "containers", run_root / "rootfs", run_root / "layers"):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def tell(self, container_id: str, name: str, attributes: dict[str, Any]) -> None:
        """Pass on what a shim has told."""
        if self._on_event:
            self._on_event(container_id, name, attributes)

    async def ready(self) -> None:
        """Have a zygote running, so that the first start need not wait for it."""
        await self._have_zygote()

    async def _have_zygote(self) -> Channel:
        async with self._spawning:
            if self._zygote is None or self._zygote.closed:
                self._zygote_process, sock = await asyncio.to_thread(zygote_process.spawn)
                self._zygote = Channel(sock, lambda message: None, self._reap_zygote)
            return self._zygote

    def _reap_zygote(self) -> None:
        if self._zygote_process:
            self._zygote_process.kill()
            self._zygote_process.wait()
            self._zygote_process = None

    async def start(
        self,
        container_id: str,
        spec: Mapping[str, Any],
        *,
        rootfs: Rootfs,
        stdio: Stdio,
        log: LogOptions,
        streams: Sequence[Stream] = (),
    ) -> Process:
        """Start a container. Takes over the streams' descriptors. Raises StartFailed, InvalidRequest, NotSupported."""
        try:
            plan = plan_container(
                container_id, spec, machine=self.machine, overlay=rootfs.overlay, seccomp=filter_for(spec)
            )
            plan = replace(plan, rootfs_path=str(self._root / "rootfs"), parent_death_signal=SIGKILL)
            message: Message = {
                "op": "start",
                "plan": to_json(plan),
                "shared": [asdict(mount) for mount in rootfs.shared],
                "directory": str(self._directory(container_id)),
                "stdio": asdict(stdio),
                "log": asdict(log),
                "streams": [stream_to_json(stream) for stream in streams],
            }
            process = await self._start(container_id, message, plan.cgroup.path, [stream.fd for stream in streams])
        finally:
            for stream in streams:
                os.close(stream.fd)
        self._processes[container_id] = process
        return process

    async def _start(self, container_id: str, message: Message, cgroup_path: str, fds: list[int]) -> Process:
        directory = self._directory(container_id)
        directory.mkdir(mode=0o700, exist_ok=True)
        (directory / "exit.json").unlink(missing_ok=True)
        (directory / "intent.json").write_text(json.dumps({"cgroup": cgroup_path}))
        for _ in range(2):
            zygote = await self._have_zygote()
            process = Process(self, container_id, Cgroup(self.machine.hierarchies, cgroup_path))
            ours, theirs = socket.socketpair()
            process.connect(ours)
            try:
                zygote.post(message, [theirs.fileno(), *fds])
            except Unavailable:
                continue
            finally:
                theirs.close()
            try:
                if await process.begin():
                    return process
            except StartFailed:
                await self.sweep(container_id)
                raise
            # Shim or zygote was killed on the way; nobody runs, so once more is safe.
            await self.sweep(container_id)
            directory.mkdir(mode=0o700, exist_ok=True)
        raise StartFailed("the processes that start containers were killed, twice")

    async def reconnect(self, container_id: str) -> Process | None:
        """Find the shim of a container that an earlier daemon started; None if there is none any more."""
        directory = self._directory(container_id)
        try:
            intent = json.loads((directory / "intent.json").read_text())
            sock = _connect(directory)
        except (OSError, ValueError):
            return None
        process = Process(self, container_id, Cgroup(self.machine.hierarchies, intent["cgroup"]))
        process.connect(sock)
        try:
            state = await process.request({"op": "state"})
        except (Unavailable, StartFailed):
            return None
        if not state["started"]:
            return None
        process.take(state["started"])
        for exec_id in state["sessions"]:
            process._execs[exec_id] = asyncio.get_running_loop().create_future()
        if state["exit"]:
            process.end(state["exit"])
        self._processes[container_id] = process
        return process

    def exit_record(self, container_id: str) -> ExitStatus | None:
        """How a container ended while nobody was connected to its shim."""
        try:
            return exit_status(json.loads((self._directory(container_id) / "exit.json").read_text()))
        except (OSError, ValueError):
            return None

    async def forget(self, container_id: str) -> None:
        """The end of the container is on record: its shim may go, and its run directory with it."""
        process = self._processes.pop(container_id, None)
        if process:
            await process.forget()
        await asyncio.to_thread(shutil.rmtree, self._directory(container_id), True)

    async def sweep(self, container_id: str) -> None:
        """Remove whatever a container left in the kernel and the run root; idempotent."""
        await asyncio.to_thread(self._sweep, container_id)

    def _sweep(self, container_id: str) -> None:
        directory = self._directory(container_id)
        path = f"{self._cgroup_parent.rstrip('/')}/{container_id}"
        try:
            path = json.loads((directory / "intent.json").read_text())["cgroup"]
        except (OSError, ValueError, KeyError):
            pass  # it died before it could note anything, or has been swept
        cgroup = Cgroup(self.machine.hierarchies, path)
        if any(os.path.isdir(directory) for directory in cgroup.directories()):
            cgroup.kill()
            cgroup.remove()
        shutil.rmtree(directory, ignore_errors=True)

    def leftovers(self) -> list[str]:
        """Ids that have a run directory, whether or not anybody knows them."""
        return sorted(entry.name for entry in (self._root / "containers").iterdir())

    def unmount(self, targets: Sequence[str]) -> None:
        """Let go of layers that are about to be removed."""
        if self._zygote and not self._zygote.closed:
            self._zygote.post({"op": "unmount", "targets": list(targets)})

    def _directory(self, container_id: str) -> Path:
        return self._root / "containers" / container_id

    async def close(self) -> None:
        """The daemon ends; containers and their shims go on."""
        if self._zygote:
            self._zygote.close()


def _connect(directory: Path) -> socket.socket:
    """A connection to the shim in `directory`, by way of a descriptor: a path may be too long for a socket address."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sock.connect(f"/proc/self/fd/{fd}/shim.sock")
    except BaseException:
        sock.close()
        raise
    finally:
        os.close(fd)
    return sock


def exit_status(record: Mapping[str, Any]) -> ExitStatus:
    """The status in an exit record."""
    return ExitStatus(
        code=int(record["code"]),
        oom_killed=bool(record.get("oom_killed")),
        finished_at=int(record.get("finished_at") or 0),
        error=str(record.get("error") or ""),
    )
