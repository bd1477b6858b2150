"""What does a client ask about the engine itself? Engine API 1.51, "System"."""

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from sampan.api import reply
from sampan.api.about import info_body, version_body
from sampan.api.call import Call

if TYPE_CHECKING:
    from sampan.api.app import Engine

# Every docker command begins with a ping. Builder version 1: building is asked for by POST /build, not over gRPC.
PING = {
    "Builder-Version": "1",
    "Swarm": "inactive",
    "Cache-Control": "no-cache, no-store, must-revalidate",
    "Pragma": "no-cache",
}


async def ping(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET` and `HEAD /_ping`."""
    return reply.text("OK" if call.request.method == "GET" else "", headers=PING)


async def version(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /version`."""
    return reply.json(version_body(engine.about))


async def info(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /info`."""
    return reply.json(info_body(engine.about, engine.containers.counts(), len(engine.images.all()), 0))


async def disk_usage(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /system/df`."""
    images = await asyncio.to_thread(engine.images.list, shared_size=True, version=call.version)
    containers = await asyncio.to_thread(engine.containers.list, all=True, size=True)
    layers = {diff_id: size for image in engine.images.all() for diff_id, size in image.layers}
    return reply.json(
        {
            "LayersSize": sum(layers.values()),
            "Images": images,
            "Containers": containers,
            "Volumes": [],
            "BuildCache": [],
        }
    )
