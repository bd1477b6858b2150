"""What is sent when one name stands for several images, or for an image and what is known about it? An index.

`pushed` brings it into a registry, `archive_of` makes an OCI layout of it: the layout's `index.json` names one index,
and that names the manifests of the images and, after them, those of what is said about each.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from sampan.errors import InvalidRequest, NotFound
from sampan.images import push
from sampan.images.attest import Attestation, Predicate, attestation
from sampan.images.image import Image
from sampan.images.progress import Emit
from sampan.images.save import SavedArchive, Segment, header, layer_segment, member
from sampan.images.store import ImageStore
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest, digest_of, encoded_part, parse_digest
from sampan.oci.manifest import render_index, render_manifest
from sampan.oci.media_types import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST
from sampan.oci.reference import Reference
from sampan.oci.strict import encode
from sampan.registry.client import Registries
from sampan.registry.credentials import Credentials
from sampan.registry.repository import Repository
from sampan.registry.retry import repeated
from sampan.registry.upload import put_blob, put_manifest
from sampan.wire.build import BundleBody

IMAGES_MAX = 32
STATEMENTS_MAX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One image of the bundle."""

    image: Image
    predicates: Sequence[Predicate] = ()


def parts_of(store: ImageStore, body: BundleBody) -> list[Part]:
    """The images that a client names, by ID. Raises InvalidRequest, NotFound."""
    if not 1 <= len(body.images) <= IMAGES_MAX:
        raise InvalidRequest(f"a bundle has 1 to {IMAGES_MAX} images")
    found = []
    for each in body.images:
        image = store.by_id(parse_digest(each.id))
        if image is None:
            raise NotFound(f"No such image: {each.id}")
        if len(each.statements or ()) > STATEMENTS_MAX:
            raise InvalidRequest(f"an image has at most {STATEMENTS_MAX} statements")
        predicates = [Predicate(kind=said.predicate_type, content=said.predicate) for said in each.statements or ()]
        found.append(Part(image=image, predicates=predicates))
    return found


async def pushed(
    store: ImageStore,
    registries: Registries,
    parts: Sequence[Part],
    reference: Reference,
    credentials: Credentials,
    emit: Emit,
    room: asyncio.Semaphore,
) -> Digest:
    """Bring an index of `parts` into a registry as `reference`, which has a tag; its digest. Raises SampanError.

    The tag comes last: until then the registry shows what it had.
    """
    subjects = []
    for part in parts:
        found = await push.push(store, registries, part.image, reference, credentials, emit, room, tagged=False)
        subjects.append(replace(found, platform=part.image.config.platform))
    target = await registries.target(reference, credentials, mount_from=[])
    about = _attestations(parts, subjects, reference)
    for each in about:
        for blob in each.blobs:
            await repeated(target.access, partial(_put, target, blob))
        await repeated(
            target.access, partial(put_manifest, target, each.descriptor.digest, OCI_MANIFEST, each.manifest)
        )
    data = render_index([*subjects, *(each.descriptor for each in about)])
    await repeated(target.access, partial(put_manifest, target, reference.tag, OCI_INDEX, data))
    digest = digest_of(data)
    emit({"status": f"{reference.tag}: digest: {digest} size: {len(data)}"})
    emit({"progressDetail": {}, "aux": {"Tag": reference.tag, "Digest": digest, "Size": len(data)}})
    return digest


def archive_of(store: ImageStore, parts: Sequence[Part], reference: Reference | None) -> SavedArchive:
    """The OCI layout of `parts`, not yet written."""
    return SavedArchive(store, [part.image for part in parts], lambda: _members(store, parts, reference))


def _members(store: ImageStore, parts: Sequence[Part], reference: Reference | None) -> Iterator[bytes | Segment]:
    blobs: dict[str, bytes | Segment] = {}
    subjects = []
    for part in parts:
        image, layers = part.image, []
        for diff_id in image.diff_ids:
            segment = layer_segment(store, diff_id)
            blobs[encoded_part(diff_id)] = segment
            layers.append(Descriptor(OCI_LAYER, diff_id, segment.length))
        blobs[encoded_part(image.id)] = image.config.data
        manifest = render_manifest(Descriptor(OCI_CONFIG, image.id, len(image.config.data)), layers)
        blobs[encoded_part(digest_of(manifest))] = manifest
        subjects.append(Descriptor(OCI_MANIFEST, digest_of(manifest), len(manifest), platform=image.config.platform))
    about = _attestations(parts, subjects, reference)
    for each in about:
        for blob in (each.manifest, *each.blobs):
            blobs[encoded_part(digest_of(blob))] = blob
    index = render_index([*subjects, *(each.descriptor for each in about)])
    blobs[encoded_part(digest_of(index))] = index
    names = (
        {"io.containerd.image.name": str(reference), "org.opencontainers.image.ref.name": reference.tag}
        if reference
        else {}
    )
    yield header("blobs/", 0, 0)
    yield header("blobs/sha256/", 0, 0)
    for encoded, content in sorted(blobs.items()):
        yield from member(f"blobs/sha256/{encoded}", content, 0)
    yield from member("index.json", render_index([Descriptor(OCI_INDEX, digest_of(index), len(index), names)]), 0)
    yield from member("oci-layout", encode({"imageLayoutVersion": "1.0.0"}), 0)


def _attestations(
    parts: Sequence[Part], subjects: Sequence[Descriptor], reference: Reference | None
) -> list[Attestation]:
    name = f"{reference.familiar_name}@{reference.tag}" if reference else "image"
    return [
        attestation(subject, name, part.predicates)
        for part, subject in zip(parts, subjects, strict=True)
        if part.predicates
    ]


async def _put(target: Repository, data: bytes) -> None:
    digest = digest_of(data)
    if await target.has_blob(digest) is None:
        await put_blob(target, digest, len(data), _once(data))


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
