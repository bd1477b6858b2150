"""How do images come in from an archive?

Everything is taken in and checked first; rows are written when all of it is sound. So an archive that is cut or corrupt
leaves nothing listed, and the lease gives the space back.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sampan.content.store import Readable
from sampan.errors import InvalidRequest
from sampan.images import rows
from sampan.images.archive import Archive
from sampan.images.docker_archive import MANIFEST, Found, docker_images
from sampan.images.image import Image
from sampan.images.oci_layout import INDEX, oci_images
from sampan.images.progress import bar
from sampan.images.store import ImageStore
from sampan.oci.digest import short_id
from sampan.oci.platform import Platform

Emit = Callable[[Mapping[str, Any]], None]


def load(
    store: ImageStore, stream: Readable, emit: Emit, *, quiet: bool = True, platform: Platform | None = None
) -> list[Image]:
    """Take in the images of a docker archive or OCI layout, plain or compressed; tell `emit` what docker tells.

    Raises InvalidRequest, with nothing kept.
    """
    with store.lease() as lease:
        archive = Archive(store, lease)
        archive.read(stream, _ignore if quiet else lambda name, size: emit(_loaded_layer(name, size)))
        if MANIFEST in archive:
            found = list(docker_images(archive, platform))
        elif INDEX in archive:
            found = list(oci_images(archive, platform))
        else:
            raise InvalidRequest(f"unrecognized image format: the archive has neither {MANIFEST} nor {INDEX}")
        if platform and not found:
            raise InvalidRequest(f"requested platform ({platform}) is not in the archive")
        images = [_insert(store, each, emit) for each in found]
        _link_parents(store, found)
    for image, each in zip(images, found, strict=True):
        for reference in each.references:
            emit({"stream": f"Loaded image: {reference.familiar}\n"})
        if not each.references:
            emit({"stream": f"Loaded image ID: {image.id}\n"})
    return images


def _insert(store: ImageStore, found: Found, emit: Emit) -> Image:
    for reference in found.references:
        previous = rows.id_of_reference(store.database, reference)
        if previous and previous != found.config.digest:
            emit(
                {
                    "stream": f"The image {reference.familiar} already exists, "
                    f"renaming the old one with ID {previous} to empty string\n"
                }
            )
    return store.insert(found.config, found.references, blobs=found.blobs, manifest=found.manifest)


def _link_parents(store: ImageStore, found: list[Found]) -> None:
    """Only within the archive, and only where the histories bear it out: elsewhere a parent is nothing but a claim."""
    histories = {each.config.digest: each.config.history for each in found}
    links = [
        (each.parent, each.config.digest)
        for each in found
        # One step longer, so that no image can be its own ancestor.
        if each.parent in histories and histories[each.parent] == each.config.history[:-1] != each.config.history
    ]
    if links:
        with store.database.transaction(durable=True) as cursor:
            cursor.executemany("UPDATE images SET parent = ? WHERE id = ?", links)


def _ignore(name: str, size: int) -> None:
    """Quiet: nobody is told."""


def _loaded_layer(name: str, size: int) -> dict[str, Any]:
    return {
        "status": "Loading layer",
        "progressDetail": {"current": size, "total": size},
        "progress": bar(size, size),
        "id": short_id(name.removesuffix("/layer.tar")),
    }
