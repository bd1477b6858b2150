"""How does one name come to stand for images of several platforms? An index is put where its manifests are.

Manifests of other repositories of the same registry are taken over first, their blobs mounted (docker manifest push).
"""

from collections.abc import Sequence
from dataclasses import replace

from sampan.errors import InvalidRequest
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest, digest_of, parse_digest
from sampan.oci.manifest import Manifest, parse_manifest, render_docker_index, render_index
from sampan.oci.media_types import DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX
from sampan.oci.platform import Platform
from sampan.oci.reference import Reference, parse_reference
from sampan.registry.client import Registries
from sampan.registry.credentials import Credentials
from sampan.registry.repository import Document, Repository
from sampan.registry.upload import mount, put_manifest
from sampan.wire.images import ManifestEntry

MAX_MANIFESTS = 200


async def push_index(
    registries: Registries, reference: Reference, entries: Sequence[ManifestEntry], credentials: Credentials
) -> Digest:
    """Put an index of `entries` under a name; its digest. Raises SampanError."""
    if not 1 <= len(entries) <= MAX_MANIFESTS:
        raise InvalidRequest(f"a manifest list has 1 to {MAX_MANIFESTS} manifests")
    sources = {parse_reference(entry.reference).path for entry in entries}
    for entry in entries:
        if parse_reference(entry.reference).domain != reference.domain:
            raise InvalidRequest("cannot use source images from a different registry than the target image")
    target = await registries.target(reference, credentials, mount_from=sorted(sources - {reference.path}))
    found = [await _take_over(target, reference, entry) for entry in entries]
    descriptors = [Descriptor(document.media_type, document.digest, len(document.data)) for document, _ in found]
    if all(each.media_type == DOCKER_MANIFEST for each in descriptors):
        platforms = [_platform(entry) for entry in entries]
        media_type, data = DOCKER_INDEX, render_docker_index(list(zip(descriptors, platforms, strict=True)))
    else:
        media_type, data = (
            OCI_INDEX,
            render_index(
                [
                    replace(each, platform=Platform(entry.os, entry.architecture, entry.variant))
                    for each, entry in zip(descriptors, entries, strict=True)
                ]
            ),
        )
    await put_manifest(target, reference.tag, media_type, data)
    return digest_of(data)


async def _take_over(target: Repository, reference: Reference, entry: ManifestEntry) -> tuple[Document, Manifest]:
    """The manifest of an entry, once it is in the target's repository."""
    source = parse_reference(entry.reference)
    digest = parse_digest(entry.digest)
    document = await Repository(target.access, source.path).manifest(digest)
    manifest = parse_manifest(document.data, document.media_type)
    if not isinstance(manifest, Manifest):
        raise InvalidRequest(f"{entry.reference} is a manifest list: a list holds images only")
    document = replace(document, media_type=manifest.media_type)
    if source.path == reference.path:
        return document, manifest
    for blob in {each.digest: each for each in (manifest.config, *manifest.layers)}.values():
        if await target.has_blob(blob.digest) is None and not await mount(target, blob.digest, source.path):
            raise InvalidRequest(f"the registry does not mount {blob.digest} from {source.path}: push the image first")
    await put_manifest(target, digest, manifest.media_type, document.data)
    return document, manifest


def _platform(entry: ManifestEntry) -> dict[str, object]:
    said: dict[str, object] = {"architecture": entry.architecture, "os": entry.os}
    if entry.os_version:
        said["os.version"] = entry.os_version
    if entry.os_features:
        said["os.features"] = entry.os_features
    if entry.variant:
        said["variant"] = entry.variant
    return said
