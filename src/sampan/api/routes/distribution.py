"""What goes on between this engine and registries over HTTP? Engine API 1.51, "Distribution" and parts of "Image".

Credentials come with the request that needs them and are not kept. `/distribution/{name}/manifest` is our own: what the
CLI needs for `manifest`, which docker's does by itself.
"""

from typing import TYPE_CHECKING

from aiohttp import web

from sampan.api import reply
from sampan.api.call import Call
from sampan.api.progress import followed
from sampan.errors import InvalidRequest
from sampan.oci.platform import Platform, parse_platform, parse_platform_json
from sampan.registry.credentials import ANONYMOUS, Credentials, decode_header
from sampan.wire.images import AuthConfig, ManifestPush

if TYPE_CHECKING:
    from sampan.api.app import Engine

_HEADER = "X-Registry-Auth"


async def pull(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /images/create?fromImage=…`."""
    name, tag = call.text("fromImage"), call.text("tag")
    who = credentials_of(call)
    platform = parse_platform(call.text("platform")) if call.text("platform") else None
    return await followed(call, lambda emit: engine.distribution.pull(name, tag, who, emit, platform=platform))


async def push(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /images/{name}/push`."""
    if _HEADER not in call.request.headers:
        raise InvalidRequest("Bad parameters and missing X-Registry-Auth: EOF")
    name, tag, who = call.name, call.text("tag"), credentials_of(call)
    platform = _platform(call)
    return await followed(call, lambda emit: engine.distribution.push(name, tag, who, emit, platform=platform))


async def verify(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /images/verify`, our own: is everything what its digest says? `repair` mends what can be mended."""
    names, who, repair = call.texts("names"), credentials_of(call), call.flag("repair")
    return await followed(call, lambda emit: engine.distribution.verify(names, who, emit, repair=repair))


async def inspect(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /distribution/{name}/json`."""
    return reply.json(await engine.distribution.inspect(call.name, credentials_of(call)))


async def manifest(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /distribution/{name}/manifest`: the document itself, as the registry has it, with its media type."""
    document = await engine.distribution.manifest(call.name, credentials_of(call))
    headers = {"Docker-Content-Digest": document.digest}
    return reply.data(document.data, document.media_type or "application/json", headers)


async def put_manifest(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /distribution/{name}/manifest`: an index of manifests that registries have."""
    body = await call.body(ManifestPush)
    return reply.json({"digest": await engine.distribution.push_index(call.name, body, credentials_of(call))}, 201)


async def log_in(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /auth`: check credentials."""
    body = await call.body(AuthConfig)
    who = Credentials(body.username, body.password, body.identitytoken, body.registrytoken, body.serveraddress)
    token = await engine.distribution.log_in(who)
    return reply.json({"IdentityToken": token, "Status": "Login Succeeded"})


async def search(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /images/search`."""
    limit = call.integer("limit")
    found = await engine.distribution.search(call.text("term"), limit, call.filters(), credentials_of(call))
    return reply.json(found)


def credentials_of(call: Call) -> Credentials:
    """The credentials in the request's header. Raises InvalidRequest."""
    value = call.request.headers.get(_HEADER, "")
    return decode_header(value) if value else ANONYMOUS


def _platform(call: Call) -> Platform | None:
    return parse_platform_json(call.text("platform")) if call.text("platform") else None
