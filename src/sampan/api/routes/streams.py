"""How does a client follow a container: attach, logs, wait? Engine API 1.51, "Container"."""

from typing import TYPE_CHECKING

from aiohttp import web

from sampan.api import reply
from sampan.api.call import Call
from sampan.api.hijack import Hijacked, hijacked
from sampan.api.websocket import over_websocket
from sampan.errors import InvalidRequest
from sampan.wire.bodies import encode
from sampan.wire.versions import Version

if TYPE_CHECKING:
    from sampan.api.app import Engine

CONDITIONS = ("", "not-running", "next-exit", "removed")


async def attach(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /containers/{id}/attach`: the client's connection becomes the container's."""
    terminal = engine.containers.attachable(call.name)
    async with hijacked(call, terminal=terminal, detach_keys=call.text("detachKeys"), **_wishes(call)) as stream:
        await engine.containers.attach(call.name, stream, logs=call.flag("logs"), live=call.flag("stream"))
    return Hijacked()


async def attach_websocket(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /containers/{id}/attach/ws`: the same through a WebSocket; output is never framed there."""
    engine.containers.attachable(call.name)
    async with over_websocket(call, detach_keys=call.text("detachKeys"), **_wishes(call)) as (response, stream):
        await engine.containers.attach(call.name, stream, logs=call.flag("logs"), live=call.flag("stream"))
    return response


async def logs(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /containers/{id}/logs`."""
    if not (call.flag("stdout") or call.flag("stderr")):
        raise InvalidRequest("Bad parameters: you must choose at least one stream")
    terminal, pieces = engine.containers.logs(
        call.name, stdout=call.flag("stdout"), stderr=call.flag("stderr"), follow=call.flag("follow"),
        since_ns=call.moment("since"), until_ns=call.moment("until"), tail=call.text("tail"),
        timestamps=call.flag("timestamps"), details=call.flag("details"),
    )  # fmt: skip
    response = reply.stream(reply.output_type(terminal=terminal, version=call.version))
    await response.prepare(call.request)
    async for piece in pieces:
        await response.write(piece)
    await response.write_eof()
    return response


async def stats(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /containers/{id}/stats`: one JSON object, or one a second until the client leaves."""
    answers = engine.containers.stats(
        call.name,
        stream=call.flag("stream", default=True),
        one_shot=call.flag("one-shot") and call.version >= Version(1, 41),
    )
    response = reply.stream()
    await response.prepare(call.request)
    async for answer in answers:
        await response.write(encode(answer) + b"\n")
    await response.write_eof()
    return response


async def wait(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /containers/{id}/wait`: the head at once (the client then starts the container), the body at exit."""
    condition = call.text("condition") if call.version >= Version(1, 30) else ""
    if condition not in CONDITIONS:
        raise InvalidRequest(f'invalid condition: "{condition}"')
    waiter = await engine.containers.wait(call.name, condition or "not-running")
    response = reply.stream()
    await response.prepare(call.request)
    status = await waiter
    await response.write_eof(encode(status) + b"\n")
    return response


def _wishes(call: Call) -> dict[str, bool]:
    return {name: call.flag(name) for name in ("stdin", "stdout", "stderr")}
