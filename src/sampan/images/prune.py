"""Which images are of no use to anyone?

Without names and without children (the default), or with `dangling=false` every image that no container was made from.
"""

from sampan.errors import Conflict, InvalidRequest, NotFound
from sampan.images.image import Image
from sampan.images.listing import created_ns
from sampan.images.remove import Removal, remove
from sampan.images.store import ImageStore
from sampan.wire import timestamps
from sampan.wire.filters import Filters

ACCEPTED = frozenset({"dangling", "label", "label!", "until"})


def prune(store: ImageStore, filters: Filters) -> Removal:
    """Remove the unused images that the filters let pass. Raises InvalidRequest."""
    filters.check(ACCEPTED)
    dangling_only = filters.flag("dangling", True)
    until = _until(filters)
    pruned = Removal()
    images = store.all()
    parents = {image.parent for image in images}
    for image in images:
        if image.id in parents and (dangling_only or not image.references):
            continue
        if until is not None and created_ns(image) > until:
            continue
        if not filters.labels_match(image.config.run.labels):
            continue
        if dangling_only and any(reference.tag for reference in image.references):
            continue
        _remove_all_names(store, image, pruned)
    if not filters:
        pruned.freed_bytes += store.content.expire(0)  # what broken-off pulls left; a running one keeps its own
    return pruned


def _until(filters: Filters) -> int | None:
    values = filters.get("until")
    if len(values) > 1:
        raise InvalidRequest("more than one until filter specified")
    return timestamps.parse(values[0]) if values else None


def _remove_all_names(store: ImageStore, image: Image, pruned: Removal) -> None:
    # Used images are passed over whole: without this, all names but the last would be taken from them.
    if store.users_of(image.id):
        return
    for name in [str(reference) for reference in image.references] or [image.id]:
        try:
            removal = remove(store, name)
        except (Conflict, NotFound):
            continue  # somebody began to use it, or was faster
        pruned.records += removal.records
        pruned.events += removal.events
        pruned.freed_bytes += removal.freed_bytes
