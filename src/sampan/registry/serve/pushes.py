"""How does a client upload a blob? distribution-spec, "Pushing blobs": at once, in one stream, or in chunks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from sampan.oci.digest import Digest
from sampan.registry.serve.auth import PULL
from sampan.registry.serve.body import pieces
from sampan.registry.serve.call import Call, answer
from sampan.registry.serve.names import check_digest, check_name
from sampan.registry.serve.refusal import RANGE, Refusal
from sampan.registry.serve.uploads import Upload


async def begin(call: Call) -> web.StreamResponse:
    """POST: mount a blob of another repository, take a whole one, or begin an upload."""
    store = call.registry.store
    if call.query("mount"):
        digest = check_digest(call.query("mount"))
        if await _may_mount(call) and await asyncio.to_thread(store.mount, call.name, digest, call.query("from")):
            return _created(call, digest)
    elif call.query("digest"):
        digest = check_digest(call.query("digest"))
        upload = await store.uploads.begin(call.name)
        try:
            async with upload.lock:
                await _receive(call, upload)
                await asyncio.to_thread(store.finish, upload, digest)
        except BaseException:
            store.uploads.discard(upload)  # nobody knows its name
            raise
        return _created(call, digest)
    return answer(202, _headers(await store.uploads.begin(call.name)))


async def progress(call: Call) -> web.StreamResponse:
    """GET: how much is here."""
    return answer(204, _headers(call.registry.store.uploads.get(call.name, call.rest)))


async def append(call: Call) -> web.StreamResponse:
    """PATCH: the next bytes."""
    upload = call.registry.store.uploads.get(call.name, call.rest)
    async with _alone(upload):
        _check(call, upload)
        await _receive(call, upload)
    return answer(202, _headers(upload))


async def finish(call: Call) -> web.StreamResponse:
    """PUT: the last bytes, if any, and the digest of all."""
    upload = call.registry.store.uploads.get(call.name, call.rest)
    digest = check_digest(call.query("digest"))
    async with _alone(upload):
        _check(call, upload)
        await _receive(call, upload)
        await asyncio.to_thread(call.registry.store.finish, upload, digest)
    return _created(call, digest)


async def cancel(call: Call) -> web.StreamResponse:
    """DELETE: give it up."""
    upload = call.registry.store.uploads.get(call.name, call.rest)
    async with _alone(upload):
        await asyncio.to_thread(call.registry.store.uploads.discard, upload)
    return answer(204)


async def _may_mount(call: Call) -> bool:
    """Whether the client may read where it wants to mount from; a mount that is not possible is an upload."""
    source = call.query("from")
    if not source:
        return call.registry.gate.is_open_to_all_who_pass
    try:
        await call.registry.gate.check(call.request, check_name(source), PULL)
    except Refusal:
        return False
    return True


@asynccontextmanager
async def _alone(upload: Upload) -> AsyncIterator[None]:
    """Hold an upload for one request; a second one at the same time is refused rather than mixed in."""
    if upload.lock.locked():
        sentence = "another request writes to this upload"
        raise Refusal("BLOB_UPLOAD_INVALID", sentence, status=RANGE, headers=_headers(upload))
    async with upload.lock:
        yield


def _check(call: Call, upload: Upload) -> None:
    request = call.request
    try:
        call.registry.store.uploads.check_range(
            upload, request.headers.get("Content-Range", ""), request.content_length
        )
    except Refusal as refusal:
        refusal.headers |= _headers(upload)  # from where the client can go on
        raise


async def _receive(call: Call, upload: Upload) -> None:
    if not call.request.can_read_body:
        return
    async for piece in pieces(call.request, call.registry.patience):
        await asyncio.to_thread(call.registry.store.uploads.write, upload, piece)
        call.registry.metrics.received(len(piece))


def _headers(upload: Upload) -> dict[str, str]:
    return {
        "Location": f"/v2/{upload.repository}/blobs/uploads/{upload.id}",
        "Range": upload.range,
        "Docker-Upload-UUID": upload.id,
    }


def _created(call: Call, digest: Digest) -> web.Response:
    return answer(201, {"Location": f"/v2/{call.name}/blobs/{digest}", "Docker-Content-Digest": digest})
