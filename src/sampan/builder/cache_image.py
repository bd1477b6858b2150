"""How does a cache come to another engine? In an image.

`--cache-to type=inline` (BUILDKIT_INLINE_CACHE=1) writes into the config of the image itself which keys led to its
layers;
`type=registry` makes an image of its own that has the layers of every step, so that steps of stages that left nothing
in
the image are found as well. `--cache-from NAME` reads either: the layers are verified by their digests like any others,
and a key names nothing but contents, so the worst that a foreign cache can do is what running that image could do.
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sampan.builder.build import Build
from sampan.builder.sources import image_of
from sampan.errors import SampanError
from sampan.images.image import Image
from sampan.oci.config import parse_config
from sampan.oci.platform import Platform
from sampan.oci.reference import Reference
from sampan.oci.strict import encode

MEMBER = "sampan.cache.v1"
INLINE_ARGUMENT = "BUILDKIT_INLINE_CACHE"
KEY = re.compile(r"[0-9a-f]{64}", re.ASCII)
KEYS_MAX = 10_000
LAYERS_MAX = 500


async def take_caches(build: Build) -> list[str]:
    """Make known what the images of --cache-from hold; what could not be had, as sentences."""
    missed = []
    for name in build.request.cache_from:
        try:
            image = await image_of(build, name, "")
        except SampanError as error:
            missed.append(f"importing cache from {name}: {error}".partition("\n")[0])
            continue
        await build.in_thread(partial(_take, build, image))
    return missed


def _take(build: Build, image: Image) -> None:
    known = image.config.document.get(MEMBER)
    if not isinstance(known, dict) or len(known) > KEYS_MAX:
        return
    layers = set(image.diff_ids)
    for key, diff_id in known.items():
        # Only layers that the image has: they are here, and are what their digests say.
        if KEY.fullmatch(key) and isinstance(diff_id, str) and diff_id in layers:
            build.services.cache.adopt(key, diff_id, size=dict(image.layers)[diff_id])


def inline(build: Build, diff_ids: Sequence[str]) -> Mapping[str, Any]:
    """The member of an image's config for those keys that led to its own layers; nothing unless it is asked for."""
    if (build.request.arguments.get(INLINE_ARGUMENT) or "").lower() not in ("1", "true"):
        return {}
    own = set(diff_ids)
    found = {key: diff_id for key, diff_id in build.services.cache.layers_of(build.used_keys).items() if diff_id in own}
    return {MEMBER: found} if found else {}


def export(build: Build, reference: Reference, platform: Platform) -> Image:
    """Make the image that has every layer of this build, and the keys that lead to them."""
    found = build.services.cache.layers_of(build.used_keys)
    diff_ids = list(dict.fromkeys(found.values()))[:LAYERS_MAX]
    build.services.layers.settle(diff_ids)
    document = {
        "architecture": platform.architecture,
        "config": {"Labels": {"sampan.cache": "1"}},
        "created": build.moment(build.started_ns),
        "history": [{"created_by": "build cache"} for _ in diff_ids],
        "os": platform.os,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        MEMBER: {key: diff_id for key, diff_id in found.items() if diff_id in set(diff_ids)},
    }
    return build.services.images.insert(
        parse_config(encode(document)), [reference.with_default_tag()], tagged_ns=build.started_ns
    )
