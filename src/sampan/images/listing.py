"""Which images does `docker images` show?"""

import re
from typing import Any

from sampan.errors import InvalidRequest
from sampan.images.image import Image
from sampan.images.inspect import Version, summary
from sampan.images.manifests import manifests
from sampan.images.moment import NEVER, unix_ns
from sampan.images.store import ImageStore
from sampan.oci.chain import chain_ids
from sampan.oci.digest import Digest
from sampan.oci.reference import Reference
from sampan.wire import timestamps
from sampan.wire.filters import Filters

ACCEPTED = frozenset({"before", "dangling", "label", "label!", "reference", "since", "until"})


def summaries(
    store: ImageStore,
    filters: Filters,
    *,
    intermediate: bool = False,
    shared_size: bool = False,
    with_manifests: bool = False,
    version: Version = (1, 51),
) -> list[dict[str, Any]]:
    """ImageSummary of every image that the filters let pass, the youngest first.

    `intermediate` also shows unnamed images that others are built on. Raises InvalidRequest, and NotFound for a
    `before` or `since` that names no image.
    """
    filters.check(ACCEPTED)
    images = store.all()
    parents = {image.parent for image in images}
    shared = _shared_sizes(images) if shared_size else {}
    shown = []
    for image in _within(store, images, filters):
        named = _named(image, filters, is_parent=image.id in parents, intermediate=intermediate)
        if named is not None:
            shown.append((created_ns(image), named))
    # By ID within one moment, so that the order is the same each time.
    shown.sort(key=lambda pair: (-pair[0], pair[1].id))
    counted = version >= (1, 51)  # before that it was always -1
    result = []
    for _, image in shown:
        users = [container for container, _ in store.users_of(image.id)]
        size = shared.get(image.id, -1)
        entry = summary(image, version=version, containers=len(users) if counted else -1, shared_size=size)
        result.append(entry | ({"Manifests": manifests(store, image, users)} if with_manifests else {}))
    return result


def created_ns(image: Image) -> int:
    """When an image was made; long ago if it does not say."""
    try:
        return unix_ns(image.created or NEVER)
    except InvalidRequest:
        return unix_ns(NEVER)


def matches(pattern: str, reference: Reference) -> bool:
    """Whether `pattern` (Go's path.Match: `*` stays between slashes) is for this reference or its name."""
    expression = _expression(pattern)
    return bool(expression.fullmatch(reference.familiar) or expression.fullmatch(reference.familiar_name))


def _within(store: ImageStore, images: list[Image], filters: Filters) -> list[Image]:
    before = min((created_ns(store.find(name)) for name in filters.get("before")), default=None)
    since = max((created_ns(store.find(name)) for name in filters.get("since")), default=None)
    until = min((timestamps.parse(text) for text in filters.get("until")), default=None)
    return [
        image
        for image in images
        if (before is None or created_ns(image) < before)
        and (since is None or created_ns(image) > since)
        and (until is None or created_ns(image) <= until)
        and filters.labels_match(image.config.run.labels)
    ]


def _named(image: Image, filters: Filters, *, is_parent: bool, intermediate: bool) -> Image | None:
    """The image with those of its names that are asked for; None if it is not to be shown."""
    dangling = filters.flag("dangling")
    patterns = filters.get("reference")
    references = tuple(
        reference
        for reference in image.references
        if not patterns or any(matches(pattern, reference) for pattern in patterns)
    )
    if references:
        hidden = dangling and (is_parent or any(reference.tag for reference in references))
        return None if hidden else _with_references(image, references)
    # Unnamed: shown unless it is only a step towards other images, or names are what was asked for.
    if patterns or dangling is False or (is_parent and (dangling or not intermediate)):
        return None
    return _with_references(image, ())


def _with_references(image: Image, references: tuple[Reference, ...]) -> Image:
    return Image(
        image.id, image.config, image.layers, references, image.parent, image.manifest, image.tagged_ns, image.hidden
    )


def _shared_sizes(images: list[Image]) -> dict[Digest, int]:
    """For each image, the bytes of layers that stand in the same stack of another image."""
    chains = {image.id: chain_ids(image.diff_ids) for image in images}
    owners: dict[Digest, int] = {}
    for chain in chains.values():
        for link in chain:
            owners[link] = owners.get(link, 0) + 1
    return {
        image.id: sum(size for link, (_, size) in zip(chains[image.id], image.layers, strict=True) if owners[link] > 1)
        for image in images
    }


def _expression(pattern: str) -> re.Pattern[str]:
    expression, position = "", 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "*":
            expression += "[^/]*"
        elif character == "?":
            expression += "[^/]"
        elif character == "[":
            end = pattern.find("]", position + 1)
            if end < 0:
                raise InvalidRequest("syntax error in pattern")
            inside = pattern[position:end].replace("\\", "\\\\").replace("[", "\\[")
            expression += f"[{inside}]"
            position = end + 1
        elif character == "\\" and position < len(pattern):
            expression += re.escape(pattern[position])
            position += 1
        else:
            expression += re.escape(character)
    try:
        return re.compile(expression)
    except re.error:
        raise InvalidRequest("syntax error in pattern") from None
