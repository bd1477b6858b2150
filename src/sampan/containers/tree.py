"""How does the engine get at a container's files, whether it runs or not?

    runs        /proc/PID/root, opened: a descriptor in the container's own mount namespace, where every path that is
                resolved below it meets what the container sees: its volumes, binds and memory filesystems
    does not    a process puts the tree together in a mount namespace of its own (`runtime/visit.py`): its own files,
                volumes and binds, as dockerd does; what is in memory only is not there

Nothing is mounted on the host, and no process of the engine's ever enters the container. A container that does not run
is locked meanwhile, for its tree may not be mounted twice.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sampan.containers import lookup, spec_mounts, volumes
from sampan.containers.engine import Engine
from sampan.containers.lifecycle import Status
from sampan.containers.model import Container
from sampan.errors import Conflict
from sampan.linux import procfs
from sampan.oci.mount import Mount, Rootfs

OPEN_PATH = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Tree:
    """A container's or a volume's files, while the block runs: `root` is an O_PATH descriptor of their root directory.

    `title` is what sentences call it; `container` is None for a volume.
    """

    title: str
    root: int
    container: Container | None = None


@asynccontextmanager
async def opened(engine: Engine, reference: str, *, bare: bool = False) -> AsyncIterator[Tree]:
    """The container's tree; `bare`: without what is mounted in it. Raises NotFound, Conflict."""
    container_id = engine.rows.find(reference).id
    lock = engine.lock(container_id)
    await lock.acquire()
    held = True
    try:
        container = engine.current(container_id, reference)
        if container.state.status in (Status.RUNNING, Status.PAUSED):
            lock.release()
            held = False
            async with _of_running(engine, container, bare) as root:
                yield Tree(f"container {reference}", root, container)
        else:
            async with _of_stopped(engine, container, bare) as root:
                yield Tree(f"container {reference}", root, container)
    finally:
        if held:
            lock.release()


@asynccontextmanager
async def opened_volume(engine: Engine, name: str) -> AsyncIterator[Tree]:
    """A volume's tree; of one with driver options, of what is mounted for it. Raises NotFound."""
    mount = await asyncio.to_thread(engine.volumes.mount_of, name)
    if mount is None:
        root = os.open(engine.volumes.mountpoint(name), OPEN_PATH | os.O_NOFOLLOW)
        try:
            yield Tree(f"volume {name}", root)
        finally:
            os.close(root)
        return
    async with engine.runtime.visit(Rootfs((), Mount(mount.target), (mount,))) as root:
        yield Tree(f"volume {name}", root)


@asynccontextmanager
async def _of_running(engine: Engine, container: Container, bare: bool) -> AsyncIterator[int]:
    pid = container.state.pid
    if bare:
        async with engine.runtime.visit(None, pid=pid) as root:
            _check_same(container)
            yield root
        return
    try:
        root = os.open(f"/proc/{pid}/root", OPEN_PATH)
    except (FileNotFoundError, ProcessLookupError):
        raise Conflict(f"container {container.id} has just ended: try again") from None
    try:
        _check_same(container)
        yield root
    finally:
        os.close(root)


def _check_same(container: Container) -> None:
    """The number of a process that has ended may belong to another one; the time it began tells."""
    try:
        if procfs.start_time(container.state.pid) == container.state.start_ticks:
            return
    except (FileNotFoundError, ProcessLookupError):
        pass
    raise Conflict(f"container {container.id} has just ended: try again")


@asynccontextmanager
async def _of_stopped(engine: Engine, container: Container, bare: bool) -> AsyncIterator[int]:
    points = [point for point in volumes.points_of(container) if point.type != "tmpfs" and not bare]
    rootfs = await asyncio.to_thread(engine.snapshots.prepare, container.id, container.diff_ids)
    volumes.begin_use(engine, container)
    try:
        points, rootfs = await volumes.with_sources(engine, points, rootfs)
        lookup.make_missing(points)
        async with engine.runtime.visit(rootfs, spec_mounts.of_user(points)) as root:
            yield root
    finally:
        volumes.end_use(engine, container)
