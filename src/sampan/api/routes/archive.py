"""How are files copied in and out of a container? Engine API 1.51, `…/archive`: not yet."""

from typing import TYPE_CHECKING

from aiohttp import web

from sampan.api.call import Call
from sampan.errors import NotSupported

if TYPE_CHECKING:
    from sampan.api.app import Engine


async def refuse(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET`, `HEAD` and `PUT /containers/{id}/archive`."""
    engine.containers.inspect(call.name)
    raise NotSupported("copying files in and out of containers is not supported by this engine yet")
