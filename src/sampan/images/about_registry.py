"""What does a registry say about an image without its layers being fetched, and which images does it find?"""

from collections.abc import Mapping, Sequence
from typing import Any

from sampan.errors import InvalidRequest, NotFound, SampanError
from sampan.images.resolve import fetch_blob, find
from sampan.oci.config import parse_config
from sampan.oci.descriptor import platform_as_json
from sampan.oci.fields import Fields
from sampan.oci.manifest import Index, Manifest, parse_manifest
from sampan.oci.media_types import CONFIGS
from sampan.oci.reference import DEFAULT_DOMAIN, Reference
from sampan.registry.client import Registries
from sampan.registry.credentials import Credentials
from sampan.registry.failure import Absent
from sampan.registry.repository import Repository
from sampan.wire.filters import Filters

MAX_RESULTS = 100


async def describe(sources: Sequence[Repository], reference: Reference) -> Mapping[str, Any]:
    """DistributionInspect: the descriptor that a name means, and for which platforms. Raises SampanError."""
    try:
        document, sources = await find(sources, reference)
    except NotFound as error:
        raise NotFound(str(error).rpartition(" not found: ")[2]) from None
    parsed = parse_manifest(document.data, document.media_type)
    descriptor = {"mediaType": parsed.media_type, "digest": document.digest, "size": len(document.data)}
    return {"Descriptor": descriptor, "Platforms": await _platforms(sources, parsed)}


async def _platforms(sources: Sequence[Repository], parsed: Manifest | Index) -> list[dict[str, str]]:
    if isinstance(parsed, Index):
        return [platform_as_json(each.platform) for each in parsed.manifests if each.platform]
    if parsed.config.media_type not in CONFIGS:
        return []
    config = parse_config(await fetch_blob(sources, parsed.config))
    return [platform_as_json(config.platform)]


async def search(
    registries: Registries, term: str, limit: int, filters: Filters, credentials: Credentials
) -> Sequence[Mapping[str, Any]]:
    """`GET /images/search`: what the registry that the term begins with finds, or Docker Hub. Raises SampanError."""
    filters.check(("is-automated", "is-official", "stars"))
    if not 1 <= limit <= MAX_RESULTS:
        raise InvalidRequest(f"limit {limit} is outside the range of [1, {MAX_RESULTS}]")
    if "://" in term:
        raise InvalidRequest(f'invalid repository name: repository name ({term}) should not contain "://"')
    domain, _, rest = term.partition("/")
    is_domain = bool(rest) and ("." in domain or ":" in domain or domain == "localhost")
    name = rest if is_domain else term.removeprefix("library/")
    try:
        found = await registries.search(domain if is_domain else DEFAULT_DOMAIN, name, limit, credentials)
    except Absent as error:
        raise SampanError(str(error)) from None
    results = [_result(each) for each in Fields(found, "search result").items("results")]
    return [each for each in results if _passes(each, filters)][:limit]


def _result(fields: Fields) -> dict[str, Any]:
    return {
        "star_count": fields.number("star_count") or 0,
        "is_official": fields.flag("is_official"),
        "name": fields.text("name"),
        "is_automated": fields.flag("is_automated"),
        "description": fields.text("description"),
    }


def _passes(result: Mapping[str, Any], filters: Filters) -> bool:
    for name, member in (("is-official", "is_official"), ("is-automated", "is_automated")):
        wanted = filters.get(name)
        if wanted and str(result[member]).lower() not in {each.lower() for each in wanted}:
            return False
    stars = filters.get("stars")
    if not all(each.isascii() and each.isdigit() for each in stars):
        raise InvalidRequest("invalid filter 'stars'")
    return all(int(result["star_count"]) >= int(each) for each in stars)
