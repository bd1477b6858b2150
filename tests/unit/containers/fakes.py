"""Stand-ins for the packages below containers: images of a few values, trees in a set, processes that end when told.

`tests/contracts/test_runtime.py` runs what these promise against the real runtime.
"""

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sampan.errors import NotFound
from sampan.images.image import Image
from sampan.oci.config import parse_config
from sampan.oci.mount import Mount, Rootfs
from sampan.runtime.status import ExitStatus, StartFailed
from sampan.runtime.streams import LogOptions, Stdio, Stream

ENDING_SIGNALS = (9, 15, 2, 3)


def image(**config: Any) -> Image:
    """An image of one layer with this run configuration, in Docker's names."""
    diff_id = "sha256:" + "1" * 64
    document = {
        "architecture": "amd64",
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
    }
    parsed = parse_config(json.dumps(document).encode())
    return Image(id=parsed.digest, config=parsed, layers=((diff_id, 1000),), references=())


class Images:
    """Images by name."""

    def __init__(self, images: Mapping[str, Image]) -> None:
        self.images = dict(images)

    def find(self, name: str) -> Image:
        for known, found in self.images.items():
            if name in (known, found.id):
                return found
        raise NotFound(f"No such image: {name}")

    def release(self, image_id: str) -> None:
        """Nothing is hidden here."""

    def by_id(self, image_id: str) -> Image | None:
        return next((found for found in self.images.values() if found.id == image_id), None)


class Snapshots:
    """Trees that are only counted."""

    def __init__(self) -> None:
        self.trees: set[str] = set()

    def prepare(self, key: str, diff_ids: Sequence[str]) -> Rootfs:
        self.trees.add(key)
        return Rootfs((), Mount("", "overlay", "overlay"))

    def view(self, diff_ids: Sequence[str]) -> Rootfs:
        return Rootfs((), Mount("", "overlay", "overlay"))

    def remove(self, key: str) -> None:
        self.trees.discard(key)

    def usage(self, key: str) -> int:
        return 7

    def upper(self, key: str) -> Path:
        return Path("/nowhere") / key

    def exists(self, key: str) -> bool:
        return key in self.trees

    def keys(self) -> list[str]:
        return sorted(self.trees)


@dataclass(eq=False)
class ExecProcess:
    """A further process; `end` ends it."""

    pid: int
    ended: "asyncio.Future[int]"

    async def wait(self) -> int:
        return await asyncio.shield(self.ended)

    def end(self, code: int = 0) -> None:
        self.ended.set_result(code)


@dataclass(eq=False)
class Process:
    """A container's first process. Ends when `end` is called, or by a deadly signal that it does not ignore."""

    pid: int
    start_time: int
    started_at: int
    spec: Mapping[str, Any]
    stdio: Stdio
    log: LogOptions
    ended: "asyncio.Future[ExitStatus]"
    ignores: tuple[int, ...] = ()
    frozen: bool = False
    signals: list[int] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    execs: dict[str, ExecProcess] = field(default_factory=dict)
    sizes: list[tuple[int, int, str]] = field(default_factory=list)
    updates: list[Mapping[str, Any]] = field(default_factory=list)
    kept_fds: dict[str, list[int]] = field(default_factory=dict)
    note: Callable[[ExitStatus], object] = lambda status: None

    async def keep(self, name: str, fds: Sequence[int]) -> None:
        self.kept_fds[name] = list(fds)

    async def kept(self, name: str) -> list[int]:
        return self.kept_fds.get(name, [])

    async def wait(self) -> ExitStatus:
        return await asyncio.shield(self.ended)

    def end(self, code: int = 0, **rest: Any) -> None:
        if not self.ended.done():
            status = ExitStatus(code=code, finished_at=self.started_at + 1_000_000_000, **rest)
            self.note(status)  # on record before anybody is told
            self.ended.set_result(status)

    async def signal(self, number: int, *, everyone: bool = False, exec_id: str = "") -> None:
        if exec_id:
            return self.execs[exec_id].end(128 + number)
        self.signals.append(number)
        self._die()

    async def pause(self) -> bool:
        self.frozen = True
        return True

    async def resume(self) -> None:
        self.frozen = False
        self._die()

    def _die(self) -> None:
        """A frozen program sees its signals when it is thawed."""
        deadly = [number for number in self.signals if number in ENDING_SIGNALS and number not in self.ignores]
        if deadly and not self.frozen:
            self.end(128 + deadly[-1])

    async def resize(self, rows: int, columns: int, exec_id: str = "") -> None:
        self.sizes.append((rows, columns, exec_id))

    async def attach(self, stream: Stream) -> None:
        self.streams.append(stream)

    async def exec(
        self,
        exec_id: str,
        process: Mapping[str, Any],
        *,
        stdio: Stdio,
        streams: Sequence[Stream] = (),
        note: Mapping[str, Any] | None = None,
    ) -> ExecProcess:
        if process["args"] == ["nope"]:
            raise StartFailed('exec: "nope": executable file not found in $PATH: unknown', 127)
        self.execs[exec_id] = ExecProcess(4242, asyncio.get_running_loop().create_future())
        return self.execs[exec_id]

    async def joined(self) -> Mapping[str, tuple[dict[str, Any], int | None, ExecProcess]]:
        return {}

    async def update(self, resources: Mapping[str, Any]) -> None:
        self.updates.append(resources)

    def pids(self) -> list[int]:
        return [os.getpid()]


class Runtime:
    """Starts nothing. `shims` and `records` survive the daemon, as the real ones do."""

    def __init__(self) -> None:
        self.shims: dict[str, Process] = {}
        self.records: dict[str, ExitStatus] = {}
        self.swept: list[str] = []
        self.unmounted: list[str] = []
        self.ignores: tuple[int, ...] = ()
        self.clock = 1_700_000_000_000_000_000

    async def start(
        self,
        container_id: str,
        spec: dict[str, Any],
        *,
        rootfs: Rootfs,
        stdio: Stdio,
        log: LogOptions,
        streams: Sequence[Stream] = (),
    ) -> Process:
        self.clock += 60_000_000_000
        if spec["process"]["args"] == ["nope"]:
            for stream in streams:
                os.close(stream.fd)
            raise StartFailed('exec: "nope": executable file not found in $PATH: unknown', 127)
        ended: asyncio.Future[ExitStatus] = asyncio.get_running_loop().create_future()
        process = Process(
            os.getpid(), _start_time(), self.clock, spec, stdio, log, ended, self.ignores, streams=list(streams)
        )
        self.shims[container_id] = process
        process.note = lambda status: self.records.update({container_id: status})
        return process

    async def reconnect(self, container_id: str) -> Process | None:
        return self.shims.get(container_id)

    def exit_record(self, container_id: str) -> ExitStatus | None:
        return self.records.get(container_id)

    @asynccontextmanager
    async def visit(
        self, rootfs: Rootfs | None, mounts: Sequence[Mapping[str, Any]] = (), *, pid: int = 0
    ) -> AsyncIterator[int]:
        """An empty tree."""
        with tempfile.TemporaryDirectory() as directory:
            root = os.open(directory, os.O_PATH | os.O_DIRECTORY)
            try:
                yield root
            finally:
                os.close(root)

    def unmount(self, targets: Sequence[str]) -> None:
        self.unmounted += targets

    async def sweep(self, container_id: str) -> None:
        self.swept.append(container_id)
        await self.forget(container_id)

    async def forget(self, container_id: str) -> None:
        self.shims.pop(container_id, None)
        self.records.pop(container_id, None)


def _start_time() -> int:
    from sampan.linux import procfs

    return procfs.start_time()
