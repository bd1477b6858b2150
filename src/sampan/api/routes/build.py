"""What can be built over HTTP? Engine API 1.51, `POST /build` with the classic progress, and the cache's prune."""

import asyncio
import socket
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from sampan.api import reply
from sampan.api.call import Call
from sampan.api.hijack import Hijacked, take_socket
from sampan.api.outlet import Emit, streamed
from sampan.api.progress import batches, followed
from sampan.api.routes.archive import PATIENCE_SECONDS, send_tar
from sampan.api.routes.distribution import credentials_of
from sampan.api.status import sentence_of
from sampan.api.upload import upload
from sampan.builder.inputs import SECONDS
from sampan.builder.mount_cache import cache_id_of
from sampan.builder.operations.run import StepFailed
from sampan.builder.platforms import parse_platforms
from sampan.builder.quiet import Quiet
from sampan.builder.report import Report
from sampan.builder.request import BuildRequest
from sampan.errors import InvalidRequest, NotSupported
from sampan.layers.pack_tree import pack_tree
from sampan.oci.reference import parse_reference
from sampan.registry.credentials import decode_config_header
from sampan.wire.build import BuildInputs, BundleBody, Parameters
from sampan.wire.context import LISTING_MAX
from sampan.wire.images import error_line, progress_line

if TYPE_CHECKING:
    from sampan.api.app import Engine

ERROR_CODE_OTHERS = 1
TAR = "application/x-tar"
PATIENCE = 120.0  # seconds in which nothing comes


async def build(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /build`: a tar of the context as the body."""
    request = wanted(call)
    if call.text("inputs"):
        given = engine.builder.inputs.take(call.text("inputs"))
        request = replace(request, secrets=given.secrets, agents=given.agents)
    try:
        return await _answer(engine, call, request)
    finally:
        if request.agents:
            request.agents.close()


async def _answer(engine: "Engine", call: Call, request: BuildRequest) -> web.StreamResponse:
    if call.flag("check"):
        return await streamed(call, partial(_check, engine, call, request), _error_line)

    async def work(emit: Emit) -> None:
        async with AsyncExitStack() as held:
            context = await held.enter_async_context(upload(call)) if request.has_context else None
            quiet = Quiet(emit) if call.flag("q") else None
            report = Report(quiet.emit if quiet else emit, events=call.flag("events"))
            try:
                image = await engine.builder.build(request, context, report)
            except Exception:
                if quiet:
                    await quiet.release()
                raise
            if quiet:
                await emit({"stream": image.id + "\n"})

    return await streamed(call, work, _error_line)


async def _check(engine: "Engine", call: Call, request: BuildRequest, emit: Emit) -> None:
    async with AsyncExitStack() as held:
        context = await held.enter_async_context(upload(call)) if request.has_context else None
        for warning in await engine.builder.check(request, context):
            await emit({"aux": dict(warning)})


async def inputs(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /build/inputs`, our own: secrets (JSON) or a named context (a tar) for a build that follows."""
    if call.request.content_type == TAR:
        given = engine.builder.inputs
        async with upload(call, PATIENCE) as context:
            try:
                word = await asyncio.to_thread(given.leave_context, context)
            finally:  # also for a client that left before it had the word
                loop = asyncio.get_running_loop()
                loop.call_later(SECONDS + PATIENCE, loop.run_in_executor, None, given.forget_old)
        return reply.json({"Id": word}, 201)
    body = await call.body(BuildInputs)
    return reply.json({"Id": engine.builder.inputs.leave(body.secrets or {}, body.agents or ())}, 201)


async def context(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /build/context?key=…`, our own: a listing of what a context holds; what of it a build needs to bring.

    `wire/context.py` has the words. The build that follows names the `Id` as its `listed`.
    """
    async with upload(call, PATIENCE) as source:
        listing = await asyncio.to_thread(source.read, LISTING_MAX + 1)
    if len(listing) > LISTING_MAX:
        raise InvalidRequest(f"the listing of the context has more than {LISTING_MAX} bytes")
    compare = engine.builder.services.known_contexts.compare
    word, wanted = await asyncio.to_thread(compare, call.text("key"), listing)
    return reply.json({"Id": word, "Wanted": wanted}, 201)


async def agents(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /build/agents?inputs=WORD`, our own: the connection on which a client is asked for its SSH agents."""
    link = engine.builder.inputs.link(call.text("inputs"))
    descriptor, early = await take_socket(call, terminal=False)
    client = socket.socket(fileno=descriptor)
    client.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=client)
    if early:
        writer.close()  # it is the client who is asked
        return Hijacked()
    await link.serve(reader, writer)
    return Hijacked()


async def archive(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /build/archive`, our own: an OCI layout whose index names images, and what is said about them."""
    body = await call.body(BundleBody)
    pieces = await asyncio.to_thread(engine.images.archive, body)
    response = reply.stream("application/x-tar")
    await response.prepare(call.request)
    async for batch in batches(pieces):
        await response.write(batch)
    await response.write_eof()
    return response


async def push(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /build/push`, our own: the same index, into a registry."""
    body, who = await call.body(BundleBody), credentials_of(call)
    return await followed(call, lambda emit: engine.distribution.push_bundle(body, who, emit))


async def export_cache(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /build/mounts?id=…`, our own: a tar of what `RUN --mount=type=cache` keeps under an id."""
    async with engine.builder.services.mount_caches.reading(_cache_id(call)) as directory:
        return await send_tar(call, pack_tree(directory))


async def import_cache(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /build/mounts?id=…`, our own: a tar as the body becomes what is kept under an id."""
    cache_id = _cache_id(call)
    async with upload(call, PATIENCE_SECONDS) as source:
        await engine.builder.services.mount_caches.replace(cache_id, source)
    return reply.empty()


def _cache_id(call: Call) -> str:
    if not call.text("id"):
        raise InvalidRequest("id: which cache is meant?")
    return cache_id_of(call.text("namespace"), call.text("id"))


async def history(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /build/history`, our own: the latest builds and what became of them."""
    return reply.json(await asyncio.to_thread(engine.builder.history.list))


async def prune(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /build/prune`."""
    filters = call.filters()
    keep = call.integer("reserved-space") or call.integer("keep-storage") or 0
    pruning = partial(engine.builder.prune, filters, everything=call.flag("all"), keep_bytes=keep)
    return reply.json(await asyncio.to_thread(pruning))


def wanted(call: Call) -> BuildRequest:
    """What the query asks for. Raises InvalidRequest, NotSupported."""
    if call.text("version") == "2" or call.text("remote") == "client-session":
        raise NotSupported("BuildKit sessions are not supported by this engine: build with DOCKER_BUILDKIT=0")
    query = call.request.query
    given = Parameters(text=dict(query), lists={key: query.getall(key) for key in query})
    references = []
    for name in call.texts("t"):
        reference = parse_reference(name)
        if reference.digest:
            raise InvalidRequest("build tag cannot contain a digest")
        if reference.with_default_tag() not in references:
            references.append(reference.with_default_tag())
    platforms = parse_platforms(call.texts("platform"))
    provenance = call.text("provenance")
    if provenance not in ("", "min", "max"):
        raise InvalidRequest(f"provenance {provenance!r}: it is min or max")
    return BuildRequest(
        dockerfile=call.text("dockerfile") or "Dockerfile",
        remote=call.text("remote"),
        listed=call.text("listed"),
        references=tuple(references),
        target=call.text("target"),
        arguments=given.map_of("buildargs"),
        labels={name: value or "" for name, value in given.map_of("labels").items()},
        platform=platforms[0] if platforms else None,
        platforms=platforms if len(platforms) > 1 else (),
        provenance=provenance,
        sbom=call.flag("sbom"),
        builder_id=call.text("builderid"),
        tells_parts=call.flag("parts"),
        no_cache=call.flag("nocache"),
        pull=call.flag("pull"),
        squash=call.flag("squash"),
        limits=given.limits(),
        no_cache_stages=tuple(given.texts_of("nocachefilter")),
        contexts={name: value or "" for name, value in given.map_of("contexts").items()},
        entitlements=frozenset(given.texts_of("allow")),
        cache_to=parse_reference(call.text("cacheto")) if call.text("cacheto") else None,
        cache_from=tuple(given.texts_of("cachefrom")),
        credentials=decode_config_header(call.request.headers.get("X-Registry-Config", "")),
        has_context=not call.text("remote"),
    )


def _error_line(error: Exception) -> bytes:
    sentence = sentence_of(error)
    if isinstance(error, StepFailed):
        return progress_line({"errorDetail": {"code": error.code, "message": sentence}, "error": sentence})
    return error_line(sentence)
