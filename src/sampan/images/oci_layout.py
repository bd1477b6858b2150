"""Which images are in an OCI layout?

`index.json` names manifests by digest, each of which is the member `blobs/ALGORITHM/HEX` (image-spec image-layout.md).
A name comes from an annotation: containerd's `io.containerd.image.name`, or `org.opencontainers.image.ref.name` if that
is a whole name and not just a tag.
"""

from collections.abc import Iterator

from sampan.errors import InvalidRequest, NotFound
from sampan.images.archive import Archive
from sampan.images.docker_archive import Found, refuse_other_system
from sampan.oci.config import parse_config
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest, digest_of
from sampan.oci.manifest import Index, Manifest, parse_manifest
from sampan.oci.media_types import CONFIGS, LAYERS
from sampan.oci.platform import Platform, host_platform, satisfies
from sampan.oci.reference import Reference, parse_reference

INDEX = "index.json"
MAX_DEPTH = 4
_NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
_ATTESTATION = "vnd.docker.reference.type"


def oci_images(archive: Archive, wanted: Platform | None) -> Iterator[Found]:
    """The images of the layout: of each name the one for `wanted`, or for this machine. Raises InvalidRequest."""
    index = parse_manifest(archive.text(INDEX, "index"))
    if not isinstance(index, Index):
        raise InvalidRequest("invalid archive: index.json is not an index")
    found: dict[Digest, Found] = {}
    for descriptor in index.manifests:
        if _ATTESTATION in descriptor.annotations:
            continue
        image = _image(archive, descriptor, wanted)
        if image is None:
            continue
        # The same image under several names has an entry for each.
        known = found.get(image.config.digest)
        names = (*(known.references if known else ()), *_reference(descriptor))
        found[image.config.digest] = Found(image.config, names, "", image.manifest, image.blobs)
    yield from found.values()


def _image(archive: Archive, descriptor: Descriptor, wanted: Platform | None) -> Found | None:
    manifest = _manifest(archive, descriptor, wanted or host_platform(), MAX_DEPTH)
    if not manifest.config.media_type or manifest.config.media_type in CONFIGS:
        config = parse_config(archive.text(_path(manifest.config.digest), "config"))
        if wanted and not satisfies(config.platform, wanted):
            return None
        refuse_other_system(config)
    else:
        raise InvalidRequest(f"unsupported image config media type {manifest.config.media_type!r}")
    if len(manifest.layers) != len(config.diff_ids):
        raise InvalidRequest(
            f"invalid manifest, layers length mismatch: expected {len(manifest.layers)}, got {len(config.diff_ids)}"
        )
    blobs = []
    for position, (layer, diff_id) in enumerate(zip(manifest.layers, config.diff_ids, strict=True)):
        if layer.media_type not in LAYERS:
            raise InvalidRequest(f"unsupported layer media type {layer.media_type!r}")
        archive.require_layer(_path(layer.digest), position, diff_id)
        if blob := archive.blob(_path(layer.digest)):
            blobs.append(blob)
    return Found(config, (), "", archive.keep(manifest.data), (manifest.digest, *blobs))


def _manifest(archive: Archive, descriptor: Descriptor, wanted: Platform, depth: int) -> Manifest:
    data = archive.text(_path(descriptor.digest), "manifest")
    # Members are checked against the names they have; links may still lead one name to other content.
    if digest_of(data) != descriptor.digest or len(data) != descriptor.size:
        raise InvalidRequest(f"invalid archive: manifest {descriptor.digest} has other content than its name says")
    document = parse_manifest(data, descriptor.media_type)
    if isinstance(document, Manifest):
        return document
    if depth == 0:
        raise InvalidRequest("invalid archive: indexes are nested too deeply")
    try:
        return _manifest(archive, document.choose(wanted), wanted, depth - 1)
    except NotFound as error:
        raise InvalidRequest(str(error)) from None


def _path(digest: Digest) -> str:
    algorithm, _, encoded = digest.partition(":")
    return f"blobs/{algorithm}/{encoded}"


def _reference(descriptor: Descriptor) -> tuple[Reference, ...]:
    for annotation in _NAMES:
        name = descriptor.annotations.get(annotation, "")
        if ":" in name or "/" in name:
            reference = parse_reference(name).with_default_tag()
            return (reference,) if reference.tag and not reference.digest else ()
    return ()
