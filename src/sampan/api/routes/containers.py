"""What can be done with a container over HTTP, other than streaming (`streams.py`) and executing (`execs.py`)?

Engine API 1.51, "Container".
"""

from typing import TYPE_CHECKING

from aiohttp import web

from sampan.api import compatibility, reply
from sampan.api.call import Call
from sampan.containers.commit import Wish
from sampan.errors import InvalidRequest
from sampan.images.importing import import_reference
from sampan.wire.bodies import decode
from sampan.wire.containers import ContainerConfig, HostConfig, PortsBody, decode_create
from sampan.wire.versions import Version

if TYPE_CHECKING:
    from sampan.api.app import Engine

# A body before 1.24 could hold a HostConfig; "{}" and "null" are still sent.
_MOST_START_BYTES = 7


async def listing(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /containers/json`."""
    found = engine.containers.list(
        all=call.flag("all"), limit=call.integer("limit") or 0, size=call.flag("size"), filters=call.filters()
    )
    return reply.json(found)


async def create(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /containers/create`."""
    body, warnings = compatibility.create(decode_create(await call.json()), call.version)
    platform = call.text("platform") if call.version >= Version(1, 41) else ""
    container_id, more = await engine.containers.create(call.text("name") or None, body, platform)
    return reply.json({"Id": container_id, "Warnings": [*warnings, *more]}, status=201)


async def inspect(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /containers/{id}/json`."""
    return reply.json(compatibility.inspect(engine.containers.inspect(call.name, call.flag("size")), call.version))


async def top(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /containers/{id}/top`."""
    return reply.json(engine.containers.top(call.name, call.text("ps_args")))


async def start(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /containers/{id}/start`: 304 when it runs already."""
    if (call.request.content_length or 0) > _MOST_START_BYTES:
        raise InvalidRequest(
            "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24"
        )
    if call.text("checkpoint"):
        raise InvalidRequest("checkpoint is only supported in experimental mode")
    return reply.empty(204 if await engine.containers.start(call.name, call.text("detachKeys")) else 304)


async def stop(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /containers/{id}/stop`: 304 when it does not run."""
    return reply.empty(204 if await engine.containers.stop(call.name, call.integer("t"), _signal(call)) else 304)


async def restart(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /containers/{id}/restart`."""
    await engine.containers.restart(call.name, call.integer("t"), _signal(call))
    return reply.empty()


async def kill(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /containers/{id}/kill`."""
    await engine.containers.kill(call.name, call.text("signal"))
    return reply.empty()


async def pause(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /containers/{id}/pause`."""
    await engine.containers.pause(call.name)
    return reply.empty()


async def unpause(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /containers/{id}/unpause`."""
    await engine.containers.unpause(call.name)
    return reply.empty()


async def rename(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /containers/{id}/rename`."""
    await engine.containers.rename(call.name, call.text("name"))
    return reply.empty()


async def resize(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /containers/{id}/resize`."""
    rows, columns = call.size()
    await engine.containers.resize(call.name, rows, columns)
    return reply.empty(200)


async def update(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /containers/{id}/update`."""
    body = compatibility.update(await call.body(HostConfig), call.version)
    return reply.json({"Warnings": await engine.containers.update(call.name, body)})


async def commit(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /commit`."""
    body = await call.json()
    wish = Wish(
        reference=import_reference(call.text("repo"), call.text("tag")),
        author=call.text("author"),
        comment=call.text("comment"),
        changes=call.texts("changes"),
        config=None if body.strip() in (b"", b"null") else decode(body, ContainerConfig),
        pause=call.flag("pause", default=True),
    )
    image_id = await engine.containers.commit(call.text("container"), wish, engine.images.commit)
    return reply.json({"Id": image_id}, status=201)


async def publish(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /containers/{id}/publish`, which Docker does not have: publish ports of a container that is there."""
    asked = await call.body(PortsBody)
    return reply.json({"Ports": await engine.containers.publish(call.name, asked.port_bindings or {})})


async def unpublish(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /containers/{id}/unpublish`, which Docker does not have, either."""
    asked = await call.body(PortsBody)
    return reply.json({"Ports": await engine.containers.unpublish(call.name, asked.port_bindings or {})})


async def remove(engine: "Engine", call: Call) -> web.StreamResponse:
    """`DELETE /containers/{id}`."""
    await engine.containers.remove(call.name, force=call.flag("force"), volumes=call.flag("v"), link=call.flag("link"))
    return reply.empty()


async def prune(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /containers/prune`."""
    return reply.json(await engine.containers.prune(call.filters()))


def _signal(call: Call) -> str:
    # A client of 1.41 that sends `signal` does not mean it: the engine had no such parameter.
    return call.text("signal") if call.version >= Version(1, 42) else ""
