"""What can be done with blobs that are here? GET, HEAD and DELETE of distribution-spec, "Pulling blobs"."""

import asyncio

from aiohttp import web

from sampan.registry.serve.call import Call, answer

OCTETS = "application/octet-stream"


async def get(call: Call) -> web.StreamResponse:
    """The blob, whole or the range that is asked for."""
    if call.registry.upstream:
        size = await call.registry.upstream.blob(call.name, call.digest, fetch=call.request.method == "GET")
    else:
        size = await asyncio.to_thread(call.registry.store.find_blob, call.name, call.digest)
    headers = {"Docker-Content-Digest": call.digest, "Content-Type": OCTETS, "Accept-Ranges": "bytes"}
    if call.request.method == "HEAD":
        return answer(200, headers | {"Content-Length": str(size)})
    call.registry.metrics.sent(size)
    return web.FileResponse(call.registry.store.content.path(call.digest), chunk_size=1 << 20, headers=headers)


async def delete(call: Call) -> web.StreamResponse:
    """Unlink the blob from the repository."""
    await asyncio.to_thread(call.registry.store.delete_blob, call.name, call.digest)
    return answer(202, {"Docker-Content-Digest": call.digest})
