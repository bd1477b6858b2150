"""What does a client ask about the engine itself? Engine API 1.51, "System"."""

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sampan.api import reply
from sampan.api.about import info_body, version_body
from sampan.api.call import Call
from sampan.api.routes.volumes import usage
from sampan.errors import InvalidRequest

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
    devices = await asyncio.to_thread(engine.containers.vendors_devices)
    listeners = engine.events.count
    return reply.json(info_body(engine.about, engine.containers.counts(), len(engine.images.all()), listeners, devices))


async def disk_usage(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /system/df`; `type` picks some of the kinds. `LogsSize` is ours: dockerd forgets to count logs."""
    images = await asyncio.to_thread(engine.images.list, shared_size=True, version=call.version)
    containers = await asyncio.to_thread(engine.containers.list, all=True, size=True)
    used = Counter(container["ImageID"] for container in containers)
    layers = {diff_id: size for image in engine.images.all() for diff_id, size in image.layers}
    kinds: dict[str, dict[str, Any]] = {
        "image": {"LayersSize": sum(layers.values()), "Images": [{**i, "Containers": used[i["Id"]]} for i in images]},
        "container": {"Containers": containers, "LogsSize": await asyncio.to_thread(engine.containers.log_bytes)},
        "volume": {"Volumes": await asyncio.to_thread(usage, engine)},
        "build-cache": {"BuildCache": await asyncio.to_thread(engine.builder.records)},
    }
    wanted = call.texts("type") or list(kinds)
    if unknown := [kind for kind in wanted if kind not in kinds]:
        raise InvalidRequest(f"unknown object type: {unknown[0]}")
    return reply.json({key: value for kind in wanted for key, value in kinds[kind].items()})
