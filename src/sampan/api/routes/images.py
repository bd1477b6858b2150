"""What can be done with images over HTTP? Engine API 1.51, "Image", and our own `POST /images/from-host`.

Reading and writing archives takes threads: what they do is synchronous and long.
"""

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from sampan.api import reply
from sampan.api.call import Call
from sampan.api.progress import batches, watched
from sampan.api.routes import distribution
from sampan.api.upload import upload
from sampan.errors import InvalidRequest, NotFound
from sampan.oci.platform import Platform, parse_platform, parse_platform_json
from sampan.wire.images import FromHost

if TYPE_CHECKING:
    from sampan.api.app import Engine

FROM_BODY = "-"


async def listing(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /images/json`."""
    listed = partial(
        engine.images.list, all=call.flag("all"), filters=call.filters(), shared_size=call.flag("shared-size"),
        version=call.version, with_manifests=call.flag("manifests"),
    )  # fmt: skip
    return reply.json(await asyncio.to_thread(listed))


async def inspect(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /images/{name}/json`."""
    return reply.json(engine.images.inspect(call.name, call.version, platform=_platform(call)))


async def history(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /images/{name}/history`."""
    return reply.json(engine.images.history(call.name, platform=_platform(call)))


async def tag(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /images/{name}/tag`."""
    await asyncio.to_thread(engine.images.tag, call.name, call.text("repo"), call.text("tag"))
    return reply.empty(201)


async def remove(engine: "Engine", call: Call) -> web.StreamResponse:
    """`DELETE /images/{name}`."""
    force, prune = call.flag("force"), not call.flag("noprune")
    return reply.json(await asyncio.to_thread(engine.images.remove, call.name, force=force, prune=prune))


async def prune(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /images/prune`."""
    return reply.json(await asyncio.to_thread(engine.images.prune, call.filters()))


async def load(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /images/load`: an archive as the body, docker's or OCI's, compressed or not."""
    platform = _platform(call)
    async with upload(call) as archive:
        loading = partial(engine.images.load, archive, quiet=call.flag("quiet"), platform=platform)
        return await watched(call, loading, always_streams=True)  # as dockerd: docker-py looks for the error there


async def create(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /images/create`: pulls an image, or imports a root filesystem from the body."""
    if is_pull(call):
        return await distribution.pull(engine, call)
    source = call.text("fromSrc")
    repository, tag_name, message = call.text("repo"), call.text("tag"), call.text("message")
    changes = call.texts("changes")
    platform = parse_platform(call.text("platform")) if call.text("platform") else None
    if source != FROM_BODY:
        fetching = partial(engine.images.import_url, source, repository, tag_name, changes, message, platform=platform)
        return await watched(call, fetching)
    async with upload(call) as archive:
        importing = partial(
            engine.images.import_tar, archive, repository, tag_name, changes, message, platform=platform
        )
        return await watched(call, importing)


def is_pull(call: Call) -> bool:
    """Whether `POST /images/create` is a pull: one that ends when its client leaves, and can be gone on with."""
    return bool(call.text("fromImage"))


async def from_host(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /images/from-host`: an image of programs that are installed here."""
    body = await call.body(FromHost)
    if not body.reference:
        raise InvalidRequest("reference: the image needs a name")
    return await watched(call, lambda emit: engine.images.from_host(body.reference, body.programs or (), emit))


async def save(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /images/{name}/get`."""
    return await _archive(engine, call, [call.name])


async def save_many(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /images/get`."""
    names = call.texts("names")
    if not names:
        raise NotFound("no images to save: give names")
    return await _archive(engine, call, names)


async def _archive(engine: "Engine", call: Call, names: list[str]) -> web.StreamResponse:
    parts = await asyncio.to_thread(partial(engine.images.save, names, platform=_platform(call)))
    response = reply.stream("application/x-tar")
    await response.prepare(call.request)
    async for batch in batches(parts):
        await response.write(batch)
    await response.write_eof()
    return response


def _platform(call: Call) -> Platform | None:
    """The one variant of an image that is asked for, as JSON in the query. Raises InvalidRequest."""
    return parse_platform_json(call.text("platform")) if call.text("platform") else None
