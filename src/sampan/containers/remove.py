"""How does a container go away?

Its row goes first. From then on it does not exist, its name is free, and its files are rubbish: should the daemon be
killed before they are gone, the next start finds trees that no row names and removes them.
"""

import asyncio
import logging
import os
from pathlib import Path

from sampan.containers import links, stop
from sampan.containers import volumes as held
from sampan.containers.engine import Engine
from sampan.containers.lifecycle import Act, Status, after
from sampan.containers.model import Container
from sampan.containers.waits import Outcome
from sampan.errors import Conflict
from sampan.linux.remove_tree import remove_tree

log = logging.getLogger(__name__)


async def remove(engine: Engine, reference: str, *, force: bool, link: bool, volumes: bool = False) -> None:
    """Remove a container; one that runs is killed first if `force`, and refused with Conflict otherwise.

    With `volumes` its volumes that nobody named go, too, unless another container has them.
    """
    if link:
        return await links.remove(engine, reference)
    container = engine.rows.find(reference)
    if container.state.status is Status.REMOVING:
        raise Conflict(f"removal of container {reference} is already in progress")
    while True:
        if force:
            await stop.kill_and_wait(engine, container)
        async with engine.lock(container.id):
            found = engine.rows.get(container.id)
            if found is None and force:
                return  # its own --rm was faster
            container = engine.current(container.id, reference)
            if force and container.state.is_running:
                continue  # somebody started it meanwhile
            after(container.state.status, Act.REMOVE, id=container.id, name=reference)
            # With --rm nobody counts on it: after a power cut it would be removed anyway.
            await discard(engine, container, durable=not container.host.auto_remove, anonymous=volumes)
            return


async def discard(engine: Engine, container: Container, *, durable: bool, anonymous: bool = False) -> None:
    """Forget a container that does not run, with its lock held, and with --rm or `anonymous` its unnamed volumes."""
    engine.rows.set_aside(container.with_state(status=Status.REMOVING))
    engine.parked.close(container.id)
    engine.drop_execs(container.id)
    engine.health.forget(container.id)
    points = held.points_of(container)
    if container.host.auto_remove:
        # Before the row goes: should the daemon be killed now, the next one finds the row, and does all of it again.
        await held.let_go(engine, container.id, points, anonymous=True)
    try:
        await engine.rows.discard(container, durable=durable)
    except BaseException:
        engine.rows.set_aside(container)  # it is still there
        raise
    await asyncio.to_thread(remove_files, engine, container.id, container.image_id)
    await held.let_go(engine, container.id, points, anonymous=anonymous)
    for image_id in held.images_of(points):
        await asyncio.to_thread(engine.images.release, image_id)
    engine.publish(container, "destroy")
    engine.waits.removed(container.id, Outcome(container.state.exit_code))
    engine.locks.pop(container.id, None)


def remove_files(engine: Engine, container_id: str, image_id: str = "") -> None:
    """Remove the tree and the directory of a container that has no row; what cannot be removed is left for later."""
    try:
        engine.snapshots.remove(container_id)
        if image_id:
            # An image that was removed by force has waited for its last container.
            engine.images.release(image_id)
        remove_directory(engine.options.directory, container_id)
    except OSError as error:
        log.warning("leftovers container=%s error=%s", container_id, error)


def remove_directory(parent: Path, name: str) -> None:
    """Remove one directory and all below it; it may be gone already."""
    try:
        descriptor = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            remove_tree(name, dir_fd=descriptor)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        pass
