"""How does the daemon hold on to one running container?

Through its shim: requests go over a `Channel`, news comes back over the same. Whoever waits for the end is told once,
whether the shim announces it, left it on disk, or was itself killed.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

from sampan.errors import SampanError, Unavailable
from sampan.runtime.cgroup import Cgroup
from sampan.runtime.channel import Channel
from sampan.runtime.plan import ProcessPlan, to_json
from sampan.runtime.plan_cgroup import plan_writes
from sampan.runtime.plan_process import plan_process
from sampan.runtime.planner import versions
from sampan.runtime.protocol import Message
from sampan.runtime.status import ExitStatus, StartFailed
from sampan.runtime.streams import Stdio, Stream, stream_to_json
from sampan.runtime.usage import Usage, look

SIGKILL = 9
FORGET_SECONDS = 5.0
WITHDRAW_SECONDS = 30.0  # no start takes as long
Tell = Callable[[str, str, dict[str, Any]], None]
Record = Callable[[str], ExitStatus | None]


class ExecProcess:
    """A process that joined a container."""

    def __init__(self, pid: int, ended: "asyncio.Future[int]") -> None:
        self.pid = pid
        self._ended = ended

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        return await asyncio.shield(self._ended)


class Process:
    """A running container, by way of its shim. `tell` hears its news; `record` finds an exit left on disk.

    `program`: whether another OCI runtime keeps it.
    """

    def __init__(self, container_id: str, cgroup: Cgroup, *, tell: Tell, record: Record, program: bool = False) -> None:
        self.container_id = container_id
        self.pid = 0
        self.start_time = 0
        self.started_at = 0
        self.program = program
        self._tell = tell
        self._record = record
        self._cgroup = cgroup
        self._channel: Channel | None = None
        loop = asyncio.get_running_loop()
        self._begun: asyncio.Future[Message] = loop.create_future()
        self._ended: asyncio.Future[ExitStatus] = loop.create_future()
        self._execs: dict[str, asyncio.Future[int]] = {}

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
            self._tell(self.container_id, "exec_die", {"exec_id": message["exec_id"], "code": message["code"]})
        elif kind in ("oom", "detach"):
            self._tell(self.container_id, kind, {})

    def end(self, message: Message) -> None:
        """Note how the container ended."""
        if not self._ended.done():
            self._ended.set_result(exit_status(message))

    def disconnect(self) -> None:
        """Let go of the shim without a word; it goes on alone."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def _lost(self) -> None:
        if self._channel is None:
            return
        if not self._begun.done():
            self._begun.set_result({"event": "lost"})
        for future in self._execs.values():
            if not future.done():
                future.set_result(128 + SIGKILL)
        if not self._ended.done():
            record = self._record(self.container_id)
            if record is None and self.pid:
                # Somebody killed the shim. The kernel has ended its child with it (PR_SET_PDEATHSIG).
                record = ExitStatus(code=128 + SIGKILL, error="the container's shim ended unexpectedly")
            self._ended.set_result(record or ExitStatus(code=128 + SIGKILL))

    def expect(self, exec_ids: Sequence[str]) -> None:
        """Processes that joined in an earlier life of the daemon, and still run."""
        for exec_id in exec_ids:
            self._execs[exec_id] = asyncio.get_running_loop().create_future()

    async def begin(self) -> bool:
        """Wait until the program runs; False if shim and zygote vanished before it could. Raises StartFailed."""
        message = await asyncio.shield(self._begun)
        if message["event"] == "lost":
            return False
        if message["event"] == "failed":
            raise StartFailed(message["error"], int(message["exit_code"]), plain=bool(message.get("plain")))
        self.take(message)
        return True

    async def withdraw(self) -> None:
        """The start that is under way is not wanted any more: wait for what becomes of it, and have that end."""
        with suppress(TimeoutError, SampanError):  # what does not end so is left to the sweep
            async with asyncio.timeout(WITHDRAW_SECONDS):
                if await self.begin():
                    await self.signal(SIGKILL, everyone=True)
                    await self.wait()
                    await self.forget()

    def take(self, started: Message) -> None:
        """Note the identity of the running process."""
        self.pid, self.start_time, self.started_at = started["pid"], started["start_time"], started["started_at"]

    def post(self, message: Message) -> None:
        """Tell the shim something that it does not answer by number. Raises Unavailable when it is gone."""
        if self._channel is None:
            raise Unavailable("the container's shim is gone")
        self._channel.post(message)

    async def request(self, message: Message, fds: Sequence[int] = ()) -> Any:
        """One request to the shim. Raises Unavailable when it is gone."""
        if self._channel is None:
            raise Unavailable("the container's shim is gone")
        return await self._channel.request(message, fds)

    async def keep(self, name: str, fds: Sequence[int]) -> None:
        """Have the shim hold copies of descriptors, in place of those that it held under this name."""
        await self.request({"op": "keep", "name": name}, fds)

    async def kept(self, name: str) -> list[int]:
        """Copies of the descriptors that the shim holds under a name; none when it holds none."""
        if self._channel is None:
            raise Unavailable("the container's shim is gone")
        _, fds = await self._channel.request_fds({"op": "kept", "name": name})
        return fds

    async def wait(self) -> ExitStatus:
        """How the container ended, once it has."""
        return await asyncio.shield(self._ended)

    async def signal(self, number: int, *, everyone: bool = False, exec_id: str = "") -> None:
        """Send a signal to the first process, or to one that joined, or SIGKILL to everyone inside.

        Who has ended already is no error.
        """
        try:
            await self.request({"op": "signal", "number": number, "everyone": everyone, "exec_id": exec_id})
        except Unavailable:
            if exec_id:
                return  # it ended with the shim
            if everyone or number == SIGKILL:
                await asyncio.to_thread(self._cgroup.kill)

    async def pause(self) -> bool:
        """Freeze everyone inside; returns when all have stopped. False when the program has ended meanwhile."""
        return bool((await self.request({"op": "freeze", "frozen": True}))["done"])

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
        self,
        exec_id: str,
        process: Mapping[str, Any],
        *,
        stdio: Stdio,
        streams: Sequence[Stream] = (),
        note: Mapping[str, Any] | None = None,
    ) -> ExecProcess:
        """Start another process inside. Takes over the streams' descriptors. Raises StartFailed.

        `note` is kept by the shim, and given back by `joined` to a daemon that comes later.
        """
        ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._execs[exec_id] = ended
        try:
            plan = sized(plan_process(process, annotations=process.get("annotations") or {}), stdio)
            request: Message = {"op": "exec", "exec_id": exec_id, "process": to_json(plan), "stdio": asdict(stdio)}
            if self.program:
                request["oci"] = {name: value for name, value in process.items() if name != "annotations"}
            if note:
                request["note"] = dict(note)
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

    async def joined(self) -> dict[str, tuple[Message, int | None, ExecProcess]]:
        """Processes that joined in an earlier life of the daemon: note, exit code if it has one, and the process."""
        found = {}
        for exec_id, told in (await self.request({"op": "execs"}))["execs"].items():
            ended = self._execs.get(exec_id)
            if ended is None:
                ended = asyncio.get_running_loop().create_future()
                if told["code"] is None:
                    self._execs[exec_id] = ended
            if told["code"] is not None and not ended.done():
                ended.set_result(told["code"])
            found[exec_id] = (told["note"], told["code"], ExecProcess(told["pid"], ended))
        return found

    async def update(self, resources: Mapping[str, Any]) -> None:
        """Change limits (OCI linux.resources) while it runs."""
        writes = plan_writes(resources, versions(self._cgroup.hierarchies))
        request: Message = {"op": "update", "writes": [asdict(write) for write in writes], "resources": dict(resources)}
        await self.request(request)

    def pids(self) -> list[int]:
        """Host pids of everyone inside."""
        return self._cgroup.pids()

    def usage(self) -> Usage:
        """What everyone inside uses together. Raises FileNotFoundError once nobody is."""
        return look(self._cgroup.hierarchies, self._cgroup.path)

    async def forget(self) -> None:
        """The exit is noted: the shim may leave. Once it has answered, no child of it holds the container's mounts.

        One that does not answer in FORGET_SECONDS is not waited for.
        """
        with suppress(TimeoutError, Unavailable, StartFailed):  # or it left by itself
            async with asyncio.timeout(FORGET_SECONDS):
                await self.request({"op": "forget"})


def sized(process: ProcessPlan, stdio: Stdio) -> ProcessPlan:
    """The process with a terminal of the size that was asked for."""
    if stdio.rows and stdio.columns:
        return replace(process, rows=stdio.rows, columns=stdio.columns)
    return process


def exit_status(record: Mapping[str, Any]) -> ExitStatus:
    """The status in an exit record."""
    return ExitStatus(
        code=int(record["code"]),
        oom_killed=bool(record.get("oom_killed")),
        finished_at=int(record.get("finished_at") or 0),
        error=str(record.get("error") or ""),
    )
