"""How is another process run in a container over HTTP? Engine API 1.51, "Exec"."""

from typing import TYPE_CHECKING

from aiohttp import web

from sampan.api import reply
from sampan.api.call import Call
from sampan.api.hijack import Hijacked, hijacked
from sampan.errors import InvalidRequest
from sampan.wire.exec import ExecCreate, ExecStart

if TYPE_CHECKING:
    from sampan.api.app import Engine


async def create(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /containers/{id}/exec`: nothing runs yet."""
    body = await call.body(ExecCreate)
    if not body.cmd:
        raise InvalidRequest("No exec command specified")
    return reply.json({"Id": engine.containers.exec_create(call.name, body)}, status=201)


async def start(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /exec/{id}/start`: detached, or with this connection as the process's stdio."""
    body = await call.body(ExecStart)
    process = engine.containers.exec_to_start(call.name)
    size = body.console_size or (0, 0)
    if body.detach:
        await engine.containers.exec_start(call.name, streams=[], console_size=size)
        return reply.empty(200)
    wishes = {"stdin": process.attach_stdin, "stdout": process.attach_stdout, "stderr": process.attach_stderr}
    # The start says how output is framed, whatever the creation said of a terminal: docker-py leaves `Tty` out here.
    keys = process.detach_keys
    async with hijacked(call, terminal=body.tty, detach_keys=keys, head_first=True, **wishes) as stream:
        await engine.containers.exec_start(call.name, streams=[stream], console_size=size)
    return Hijacked()


async def resize(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /exec/{id}/resize`."""
    rows, columns = call.size()
    await engine.containers.exec_resize(call.name, rows, columns)
    return reply.empty(200)


async def inspect(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /exec/{id}/json`."""
    return reply.json(engine.containers.exec_inspect(call.name))
