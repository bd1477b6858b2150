"""How does an image get into a registry?

    for each layer, several at a time:   there already? ─► next door? (mount) ─► its blob as it came ─► compressed now
    then the config, then the manifest

The manifest is the one that was pulled, byte for byte, whenever its layers can be the same; otherwise it is written as
dockerd writes it. It comes last: until then the registry shows nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from sampan.errors import SampanError
from sampan.images import rows
from sampan.images.compressed import LayerBlob, blobs_of, remember, sources_of
from sampan.images.feed import drawn
from sampan.images.image import Image
from sampan.images.progress import Emit, Meter, status
from sampan.images.recompress import Compression, file_pieces, is_layer
from sampan.images.store import ImageStore, Lease
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest, digest_of
from sampan.oci.manifest import Manifest, parse_manifest, render_docker_manifest, render_manifest
from sampan.oci.media_types import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_LAYER_GZIP,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
)
from sampan.oci.reference import Reference
from sampan.registry.client import Registries
from sampan.registry.credentials import Credentials
from sampan.registry.failure import RegistryError
from sampan.registry.repository import Repository
from sampan.registry.retry import pause, repeated
from sampan.registry.settings import Settings
from sampan.registry.upload import mount, put_blob, put_manifest, put_stream

MAX_CANDIDATES = 4
MAX_MOUNTS = 3
_DOCKER_TYPES = {OCI_LAYER: DOCKER_LAYER, OCI_LAYER_GZIP: DOCKER_LAYER_GZIP}
_OCI_TYPES = {docker: oci for oci, docker in _DOCKER_TYPES.items()}


@dataclass(frozen=True, slots=True)
class Pushing:
    """What every step of a push needs."""

    store: ImageStore
    target: Repository
    domain: str
    settings: Settings
    lease: Lease
    emit: Emit


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer and the blobs that can stand for it, with the repositories next door that have them.

    `was_there`: one of the blobs was seen in the repository that is pushed to.
    """

    diff_id: Digest
    candidates: tuple[LayerBlob, ...]
    mounts: tuple[tuple[LayerBlob, str], ...]
    was_there: bool


async def push(
    store: ImageStore,
    registries: Registries,
    image: Image,
    reference: Reference,
    credentials: Credentials,
    emit: Emit,
    room: asyncio.Semaphore,
    *,
    tagged: bool = True,
) -> Descriptor:
    """Bring `image` into its registry as `reference`, which has a tag; its manifest. Raises SampanError.

    Not `tagged`: the manifest, in OCI's types, is there under its digest alone, for an index to name.
    """
    with store.lease() as lease:
        layers = await asyncio.to_thread(_plan, store, lease, image, reference)
        neighbours = sorted({source for layer in layers for _, source in layer.mounts})
        target = await registries.target(reference, credentials, mount_from=neighbours)
        await target.access.open()
        pushing = Pushing(store, target, reference.domain, registries.settings, lease, emit)
        distinct = {layer.diff_id: layer for layer in layers}
        for layer in reversed(distinct.values()):
            emit(status("Preparing", layer.diff_id))
        blobs = await _all(pushing, distinct.values(), room)
        await _config(pushing, image)
        descriptors = [_descriptor(blobs[layer.diff_id]) for layer in layers]
        media_type, data = await asyncio.to_thread(_manifest, store, image, descriptors, as_docker=tagged)
        digest = digest_of(data)
        name = reference.tag if tagged else digest
        await repeated(target.access, partial(put_manifest, target, name, media_type, data))
        await asyncio.to_thread(_remember, store, image, reference, digest, list(blobs.values()))
    found = Descriptor(media_type, digest, len(data))
    if not tagged:
        return found
    emit({"status": f"{reference.tag}: digest: {digest} size: {len(data)}"})
    emit({"progressDetail": {}, "aux": {"Tag": reference.tag, "Digest": digest, "Size": len(data)}})
    return found


def _plan(store: ImageStore, lease: Lease, image: Image, reference: Reference) -> list[_Layer]:
    """In a thread: what is known about each layer of the image, and nothing of it goes away meanwhile."""
    stated = _stated(store, image)
    layers = []
    for position, diff_id in enumerate(image.diff_ids):
        lease.keep_layer(diff_id)
        known = blobs_of(store.database, diff_id)
        came_as = stated[position] if stated else None
        if came_as and came_as.digest not in {each.digest for each in known} and _is_verified(store, came_as, diff_id):
            known.insert(0, LayerBlob(diff_id, came_as.digest, came_as.size, came_as.media_type))
        # What the manifest says comes first: that is how the digest of the whole stays the same.
        known.sort(key=lambda each: came_as is None or each.digest != came_as.digest)
        candidates = tuple(known[:MAX_CANDIDATES])
        for each in candidates:
            lease.keep_blob(each.digest)
        seen = [
            (each, source)
            for each in candidates
            for source in sources_of(store.database, each.digest, reference.domain)
        ]
        mounts = [(each, source) for each, source in seen if source != reference.path]
        layers.append(_Layer(diff_id, candidates, tuple(mounts[:MAX_MOUNTS]), len(mounts) < len(seen)))
    return layers


def _stated(store: ImageStore, image: Image) -> tuple[Descriptor, ...] | None:
    """The layers as the manifest has them with which the image came."""
    if not image.manifest or not store.content.has(image.manifest):
        return None
    manifest = parse_manifest(store.content.read(image.manifest))
    fits = isinstance(manifest, Manifest) and len(manifest.layers) == len(image.diff_ids)
    return manifest.layers if fits and isinstance(manifest, Manifest) else None


def _is_verified(store: ImageStore, stated: Descriptor, diff_id: Digest) -> bool:
    """Whether a blob is the layer, as far as this engine can tell from its own bytes."""
    if stated.digest == diff_id:
        return True
    if not store.content.has(stated.digest):
        return False
    with store.content.open(stated.digest) as blob:
        return is_layer(blob, diff_id)


async def _all(pushing: Pushing, layers: Iterable[_Layer], room: asyncio.Semaphore) -> dict[Digest, LayerBlob]:
    async def one(layer: _Layer) -> LayerBlob:
        async with room:
            return await _layer(pushing, layer)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = {layer.diff_id: group.create_task(one(layer)) for layer in layers}
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return {diff_id: task.result() for diff_id, task in tasks.items()}


async def _layer(pushing: Pushing, layer: _Layer) -> LayerBlob:
    """Let the registry have a layer, the cheapest way that works; the blob that stands for it there."""
    # Most likely first; a mount also succeeds, with less ado, where the blob is already.
    looks = [_there, _next_door] if layer.was_there else [_next_door, _there]
    for look in looks:
        if blob := await look(pushing, layer):
            return blob
    for attempt in range(1, pushing.settings.attempts + 1):
        try:
            blob = await _upload(pushing, layer)
            pushing.emit(status("Pushed", layer.diff_id))
            return blob
        except RegistryError as error:
            if not error.passes or attempt == pushing.settings.attempts:
                raise
            await _wait(pushing, layer.diff_id, attempt, error)
    raise AssertionError("the last attempt returns or raises")


async def _there(pushing: Pushing, layer: _Layer) -> LayerBlob | None:
    for each in layer.candidates:
        if await pushing.target.has_blob(each.digest) in (each.size, 0):
            pushing.emit(status("Layer already exists", layer.diff_id))
            return each
    return None


async def _next_door(pushing: Pushing, layer: _Layer) -> LayerBlob | None:
    for each, source in layer.mounts:
        if await _mounted(pushing, each.digest, source):
            pushing.emit(status(f"Mounted from {source}", layer.diff_id))
            return each
    return None


async def _mounted(pushing: Pushing, digest: Digest, source: str) -> bool:
    try:
        return await mount(pushing.target, digest, source)
    except SampanError:  # a repository that may not be read is no reason to fail: the blob is here
        return False


async def _upload(pushing: Pushing, layer: _Layer) -> LayerBlob:
    store, meter = pushing.store, None
    for each in layer.candidates:
        path = await asyncio.to_thread(_file_of, store, each)
        if path is not None:
            meter = Meter(pushing.emit, "Pushing", layer.diff_id, each.size)
            await put_blob(pushing.target, each.digest, each.size, _metered(file_pieces(path), meter))
            return each
    tar = await asyncio.to_thread(store.layers.tar, layer.diff_id)
    compression = Compression(tar)
    meter = Meter(pushing.emit, "Pushing", layer.diff_id, tar.stat().st_size)

    async def digested() -> Digest:
        return compression.digest

    pieces = _metered(compression.pieces(), meter, lambda: compression.taken)
    await put_stream(pushing.target, pieces, digested)
    return LayerBlob(layer.diff_id, compression.digest, compression.size, DOCKER_LAYER_GZIP)


def _file_of(store: ImageStore, blob: LayerBlob) -> Path | None:
    """The file that has a blob's bytes, if there is one."""
    if blob.digest == blob.diff_id:
        return store.layers.tar(blob.diff_id)
    return store.content.path(blob.digest) if store.content.has(blob.digest) else None


async def _metered(pieces: Any, meter: Meter, measure: Callable[[], int] | None = None) -> AsyncIterator[bytes]:
    sent = 0
    async for piece in drawn(pieces):
        sent += len(piece)
        yield piece
        meter.at(measure() if measure else sent)


async def _wait(pushing: Pushing, diff_id: Digest, attempt: int, error: RegistryError) -> None:
    seconds = pause(pushing.target.access, attempt, error.wait_seconds)
    pushing.emit(status(f"Retrying in {max(1, round(seconds))} seconds", diff_id))
    await asyncio.sleep(seconds)


async def _config(pushing: Pushing, image: Image) -> None:
    data, target = image.config.data, pushing.target

    async def put() -> None:
        if await target.has_blob(image.id) is None:
            await put_blob(target, image.id, len(data), _once(data))

    await repeated(target.access, put)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _descriptor(blob: LayerBlob) -> Descriptor:
    return Descriptor(blob.media_type, blob.digest, blob.size)


def _manifest(store: ImageStore, image: Image, layers: Sequence[Descriptor], *, as_docker: bool) -> tuple[str, bytes]:
    """The manifest's media type and bytes: as it came if it says the same, else as dockerd writes it."""
    stated = _stated(store, image)
    if stated and [(each.digest, each.size) for each in stated] == [(each.digest, each.size) for each in layers]:
        data = store.content.read(image.manifest)
        return parse_manifest(data).media_type, data
    size = len(image.config.data)
    if as_docker and all(_DOCKER_TYPES.get(each.media_type, each.media_type) in _OCI_TYPES for each in layers):
        config = Descriptor(DOCKER_CONFIG, image.id, size)
        renamed = [replace(each, media_type=_DOCKER_TYPES.get(each.media_type, each.media_type)) for each in layers]
        return DOCKER_MANIFEST, render_docker_manifest(config, renamed)
    renamed = [replace(each, media_type=_OCI_TYPES.get(each.media_type, each.media_type)) for each in layers]
    return OCI_MANIFEST, render_manifest(Descriptor(OCI_CONFIG, image.id, size), renamed)


def _remember(
    store: ImageStore, image: Image, reference: Reference, digest: Digest, blobs: Sequence[LayerBlob]
) -> None:
    """In a thread: the image has a digest at its registry now, and its layers are known to be there."""
    remember(store.database, blobs, reference.name)
    # Not worth waiting for the disk: it is the registry's digest, and the image has a name without it.
    with store.database.transaction(durable=False) as cursor:
        rows.name(cursor, replace(reference, tag="", digest=digest), image.id)
