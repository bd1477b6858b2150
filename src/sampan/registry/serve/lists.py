"""What is in the registry: tags, repositories, referrers of a manifest? distribution-spec, "Content Discovery"."""

import asyncio
import json
from urllib.parse import urlencode

from aiohttp import web

from sampan.oci.media_types import OCI_INDEX
from sampan.registry.serve import rows
from sampan.registry.serve.call import PAGE, Call, answer
from sampan.registry.serve.refusal import Refusal


async def base(call: Call) -> web.StreamResponse:
    """`GET /v2/`: yes, this is a registry."""
    return answer(200, body=b"{}")


async def tags(call: Call) -> web.StreamResponse:
    """The tags of a repository, in lexical order."""
    limit, last = call.page()
    database = call.registry.store.database
    if call.registry.upstream:
        everything = sorted(tag for tag in await call.registry.upstream.tags(call.name) if tag > last)
        headers = _next(call, f"/v2/{call.name}/tags/list", limit, everything)
        return answer(200, headers, _json({"name": call.name, "tags": everything[:limit]}))
    if not await asyncio.to_thread(rows.is_known, database, call.name):
        raise Refusal("NAME_UNKNOWN", "repository name not known to registry", detail={"name": call.name})
    # One more than is wanted tells whether there is a next page.
    found = await asyncio.to_thread(rows.tags, database, call.name, last, limit + 1)
    headers = _next(call, f"/v2/{call.name}/tags/list", limit, found)
    return answer(200, headers, _json({"name": call.name, "tags": found[:limit]}))


async def catalog(call: Call) -> web.StreamResponse:
    """The repositories, in lexical order."""
    limit, last = call.page()
    found = await asyncio.to_thread(rows.repositories, call.registry.store.database, last, limit + 1)
    return answer(200, _next(call, "/v2/_catalog", limit, found), _json({"repositories": found[:limit]}))


async def referrers(call: Call) -> web.StreamResponse:
    """An index of the manifests that have the given one as their subject, perhaps of one artifact type only."""
    _, last = call.page()
    subject, wanted = call.digest, call.query("artifactType")
    found = await asyncio.to_thread(rows.referrers, call.registry.store.database, call.name, subject, last, PAGE + 1)
    headers = {"OCI-Filters-Applied": "artifactType"} if wanted else {}
    if len(found) > PAGE:
        kept = {"artifactType": wanted} if wanted else {}
        query = urlencode({"last": found[PAGE - 1].digest, **kept})
        headers["Link"] = f'</v2/{call.name}/referrers/{subject}?{query}>; rel="next"'
    manifests = [_descriptor(row) for row in found[:PAGE] if not wanted or row.artifact_type == wanted]
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}
    return answer(200, headers, _json(index), OCI_INDEX)


def _descriptor(row: rows.ManifestRow) -> dict[str, object]:
    return {
        "mediaType": row.media_type,
        "digest": row.digest,
        "size": row.size,
        **({"artifactType": row.artifact_type} if row.artifact_type else {}),
        **({"annotations": dict(row.annotations)} if row.annotations else {}),
    }


def _next(call: Call, path: str, limit: int, found: list[str]) -> dict[str, str]:
    if len(found) <= limit or not limit:
        return {}
    return {"Link": f'<{path}?{urlencode({"last": found[limit - 1], "n": limit})}>; rel="next"'}


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
