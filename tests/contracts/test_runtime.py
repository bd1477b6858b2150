"""What do containers count on when they start processes? The stand-in of their unit tests must do the same.

The real runtime starts real containers, on a root filesystem made of the busybox of this machine, in namespaces and a
cgroup of their own.
"""

import asyncio
import os
import shutil
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.unit.containers import fakes

from sampan.layers.store import Layers
from sampan.oci.mount import Rootfs
from sampan.runtime.client import Runtime
from sampan.runtime.status import StartFailed
from sampan.runtime.streams import LogOptions, Stdio, Stream
from sampan.snapshots.overlay import Overlay

T = TypeVar("T")
LASTING = ["sleep", "1000"]


def run(story: Callable[[], Awaitable[T]]) -> T:
    async def limited() -> T:
        async with asyncio.timeout(60):
            return await story()

    return asyncio.run(limited())


def spec(args: list[str], container_id: str, parent: str) -> dict[str, Any]:
    capabilities = ["CAP_KILL", "CAP_SETUID", "CAP_SETGID"]
    return {
        "ociVersion": "1.2.0",
        "process": {
            "args": args,
            "cwd": "/",
            "env": ["PATH=/bin"],
            "user": {"uid": 0, "gid": 0},
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), capabilities),
        },
        "root": {"path": "rootfs"},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
        "linux": {
            "namespaces": [{"type": name} for name in ("mount", "pid", "network", "ipc", "uts")],
            "cgroupsPath": f"{parent}/{container_id}",
        },
    }


@dataclass
class Rig:
    """A runtime, and what a start needs besides."""

    make: Callable[[], Any]
    rootfs: Callable[[str], Rootfs]
    directory: Path
    parent: str = "/sampan-contract"

    async def start(self, runtime: Any, args: list[str], name: str = "one", streams: tuple[Stream, ...] = ()) -> Any:
        log = self.directory / name
        log.mkdir(exist_ok=True)
        return await runtime.start(
            name,
            spec(args, name, self.parent),
            rootfs=self.rootfs(name),
            stdio=Stdio(),
            log=LogOptions(directory=str(log)),
            streams=streams,
        )


class RuntimeContract:
    """The promises."""

    @pytest.fixture
    def rig(self) -> Iterator[Rig]:
        raise NotImplementedError

    def test_a_process_is_known_by_pid_and_start_time_and_ends_by_a_signal(self, rig: Rig) -> None:
        async def story() -> None:
            runtime = rig.make()
            process = await rig.start(runtime, LASTING)
            os.kill(process.pid, 0)
            assert process.start_time > 0
            assert process.started_at > 10**18
            await process.signal(9)
            status = await process.wait()
            assert (status.code, status.oom_killed, status.error) == (137, False, "")
            assert status.finished_at > process.started_at
            assert await process.wait() == status
            await process.signal(9)  # one that has ended is no error
            await runtime.forget("one")
            assert runtime.exit_record("one") is None
            assert await runtime.reconnect("one") is None

        run(story)

    def test_a_frozen_process_sees_its_signals_when_it_is_thawed(self, rig: Rig) -> None:
        async def story() -> None:
            runtime = rig.make()
            process = await rig.start(runtime, ["sh", "-c", "while :; do sleep 0.01; done"])
            await process.pause()
            await process.signal(9)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await process.wait()
            await process.resume()
            assert (await process.wait()).code == 137
            await runtime.forget("one")

        run(story)

    def test_a_program_that_is_not_there_takes_the_streams_with_it(self, rig: Rig) -> None:
        async def story() -> None:
            runtime = rig.make()
            ours, theirs = socket.socketpair()
            with pytest.raises(StartFailed, match=r'exec: "nope": executable file not found in \$PATH') as caught:
                await rig.start(runtime, ["nope"], streams=(Stream(fd=theirs.detach()),))
            assert caught.value.exit_code == 127
            ours.settimeout(10)
            assert ours.recv(1) == b""
            assert await runtime.reconnect("one") is None

        run(story)

    def test_a_later_runtime_finds_what_an_earlier_one_started(self, rig: Rig) -> None:
        async def story() -> None:
            first = rig.make()
            process = await rig.start(first, LASTING)
            second = rig.make()
            again = await second.reconnect("one")
            found = (again.pid, again.start_time, again.started_at)
            assert found == (process.pid, process.start_time, process.started_at)
            await again.signal(9)
            assert (await again.wait()).code == 137
            record = second.exit_record("one")
            assert record is not None
            assert record.code == 137
            await second.sweep("one")
            await second.sweep("one")
            assert second.exit_record("one") is None

        run(story)

    def test_an_exec_that_cannot_be(self, rig: Rig) -> None:
        async def story() -> None:
            runtime = rig.make()
            process = await rig.start(runtime, LASTING)
            bad = spec(["nope"], "one", rig.parent)["process"]
            with pytest.raises(StartFailed, match=r'exec: "nope": executable file not found in \$PATH') as caught:
                await process.exec("e", bad, stdio=Stdio())
            assert caught.value.exit_code == 127
            assert process.pid in process.pids()
            await process.signal(9)
            await process.wait()
            await runtime.forget("one")

        run(story)


class TestFake(RuntimeContract):
    """The stand-in. Its shims outlive a runtime as long as the value that holds them does."""

    @pytest.fixture
    def rig(self, tmp_path: Path) -> Iterator[Rig]:
        world = fakes.Runtime()
        yield Rig(lambda: world, lambda name: fakes.Snapshots().prepare(name, ()), tmp_path)


@pytest.mark.needs_root
class TestReal(RuntimeContract):
    """The runtime that sampand has."""

    @pytest.fixture
    def rig(self, tmp_path: Path, image_tar: Path) -> Iterator[Rig]:
        layers = Layers(tmp_path / "layers", tmp_path / "run")
        with image_tar.open("rb") as tar:
            diff_id = layers.ingest(tar).diff_id
        snapshots = Overlay(tmp_path / "snapshots", layers)
        parent = f"/sampan-contract-{os.getpid()}"
        runtimes: list[Runtime] = []

        def make() -> Runtime:
            runtimes.append(Runtime(tmp_path / "run", cgroup_parent=parent))
            return runtimes[-1]

        yield Rig(make, lambda name: snapshots.prepare(name, (diff_id,)), tmp_path, parent)
        asyncio.run(clear(make()))
        for hierarchy in make().machine.hierarchies:
            shutil.rmtree(f"{hierarchy.mount}{parent}", ignore_errors=True)
            if os.path.isdir(f"{hierarchy.mount}{parent}"):
                os.rmdir(f"{hierarchy.mount}{parent}")


async def clear(runtime: Runtime) -> None:
    """Kill and remove whatever a failed test left."""
    for container_id in runtime.leftovers():
        await runtime.sweep(container_id)
    await runtime.close()
