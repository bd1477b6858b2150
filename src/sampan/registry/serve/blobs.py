"""What can be done with blobs that are here? GET, HEAD and DELETE of distribution-spec, "Pulling blobs"."""

import asyncio
from contextlib import aclosing

from aiohttp import web

from sampan.registry.serve.call import SERVED_BY, Call, answer
from sampan.registry.serve.download import Download

OCTETS = "application/octet-stream"


async def get(call: Call) -> web.StreamResponse:
    """The blob, whole or the range that is asked for."""
    download = None
    if call.registry.upstream:
        fetch = call.request.method == "GET"
        size, download = await call.registry.upstream.blob(call.name, call.digest, fetch=fetch)
    else:
        size = await asyncio.to_thread(call.registry.store.find_blob, call.name, call.digest)
    headers = {"Docker-Content-Digest": call.digest, "Content-Type": OCTETS, "Accept-Ranges": "bytes"}
    if call.request.method == "HEAD":
        return answer(200, headers | {"Content-Length": str(size)})
    call.registry.metrics.sent(size)
    if download is not None and "Range" not in call.request.headers and download.can_be_followed:
        return await _pass_on(call, download, headers)
    if download is not None:
        await download.wait()
    return web.FileResponse(call.registry.store.content.path(call.digest), chunk_size=1 << 20, headers=headers)


async def _pass_on(call: Call, download: Download, headers: dict[str, str]) -> web.StreamResponse:
    """Send a blob while it comes in."""
    response = web.StreamResponse(headers=SERVED_BY | headers | {"Content-Length": str(download.size)})
    async with aclosing(download.pieces()) as pieces:
        first = await anext(pieces, b"")  # what goes wrong before this can still be said
        await response.prepare(call.request)
        await response.write(first)
        async for piece in pieces:
            await response.write(piece)
    await response.write_eof()
    return response


async def delete(call: Call) -> web.StreamResponse:
    """Unlink the blob from the repository."""
    await asyncio.to_thread(call.registry.store.delete_blob, call.name, call.digest)
    return answer(202, {"Docker-Content-Digest": call.digest})
