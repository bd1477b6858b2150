"""What can be done with a volume's data that Docker has no request for: rename, clone?"""

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from sampan.api import reply
from sampan.api.call import Call
from sampan.api.routes.volumes import body

if TYPE_CHECKING:
    from sampan.api.app import Engine


async def rename(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /volumes/{name}/rename`: another name (`name` of the query) for a volume that no container holds."""
    await asyncio.to_thread(engine.volumes.rename, call.name, call.text("name"))
    return reply.empty()


async def clone(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /volumes/{name}/clone`: a new volume (`name` of the query) with the same files."""
    volume = await asyncio.to_thread(engine.volumes.clone, call.name, call.text("name"))
    return reply.json(body(engine, volume), status=201)
