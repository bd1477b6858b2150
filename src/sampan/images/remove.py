"""May this image go, and what goes with it?

Docker's rules. Removing by *name* takes the name away, and the image only if that was its last name and nothing holds
it; removing by *ID* takes all names away if they are one repository's. What forbids it:

    hard    a child image, a running container                  cannot be forced
    soft    names in several repositories, a stopped container  must be forced

An image that is removed by force under a stopped container becomes hidden: its layers stay until the container goes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from sampan.errors import Conflict, NotFound
from sampan.images import rows
from sampan.images.image import Image
from sampan.images.store import ImageStore
from sampan.oci.chain import chain_ids
from sampan.oci.digest import Digest, short_id
from sampan.oci.reference import Reference, parse_reference


@dataclass(slots=True)
class Removal:
    """What one request removed: `records` as docker lists them, `events` as (action, image)."""

    records: list[dict[str, str]] = field(default_factory=list)
    events: list[tuple[str, Image]] = field(default_factory=list)
    freed_bytes: int = 0


def remove(store: ImageStore, name: str, *, force: bool = False, prune: bool = True) -> Removal:
    """Remove a name or an image. Raises NotFound, and Conflict with docker's sentences."""
    image = store.find(name)
    removal = Removal()
    if _is_id_prefix(image.id, name):
        quiet = False
        if _is_single(image.references):
            _refuse(store, image, force=force, named=False)
            for reference in image.references:
                _untag(store, image, reference, removal)
    else:
        if not force and _is_single(image.references) and (users := store.users_of(image.id)):
            quoted = json.dumps(name, ensure_ascii=False)
            raise Conflict(
                f"conflict: unable to remove repository reference {quoted} (must force) - "
                f"container {short_id(users[0][0])} is using its referenced image {short_id(image.id)}"
            )
        if _untag_name(store, image, parse_reference(name).with_default_tag(), removal):
            return removal
        quiet = True
    _delete(store, image.id, removal, force=force, prune=prune, quiet=quiet)
    return removal


def _is_id_prefix(image_id: Digest, text: str) -> bool:
    return image_id.startswith(text) or image_id.partition(":")[2].startswith(text)


def _is_single(references: Sequence[Reference]) -> bool:
    """Whether all names are of one repository, with at most one tag among them."""
    tags = [reference for reference in references if reference.tag]
    return bool(references) and len(tags) <= 1 and len({reference.name for reference in references}) == 1


def _untag_name(store: ImageStore, image: Image, reference: Reference, removal: Removal) -> bool:
    """Take one name away; returns whether the image still has others."""
    if reference.tag and reference.digest:
        reference = reference.without_tag()
    _untag(store, image, reference, removal)
    left = [other for other in image.references if other != reference]
    if not reference.digest and not any(other.tag and other.name == reference.name for other in left):
        # Digests came with the tag; without one they would keep an image that no one can see.
        for other in [other for other in left if other.name == reference.name]:
            _untag(store, image, other, removal, announce=False)
            left.remove(other)
    return bool(left)


def _untag(store: ImageStore, image: Image, reference: Reference, removal: Removal, *, announce: bool = True) -> None:
    with store.database.transaction(durable=True) as cursor:
        rows.unname(cursor, reference)
    removal.records.append({"Untagged": reference.familiar})
    if announce:
        removal.events.append(("untag", image))


def _refuse(store: ImageStore, image: Image, *, force: bool, named: bool = True) -> None:
    """Raises Conflict for what forbids the removal; `named` says whether names count."""
    unable = f"conflict: unable to delete {short_id(image.id)}"
    if store.children(image.id):
        raise Conflict(f"{unable} (cannot be forced) - image has dependent child images")
    users = store.users_of(image.id)
    for container_id, running in users:
        if running:
            raise InUse(
                f"{unable} (cannot be forced) - image is being used by running container {short_id(container_id)}"
            )
    if force:
        return
    if named and image.references:
        raise Conflict(f"{unable} (must be forced) - image is referenced in multiple repositories")
    if users:
        raise InUse(f"{unable} (must be forced) - image is being used by stopped container {short_id(users[0][0])}")


class InUse(Conflict):
    """A container stands on the image."""


def _delete(
    store: ImageStore,
    image_id: Digest,
    removal: Removal,
    *,
    force: bool,
    prune: bool,
    quiet: bool,
) -> None:
    """Remove the image itself, then (with `prune`) those of its ancestors that nothing needs."""
    image = store.by_id(image_id)
    if image is None:
        raise NotFound(f"No such image: {image_id}")
    try:
        _refuse(store, image, force=force)
    except Conflict as conflict:
        dangling = not image.references and not store.children(image_id)
        if quiet and (isinstance(conflict, InUse) or not dangling):
            return
        raise
    for reference in image.references:
        _untag(store, image, reference, removal)
    removal.events.append(("delete", image))
    removal.records.append({"Deleted": image.id})
    if store.users_of(image_id):
        with store.database.transaction(durable=True) as cursor:
            cursor.execute("UPDATE images SET hidden = 1 WHERE id = ?", (image_id,))
    else:
        removed_chains = _unshared_chains(store, image)
        removal.records.extend({"Deleted": chain} for chain, _ in reversed(removed_chains))
        removal.freed_bytes += sum(size for _, size in removed_chains)
        store.drop(image)
    if prune and image.parent and store.by_id(image.parent):
        _delete(store, image.parent, removal, force=False, prune=True, quiet=True)


def _unshared_chains(store: ImageStore, image: Image) -> list[tuple[Digest, int]]:
    """The stacks of layers that no other image has: (chain ID, bytes of the top layer), the lowest first."""
    found = store.database.query(
        "SELECT image, diff_id FROM image_layers WHERE image != ? ORDER BY image, position", (image.id,)
    )
    stacks: dict[str, list[Digest]] = {}
    for row in found:
        stacks.setdefault(row["image"], []).append(row["diff_id"])
    shared = 0
    for stack in stacks.values():
        same = 0
        for mine, other in zip(image.diff_ids, stack, strict=False):
            if mine != other:
                break
            same += 1
        shared = max(shared, same)
    chains = zip(chain_ids(image.diff_ids), (size for _, size in image.layers), strict=True)
    return list(chains)[shared:]
