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
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from sampan.errors import Unavailable
from sampan.linux import procfs
from sampan.linux.cgroupfs import hierarchies
from sampan.linux.sched import CloneFlag
from sampan.oci.mount import Rootfs
from sampan.runtime import oci_spec, starter, zygote_process
from sampan.runtime.cgroup import Cgroup
from sampan.runtime.channel import Channel
from sampan.runtime.host_mounts import from_host
from sampan.runtime.oci_delete import delete
from sampan.runtime.plan import Hooks, MountPlan
from sampan.runtime.plan_mounts import plan_mount
from sampan.runtime.planner import Machine, plan_container
from sampan.runtime.process import ExecProcess, Process, exit_status, sized
from sampan.runtime.protocol import Message, receive, send
from sampan.runtime.seccomp_choice import filter_for
from sampan.runtime.status import ExitStatus, StartFailed
from sampan.runtime.streams import LogOptions, Stdio, Stream, stream_to_json
from sampan.threads import finished

__all__ = ["ExecProcess", "ExitStatus", "LogOptions", "Process", "Runtime", "StartFailed", "Stdio", "Stream"]

SIGKILL = 9
VISIT_SECONDS = 120.0  # a volume's server may take its time
OnEvent = Callable[[str, str, dict[str, Any]], None]


class Runtime:
    """All containers of one daemon. `on_event(container_id, name, attributes)` hears of oom, exec_die and detach."""

    def __init__(self, run_root: Path, *, cgroup_parent: str, on_event: OnEvent | None = None) -> None:
        self._root = run_root
        self._cgroup_parent = cgroup_parent
        self._on_event = on_event
        self._zygote: Channel | None = None
        self._zygote_pid = 0
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
                zygote = await asyncio.to_thread(zygote_process.spawn)
                self._zygote_pid = zygote.process.pid
                self._zygote = Channel(zygote.socket, lambda message: None, zygote.reap)
            return self._zygote

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
            program = oci_spec.order(spec)
            plan = plan_container(
                container_id, spec, machine=self.machine, overlay=rootfs.overlay, seccomp=filter_for(spec)
            )
            process_plan = sized(plan.process, stdio)
            plan = replace(
                plan, process=process_plan, rootfs_path=str(self._root / "rootfs"), parent_death_signal=SIGKILL
            )
            if program:
                plan = replace(plan, hooks=Hooks())  # it runs them itself
            else:
                await self._have_zygote()
                plan = replace(plan, mounts=self._from_host(plan.mounts))
            message: Message = {
                "cgroup": plan.cgroup.path,
                "own_pids": bool(plan.new_namespaces & CloneFlag.NEWPID),
                "poststop": bool(plan.hooks.poststop),
                "starter": program is None and starter.fits(plan),
                "directory": str(self._directory(container_id)),
                "stdio": asdict(stdio),
                "log": asdict(log),
                "streams": [stream_to_json(stream) for stream in streams],
                "places": self._places(rootfs),
            }
            if program:
                message["program"] = program
            told = msgspec.to_builtins(plan)
            process = await self._start(container_id, message, told, rootfs, [s.fd for s in streams])
        finally:
            for stream in streams:
                os.close(stream.fd)
        self._processes[container_id] = process
        return process

    def _process(self, container_id: str, intent: Message) -> Process:
        cgroup = Cgroup(self.machine.hierarchies, intent["cgroup"])
        program = bool(intent.get("program"))
        return Process(container_id, cgroup, tell=self.tell, record=self.exit_record, program=program)

    async def _start(self, container_id: str, order: Message, plan: Message, rootfs: Rootfs, fds: list[int]) -> Process:
        intent: Message = {"cgroup": order["cgroup"]}
        if "program" in order:
            intent["program"] = order["program"]["words"]
        directory = self._directory(container_id)
        directory.mkdir(mode=0o700, exist_ok=True)
        (directory / "exit.json").unlink(missing_ok=True)
        for _ in range(2):
            (directory / "intent.json").write_text(json.dumps(intent))
            zygote = await self._have_zygote()
            process = self._process(container_id, intent)
            ours, theirs = socket.socketpair()
            process.connect(ours)
            try:
                shared = [asdict(mount) for mount in rootfs.shared]
                zygote.post({"op": "start", "shared": shared}, [theirs.fileno(), *fds])
                process.post(order)
                process.post(plan)
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
            except asyncio.CancelledError:
                # Its shim is on the way, and would go on after a sweep that came too early.
                await asyncio.shield(asyncio.ensure_future(self._withdraw(container_id, process)))
                raise
            # Shim or zygote was killed on the way; nobody runs, so once more is safe.
            await self.sweep(container_id)
            directory.mkdir(mode=0o700, exist_ok=True)
        raise StartFailed("the processes that start containers were killed, twice")

    async def _withdraw(self, container_id: str, process: Process) -> None:
        await process.withdraw()
        await self.sweep(container_id)

    def _from_host(self, mounts: Sequence[MountPlan]) -> tuple[MountPlan, ...]:
        try:
            return from_host(mounts, self._zygote_pid, str(self._root))
        except FileNotFoundError:
            return tuple(mounts)  # the zygote was killed just now; the next one has a fresh view

    def _places(self, rootfs: Rootfs) -> list[Message]:
        """The filesystems of volumes, and who may have them mounted still from before this daemon."""
        if not rootfs.places:
            return []
        shims = (procfs.stat(process.pid).parent_pid for process in self._processes.values())
        donors = {_mount_namespace(pid): pid for pid in shims if pid}
        return [
            {
                "target": place.target,
                "plan": msgspec.to_builtins(plan_mount(asdict(place) | {"destination": place.target})),
                "donors": list(donors.values()),
            }
            for place in rootfs.places
        ]

    @asynccontextmanager
    async def visit(
        self, rootfs: Rootfs | None, mounts: Sequence[Mapping[str, Any]] = (), *, pid: int = 0
    ) -> AsyncIterator[int]:
        """The root of a tree that is there while the block runs; an O_PATH descriptor. `mounts` as in an OCI spec.

        Or, with `pid`, that of a running container without what is mounted in it; or, if the overlay is none but the
        target of a place, that place. Raises StartFailed, Unavailable.
        """
        zygote = await self._have_zygote()
        overlay = asdict(rootfs.overlay) if rootfs else None
        order = {
            "pid": pid,
            "overlay": overlay,
            "mounted": bool(overlay and overlay["type"]),
            "mounts": msgspec.to_builtins(self._from_host([plan_mount(dict(mount)) for mount in mounts])),
            "places": self._places(rootfs) if rootfs else [],
            "rootfs_path": str(self._root / "rootfs"),
        }
        shared = [asdict(mount) for mount in rootfs.shared] if rootfs else []
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                zygote.post({"op": "start", "shared": shared}, [theirs.fileno()])
            root = await finished(partial(_begin_visit, ours, {"visit": order}), undo=os.close)
            try:
                yield root
            finally:
                os.close(root)
                await finished(partial(_end_visit, ours))

    async def reconnect(self, container_id: str) -> Process | None:
        """Find the shim of a container that an earlier daemon started; None if there is none any more."""
        directory = self._directory(container_id)
        try:
            intent = json.loads((directory / "intent.json").read_text())
            sock = _connect(directory)
        except (OSError, ValueError):
            return None
        process = self._process(container_id, intent)
        process.connect(sock)
        try:
            state = await process.request({"op": "state"})
        except (Unavailable, StartFailed):
            return None
        if not state["started"]:
            return None
        process.take(state["started"])
        process.expect(state["sessions"])
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
        """The end of the container is on record: its shim may go, and whatever is left of it with it."""
        process = self._processes.pop(container_id, None)
        if process:
            await process.forget()
        # A shim that ended by itself left nothing but the directory; one that was killed left its cgroup too.
        await self.sweep(container_id)

    async def sweep(self, container_id: str) -> None:
        """Remove whatever a container left in the kernel and the run root; idempotent."""
        await asyncio.to_thread(self._sweep, container_id)

    def _sweep(self, container_id: str) -> None:
        directory = self._directory(container_id)
        intent: Message = {"cgroup": f"{self._cgroup_parent.rstrip('/')}/{container_id}"}
        try:
            intent |= json.loads((directory / "intent.json").read_text())
        except (OSError, ValueError, TypeError):
            pass  # it died before it could note anything, or has been swept
        if intent.get("program") and (directory / "oci").is_dir():
            delete(intent["program"], directory / "oci", container_id)
        cgroup = Cgroup(self.machine.hierarchies, intent["cgroup"])
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
        """The daemon ends; containers and their shims go on, and whoever waits for one learns nothing any more."""
        for process in self._processes.values():
            process.disconnect()
        if self._zygote:
            self._zygote.close()


def _mount_namespace(pid: int) -> int:
    try:
        return os.stat(f"/proc/{pid}/ns/mnt").st_ino
    except FileNotFoundError:
        return 0


def _begin_visit(sock: socket.socket, order: Message) -> int:
    """Have the tree put together; the descriptor of its root."""
    sock.settimeout(VISIT_SECONDS)
    try:
        send(sock, order)
        received = receive(sock)
    except OSError as error:
        raise Unavailable(f"the container's files could not be mounted: {error}") from None
    if received is None:
        raise Unavailable("the process that mounts a container's files was killed")
    message, fds = received
    if "ok" not in message:
        raise StartFailed(message.get("error", "it failed"), plain=True)
    return fds[0]


def _end_visit(sock: socket.socket) -> None:
    """Let go of the tree, and wait until it is taken apart: a start mounts the same directories again."""
    try:
        sock.shutdown(socket.SHUT_WR)
        receive(sock)
    except OSError:
        pass  # it was killed; the kernel has taken the tree apart


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
