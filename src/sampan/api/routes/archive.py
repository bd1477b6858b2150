"""How do files come out of a container over HTTP, and into one? Engine API 1.51: archive, changes, export."""

import asyncio
import base64
import json
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from aiohttp import web

from sampan.api import reply
from sampan.api.call import Call
from sampan.api.progress import batches
from sampan.api.upload import upload
from sampan.containers.archive import PathStat
from sampan.containers.tree import Tree
from sampan.errors import Unavailable
from sampan.wire import versions
from sampan.wire.timestamps import rfc3339_nano

if TYPE_CHECKING:
    from sampan.api.app import Engine

STAT = "X-Docker-Container-Path-Stat"
TAR = "application/x-tar"
# A container that does not run cannot be started while its files are copied: no client may keep it so.
PATIENCE_SECONDS = 60.0


async def look(engine: "Engine", call: Call) -> web.StreamResponse:
    """`HEAD /containers/{id}/archive`, and ours of a volume."""
    found = await engine.containers.look_at_path(_tree(engine, call), call.text("path"))
    return reply.empty(200, {STAT: _encode(found)})


async def read(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /containers/{id}/archive`: a tar."""
    async with engine.containers.read_path(_tree(engine, call), call.text("path")) as (found, pieces):
        return await send_tar(call, pieces, {STAT: _encode(found)})


async def write(engine: "Engine", call: Call) -> web.StreamResponse:
    """`PUT /containers/{id}/archive`: a tar as the body, compressed or not."""
    async with upload(call, PATIENCE_SECONDS) as body:
        await engine.containers.write_path(
            _tree(engine, call),
            call.text("path"),
            body,
            keeps_kinds=call.flag("noOverwriteDirNonDir"),
            takes_owner=call.flag("copyUIDGID"),
        )
    return reply.empty(200)


async def glob(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /containers/{id}/glob`, ours: the paths that `pattern` means inside."""
    return reply.json({"Paths": await engine.containers.glob(_tree(engine, call), call.text("pattern"))})


def _tree(engine: "Engine", call: Call) -> AbstractAsyncContextManager[Tree]:
    _, path = versions.split(call.request.path)
    return engine.containers.tree(call.name, of_volume=path.startswith("/volumes/"))


async def changes(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /containers/{id}/changes`."""
    return reply.json(await engine.containers.changes(call.name))


async def export(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /containers/{id}/export`: a tar of the container's own files."""
    async with engine.containers.export(call.name) as pieces:
        return await send_tar(call, pieces)


async def send_tar(call: Call, pieces: Iterator[bytes], headers: dict[str, str] | None = None) -> web.StreamResponse:
    """The pieces as the answer's body. What fails before the first byte is an answer of its own."""
    parts = batches(pieces)
    first = await anext(parts, b"")
    response = reply.stream(TAR, headers)
    await response.prepare(call.request)
    try:
        await _send(response, first)
        async for part in parts:
            await _send(response, part)
        await response.write_eof()
    finally:
        await parts.aclose()
    return response


async def _send(response: web.StreamResponse, part: bytes) -> None:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await response.write(part)
    except TimeoutError:
        raise Unavailable("the client stopped reading") from None


def _encode(found: PathStat) -> str:
    described = {
        "name": found.name,
        "size": found.size,
        "mode": found.mode,
        "mtime": rfc3339_nano(found.mtime_ns),
        "linkTarget": found.link_target,
    }
    return base64.b64encode(json.dumps(described, separators=(",", ":")).encode("utf-8", "replace")).decode("ascii")
