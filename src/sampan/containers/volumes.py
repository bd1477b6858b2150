"""What is behind the volumes, images and --volumes-from of a container, and when are volumes filled from the image?

All is settled when a container is made: from then on it holds its volumes, by name, until it is removed. A volume that
is still empty takes over what the image has at that place, with owner and mode; nothing is ever copied over anything.
"""

import asyncio
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

from sampan.containers import mounts
from sampan.containers.engine import Engine
from sampan.containers.model import Container
from sampan.containers.mounts import MountPoint
from sampan.errors import InvalidRequest, NotFound, NotSupported
from sampan.linux.copy_tree import copy_tree
from sampan.linux.inside import open_in_root
from sampan.oci.mount import Mount, Rootfs
from sampan.threads import finished
from sampan.wire.containers import ContainerConfig, HostConfig

OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


async def settle(
    engine: Engine, container_id: str, config: ContainerConfig, asked: HostConfig, diff_ids: Sequence[str]
) -> tuple[MountPoint, ...]:
    """The mount points of a new container: volumes made, held and filled. Raises what a bad request deserves.

    When it raises, the container holds nothing.
    """
    points = plan(engine, config, asked)
    settled: list[MountPoint] = []
    try:
        for point in points:
            settled.append(await _settle(engine, container_id, point))
        await _fill(engine, settled, diff_ids)
    except BaseException:
        await let_go(engine, container_id, settled, anonymous=True)
        raise
    return tuple(settled)


def plan(engine: Engine, config: ContainerConfig, asked: HostConfig) -> list[MountPoint]:
    """One point for each target: what is asked for hides what is inherited, and both what the image declares."""
    found: dict[str, MountPoint] = {}
    for raw in asked.volumes_from or ():
        reference, mode = mounts.parse_volumes_from(raw)
        for point in _inherited(engine, reference, mode):
            found[point.target] = point
    for point in mounts.parse(asked):
        found[point.target] = point
    for point in mounts.parse_anonymous(config.volumes or (), asked.volume_driver):
        found.setdefault(point.target, point)
    another = engine.options.runtimes.get(asked.runtime or engine.options.default_runtime)
    if another and any(point.subpath or point.maps or point.type == "image" for point in found.values()):
        # It would mount the whole volume, with the owners that it has.
        raise NotSupported(f"a part of a volume, an image, or idmap needs sampan's own runtime, not {another}")
    return list(found.values())


def points_of(container: Container) -> Sequence[MountPoint]:
    """The container's mount points; of one that an older engine made, what its host config says."""
    return mounts.parse(container.host) if container.mounts is None else container.mounts


def names_of(points: Sequence[MountPoint]) -> list[str]:
    """The volumes among them."""
    return [point.name for point in points if point.type == "volume" and point.name]


def images_of(points: Sequence[MountPoint]) -> list[str]:
    """The ids of the images among them."""
    return [point.name for point in points if point.type == "image"]


def take_up(engine: Engine) -> None:
    """Have every container hold its volumes again, after the daemon was gone."""
    for container in engine.rows.all():
        for name in names_of(points_of(container)):
            try:
                engine.volumes.hold(name, container.id)
            except NotFound:
                continue  # its next start says so


async def let_go(engine: Engine, container_id: str, points: Sequence[MountPoint], *, anonymous: bool) -> None:
    """The container is gone: it holds its volumes no more; with `anonymous` those that nobody named go, too."""
    engine.volumes.release(names_of(points), container_id)
    for point in points if anonymous else ():
        if point.type == "volume" and not point.is_named and not engine.volumes.holders(point.name):
            try:
                await asyncio.to_thread(engine.volumes.remove, point.name)
            except NotFound:
                continue  # somebody else did


def tell(engine: Engine, container: Container, action: str) -> None:
    """Publish `mount` or `unmount` for each volume of the container."""
    for point in points_of(container):
        if point.type != "volume":
            continue
        attributes = {"container": container.id}
        if action == "mount":
            attributes |= {
                "destination": point.target,
                "propagation": point.propagation,
                "read/write": "true" if point.writable else "false",
            }
        engine.volumes.tell(point.name, action, attributes)


def begin_use(engine: Engine, container: Container) -> None:
    """The container is about to start: the filesystems of its volumes must stay mounted."""
    for name in names_of(points_of(container)):
        engine.in_use.setdefault(name, set()).add(container.id)


def end_use(engine: Engine, container: Container) -> None:
    """It has ended: what is mounted for its volumes, and used by no other, can go."""
    unused = []
    for name in dict.fromkeys(names_of(points_of(container))):
        users = engine.in_use.get(name, set())
        users.discard(container.id)
        if not users:
            engine.in_use.pop(name, None)
            volume = engine.volumes.find(name)
            if volume is not None and volume.options:
                unused.append(str(engine.volumes.place(name)))
    if unused:
        engine.runtime.unmount(unused)


async def with_sources(engine: Engine, points: Sequence[MountPoint], rootfs: Rootfs) -> tuple[list[MountPoint], Rootfs]:
    """The points with the paths to bind, for a start, and the root with all that must be mounted before it.

    Raises NotFound when a volume or an image's layer is gone.
    """
    found: list[MountPoint] = []
    layers: list[Mount] = []
    places: list[Mount] = []
    for point in points:
        if point.type == "volume":
            mount = await asyncio.to_thread(engine.volumes.mount_of, point.name)
            if mount is not None:
                places.append(mount)
            point = replace(point, source=mount.target if mount else str(engine.volumes.mountpoint(point.name)))
        elif point.type == "image":
            view = engine.snapshots.view(point.diff_ids)
            layers += view.shared
            point = replace(point, options=view.overlay.options)
        found.append(point)
    return found, replace(rootfs, shared=(*rootfs.shared, *layers), places=tuple(places))


def _inherited(engine: Engine, reference: str, mode: str) -> list[MountPoint]:
    """What --volumes-from takes from another container: read-only if either side says so."""
    try:
        points = mounts.shown(points_of(engine.rows.find(reference)))
    except NotFound as error:
        raise InvalidRequest(str(error)) from None  # as dockerd; clients take "not found" for the image
    writable = "ro" not in mode.split(",")
    return [
        replace(point, mode="", copies=False, writable=point.writable and writable, is_named=point.is_named)
        for point in points
    ]


async def _settle(engine: Engine, container_id: str, point: MountPoint) -> MountPoint:
    if point.type == "image":
        try:
            image = await asyncio.to_thread(engine.images.find, point.source)
        except NotFound as error:
            # Not "not found": clients would pull the container's own image, and ask again.
            raise InvalidRequest(f"{error}: it is to be mounted at {point.target}") from None
        return replace(point, name=str(image.id), diff_ids=tuple(image.diff_ids))
    if point.type != "volume":
        return point
    volume = await asyncio.to_thread(
        engine.volumes.create,
        point.name,
        driver=point.driver,
        labels=point.labels,
        opts=point.driver_options,
        holder=container_id,
    )
    return replace(point, name=volume.name, driver="local")


async def _fill(engine: Engine, points: Sequence[MountPoint], diff_ids: Sequence[str]) -> None:
    """Copy the image's content into the volumes that want it and are empty."""
    wanted = {
        point.target: str(engine.volumes.mountpoint(point.name))
        for point in points
        if point.type == "volume"
        and point.copies
        and not engine.volumes.get(point.name).options
        and _is_empty(engine.volumes.mountpoint(point.name))
    }
    if not wanted or not diff_ids:
        return
    async with engine.runtime.visit(engine.snapshots.view(diff_ids)) as root:
        await finished(partial(_copy_up, root, wanted, [p.target for p in points if not p.is_named]))


def _is_empty(path: os.PathLike[str]) -> bool:
    with os.scandir(path) as entries:
        return next(entries, None) is None


def _copy_up(root: int, wanted: Mapping[str, str], anonymous: Collection[str]) -> None:
    for target, path in wanted.items():
        try:
            source = open_in_root(root, target, OPEN_DIRECTORY)
        except FileNotFoundError:
            continue
        except NotADirectoryError:
            said = f"source {target} is not directory"
            if target in anonymous:
                said = f"cannot mount volume over existing file, file exists {target}"
            raise InvalidRequest(said) from None
        try:
            destination = os.open(path, OPEN_DIRECTORY | os.O_NOFOLLOW)
            try:
                copy_tree(source, destination)
            finally:
                os.close(destination)
        finally:
            os.close(source)
