"""What can be done with a volume's data that Docker has no request for: rename, clone, backup, restore?"""

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from sampan.api import reply
from sampan.api.call import Call
from sampan.api.routes.archive import PATIENCE_SECONDS, send_tar
from sampan.api.routes.volumes import body
from sampan.api.upload import upload
from sampan.containers.backup import import_volume

if TYPE_CHECKING:
    from sampan.api.app import Engine


async def export(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /volumes/{name}/export`: a tar of the volume's files."""
    async with engine.containers.export_volume(call.name) as pieces:
        return await send_tar(call, pieces)


async def import_(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /volumes/{name}/import`: a tar as the body becomes the files of a volume that is new, or empty."""
    async with upload(call, PATIENCE_SECONDS) as source:
        await asyncio.to_thread(import_volume, engine.volumes, call.name, source)
    return reply.json(body(engine, engine.volumes.get(call.name)), status=201)


async def rename(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /volumes/{name}/rename`: another name (`name` of the query) for a volume that no container holds."""
    await asyncio.to_thread(engine.volumes.rename, call.name, call.text("name"))
    return reply.empty()


async def clone(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /volumes/{name}/clone`: a new volume (`name` of the query) with the same files."""
    volume = await asyncio.to_thread(engine.volumes.clone, call.name, call.text("name"))
    return reply.json(body(engine, volume), status=201)
