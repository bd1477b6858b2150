"""What does Prometheus get? `GET /metrics`, on the API's sockets and on one of its own (--metrics-addr)."""

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from sampan.api import reply
from sampan.api.call import Call
from sampan.wire.metrics import CONTENT_TYPE, Family, render

if TYPE_CHECKING:
    from sampan.api.app import Engine


async def metrics(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /metrics`."""
    return await answer(engine)


async def answer(engine: "Engine") -> web.StreamResponse:
    """Every number, as text."""
    about = engine.about
    facts = {
        "version": about.version,
        "kernel": about.kernel_version,
        "os": about.operating_system,
        "architecture": about.architecture,
        "graphdriver": about.storage_driver,
    }
    itself = Family("engine_daemon_engine_info", "gauge", "What this engine is", [(facts, 1)])
    families = await asyncio.to_thread(engine.containers.metrics)
    body = render([itself, *families]).encode()
    return web.Response(body=body, headers={**reply.SERVED_BY, "Content-Type": CONTENT_TYPE})
