"""What can be done with volumes over HTTP? Engine API 1.51, "Volume"; what is ours alone is in `volume_data.py`."""

import asyncio
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sampan.api import reply
from sampan.api.call import Call
from sampan.errors import Conflict, NotFound, Unavailable
from sampan.volumes import query
from sampan.volumes.volume import Volume, describe
from sampan.wire.filters import Filters
from sampan.wire.versions import Version
from sampan.wire.volumes import VolumeCreate

if TYPE_CHECKING:
    from sampan.api.app import Engine

# Since this version a prune takes anonymous volumes only, unless `all` is said.
PRUNES_ANONYMOUS = Version(1, 42)


async def listing(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /volumes`."""
    found = query.listed(engine.volumes, call.filters())
    return reply.json({"Volumes": [body(engine, volume) for volume in found], "Warnings": None})


async def create(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /volumes/create`."""
    asked = await call.body(VolumeCreate)
    if asked.cluster_volume_spec is not None:
        raise Unavailable("volume create only valid for cluster volumes, but swarm is unavailable")
    volume = await asyncio.to_thread(
        engine.volumes.create, asked.name, driver=asked.driver, labels=asked.labels, opts=asked.driver_opts
    )
    return reply.json(body(engine, volume), status=201)


async def inspect(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /volumes/{name}`."""
    return reply.json(body(engine, engine.volumes.get(call.name)))


async def update(engine: "Engine", call: Call) -> web.StreamResponse:
    """`PUT /volumes/{name}`: only a cluster's volumes have anything to change."""
    raise Unavailable("volume update only valid for cluster volumes, but swarm is unavailable")


async def remove(engine: "Engine", call: Call) -> web.StreamResponse:
    """`DELETE /volumes/{name}`."""
    await asyncio.to_thread(engine.volumes.remove, call.name, force=call.flag("force"))
    return reply.empty()


async def prune(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /volumes/prune`."""
    filters = call.filters()
    if call.version < PRUNES_ANONYMOUS:
        filters = Filters({**filters.terms, "all": ("true",)})
    deleted: list[str] = []
    reclaimed = 0
    for volume in query.prunable(engine.volumes, filters):
        try:
            reclaimed += await asyncio.to_thread(engine.volumes.remove, volume.name)
        except (Conflict, NotFound):
            continue  # somebody has begun to use it, or was faster
        deleted.append(volume.name)
    engine.events.publish("volume", "prune", "", {"reclaimed": str(reclaimed)})
    return reply.json({"VolumesDeleted": deleted, "SpaceReclaimed": reclaimed})


def body(engine: "Engine", volume: Volume) -> dict[str, Any]:
    """Docker's `Volume`."""
    return describe(volume, str(engine.volumes.mountpoint(volume.name)))


def usage(engine: "Engine") -> list[dict[str, Any]]:
    """All of them with what they take, for `GET /system/df`."""
    return [
        {
            **body(engine, volume),
            "UsageData": {
                "RefCount": len(engine.volumes.holders(volume.name)),
                "Size": engine.volumes.usage(volume.name),
            },
        }
        for volume in engine.volumes.all()
    ]
