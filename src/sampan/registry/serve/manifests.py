"""What can be done with manifests? distribution-spec, "Pulling manifests", "Pushing manifests", "Deleting …"."""

import asyncio
import hashlib

from aiohttp import web

from sampan.registry.serve.body import whole
from sampan.registry.serve.call import Call, answer
from sampan.registry.serve.names import check_digest, check_tag, is_digest_like
from sampan.registry.serve.refusal import Refusal

MANIFEST_MAX = 4 << 20
TAGS_MAX = 100


async def get(call: Call) -> web.StreamResponse:
    """The manifest that a tag or a digest means."""
    reference, by_tag = _reference(call)
    if call.registry.upstream:
        await call.registry.upstream.manifest(call.name, reference, by_tag=by_tag)
    row, data = await asyncio.to_thread(call.registry.store.manifest, call.name, reference, by_tag=by_tag)
    headers = {"Docker-Content-Digest": row.digest, "ETag": f'"{row.digest}"'}
    if row.digest in call.request.headers.get("If-None-Match", ""):
        return answer(304, headers)
    if call.request.method == "HEAD":
        return answer(200, headers | {"Content-Type": row.media_type, "Content-Length": str(len(data))})
    call.registry.metrics.sent(len(data))
    return answer(200, headers, data, row.media_type)


async def put(call: Call) -> web.StreamResponse:
    """Keep a manifest, under its digest and under the tags that are asked for."""
    reference, by_tag = _reference(call)
    asked = call.request.query.getall("tag", [])
    if len(asked) > TAGS_MAX:
        raise Refusal("MANIFEST_INVALID", f"{len(asked)} tags for one manifest, at most {TAGS_MAX} at once")
    tags = [*([reference] if by_tag else ()), *(check_tag(tag) for tag in asked)]
    data = await whole(call.request, call.registry.patience, MANIFEST_MAX, "the manifest")
    algorithm = "sha256" if by_tag else reference.partition(":")[0]
    digest = f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"
    if not by_tag and digest != reference:
        raise Refusal("DIGEST_INVALID", f"the manifest has digest {digest}, not {reference}")
    content_type = call.request.headers.get("Content-Type", "").partition(";")[0].strip()
    document = await asyncio.to_thread(call.registry.store.put_manifest, call.name, data, digest, content_type, tags)
    response = answer(201, {"Location": f"/v2/{call.name}/manifests/{digest}", "Docker-Content-Digest": digest})
    if document.subject:
        response.headers["OCI-Subject"] = document.subject
    for tag in asked:
        response.headers.add("OCI-Tag", tag)
    return response


async def delete(call: Call) -> web.StreamResponse:
    """Forget a tag, or a manifest with all its tags."""
    reference, by_tag = _reference(call)
    forget = call.registry.store.delete_tag if by_tag else call.registry.store.delete_manifest
    await asyncio.to_thread(forget, call.name, reference)
    return answer(202)


def _reference(call: Call) -> tuple[str, bool]:
    """What the path ends in, and whether it is a tag. Raises Refusal."""
    if is_digest_like(call.rest):
        return check_digest(call.rest), False
    return check_tag(call.rest), True
