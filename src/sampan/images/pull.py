"""How does an image come from a registry?

    name ─► manifest (resolve) ─► config ─► layers, several at a time (fetch, transfers) ─► the row

Everything is leased from before it comes until the row holds it; the row is written when all is verified and durable.
A pull that is broken off leaves what had come of each layer, for the next one to go on with, and nothing listed.
"""

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sampan.errors import InvalidRequest, NotFound
from sampan.images import rows
from sampan.images.compressed import LayerBlob, blobs_of, remember
from sampan.images.fetch import LayerToFetch, fetch_layer
from sampan.images.image import Image
from sampan.images.progress import Emit, status
from sampan.images.resolve import Resolved, fetch_blob, resolve
from sampan.images.store import ImageStore, Lease
from sampan.images.transfers import Transfers
from sampan.oci.config import ImageConfig, parse_config
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from sampan.oci.platform import Platform, satisfies
from sampan.oci.reference import Reference
from sampan.registry.client import Registries
from sampan.registry.credentials import Credentials
from sampan.registry.settings import Settings

_LAYERS_WAITING = 64


@dataclass(frozen=True, slots=True)
class Pulling:
    """What every step of a pull needs."""

    store: ImageStore
    transfers: Transfers[Digest]
    settings: Settings
    emit: Emit


async def pull(
    store: ImageStore,
    transfers: Transfers[Digest],
    registries: Registries,
    reference: Reference,
    credentials: Credentials,
    emit: Emit,
    *,
    platform: Platform | None = None,
) -> tuple[Image, bool]:
    """Bring the image that `reference` means; the image, and whether the name means something new. Raises SampanError.

    Tells `emit` what dockerd tells, but for the last line.
    """
    await asyncio.to_thread(store.content.expire)
    sources = await registries.sources(reference, credentials)
    resolved = await resolve(sources, reference, platform)
    emit({"status": f"Pulling from {reference.path}", "id": reference.tag if not reference.digest else str(reference)})
    pulling = Pulling(store, transfers, registries.settings, emit)
    with store.lease() as lease:
        config = await _config(pulling, resolved, platform, lease)
        layers = list(zip(resolved.manifest.layers, config.diff_ids, strict=True))
        fetched = await _layers(pulling, resolved, layers, lease)
        image, is_new = await asyncio.to_thread(_insert, pulling, resolved, config, reference, lease, fetched)
    emit({"status": f"Digest: {resolved.digest}"})
    return image, is_new


async def _config(pulling: Pulling, resolved: Resolved, platform: Platform | None, lease: Lease) -> ImageConfig:
    descriptor = resolved.manifest.config
    if await asyncio.to_thread(lease.keep_blob, descriptor.digest):
        data = await asyncio.to_thread(pulling.store.content.read, descriptor.digest)
    else:
        data = await fetch_blob(resolved.sources, descriptor)
    config = await asyncio.to_thread(parse_config, data)
    if config.platform.os not in ("linux", ""):
        raise InvalidRequest(
            f'image operating system "{config.platform.os}" cannot be used on this platform: '
            "operating system is not supported"
        )
    if platform and not satisfies(config.platform, platform):
        raise NotFound(
            f"image was found but its platform ({config.platform}) does not match the specified platform ({platform})"
        )
    if len(config.diff_ids) != len(resolved.manifest.layers):
        raise InvalidRequest(
            f"the image's config has {len(config.diff_ids)} layers, its manifest has {len(resolved.manifest.layers)}"
        )
    return config


async def _layers(
    pulling: Pulling, resolved: Resolved, layers: list[tuple[Descriptor, Digest]], lease: Lease
) -> set[Digest]:
    """All layers of the image, those that are not here from the registry; the blobs that came.

    The first failure ends them all.
    """
    is_here = await asyncio.to_thread(pulling.store.by_id, resolved.manifest.config.digest) is not None
    wanted: dict[Digest, LayerToFetch] = {}
    for descriptor, diff_id in layers:
        here = await asyncio.to_thread(lease.keep_layer, diff_id)
        await asyncio.to_thread(lease.keep_blob, descriptor.digest)
        if here and diff_id not in wanted:
            if not is_here:  # of an image that is here as a whole, dockerd says nothing
                pulling.emit(status("Already exists", descriptor.digest))
        elif descriptor.digest not in {each.descriptor.digest for each in wanted.values()}:
            pulling.emit(status("Pulling fs layer", descriptor.digest))
            wanted[diff_id] = LayerToFetch(descriptor, diff_id, resolved.sources)
    room = asyncio.Semaphore(_LAYERS_WAITING)
    try:
        async with asyncio.TaskGroup() as group:
            for layer in wanted.values():
                group.create_task(_layer(pulling, layer, lease, room))
    except BaseExceptionGroup as failures:
        # Docker tells one failure; the others are mostly that of being ended by it.
        raise failures.exceptions[0] from None
    return {layer.descriptor.digest for layer in wanted.values()}


async def _layer(pulling: Pulling, layer: LayerToFetch, lease: Lease, room: asyncio.Semaphore) -> None:
    async with room:
        work = partial(fetch_layer, pulling.store, layer, pulling.settings)
        diff_id = await pulling.transfers.run(layer.descriptor.digest, work, pulling.emit)
    if diff_id != layer.diff_id or not await asyncio.to_thread(lease.keep_layer, layer.diff_id):
        raise InvalidRequest(f"layer {layer.descriptor.digest} is not the layer {layer.diff_id} of the image")
    pulling.emit(status("Pull complete", layer.descriptor.digest))


def _insert(
    pulling: Pulling, resolved: Resolved, config: ImageConfig, reference: Reference, lease: Lease, fetched: set[Digest]
) -> tuple[Image, bool]:
    """In a thread: keep the documents, write the rows."""
    store = pulling.store
    for position, diff_id in enumerate(config.diff_ids):
        if not lease.keep_layer(diff_id):
            raise InvalidRequest(f"layer {position} of the manifest is not the layer {diff_id} of the image")
    documents = [lease.put_bytes(document.data) for document in resolved.documents]
    lease.put_bytes(config.data)
    blobs = _verified_blobs(store, resolved, config, fetched)
    kept = [each.digest for each in blobs if store.content.has(each.digest)]
    digested = replace(reference, tag="", digest=resolved.digest)
    references = [digested] if reference.digest else [reference.with_default_tag(), digested]
    before = [rows.id_of_reference(store.database, each) for each in references]
    image = store.insert(config, references, blobs=[*documents, *kept], manifest=resolved.manifest.digest)
    remember(store.database, blobs, reference.name)
    return image, any(each != image.id for each in before)


def _verified_blobs(
    store: ImageStore, resolved: Resolved, config: ImageConfig, fetched: set[Digest]
) -> list[LayerBlob]:
    """The manifest's layers that are known to be what it says: those that have come in here, now or before."""
    found = []
    for descriptor, diff_id in zip(resolved.manifest.layers, config.diff_ids, strict=True):
        known = {each.digest for each in blobs_of(store.database, diff_id)}
        if descriptor.digest in known or descriptor.digest == diff_id or descriptor.digest in fetched:
            found.append(LayerBlob(diff_id, descriptor.digest, descriptor.size, descriptor.media_type))
    return found


def message_of(reference: Reference, is_new: bool) -> dict[str, Any]:
    """The last line of a pull."""
    text = "Downloaded newer image for" if is_new else "Image is up to date for"
    return {"status": f"Status: {text} {reference.familiar}"}
