"""What does a manifest that is pushed say, as far as a registry must know?

What it names (so that nothing is listed that cannot be pulled), its subject (so that it is found from there), its type
and annotations (which the list of referrers repeats). Everything else is kept as it came.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sampan.errors import InvalidRequest
from sampan.oci.descriptor import Descriptor, parse_descriptor
from sampan.oci.digest import Digest
from sampan.oci.fields import Fields
from sampan.oci.media_types import DOCKER_INDEX, INDEXES, MANIFESTS, OCI_INDEX, OCI_MANIFEST
from sampan.oci.strict import decode

_ELSEWHERE = ("nondistributable", "rootfs.foreign")


@dataclass(frozen=True, slots=True)
class Document:
    """A manifest or index. `blobs` and `manifests` are what must be here, `references` all that is to be kept."""

    media_type: str
    blobs: tuple[Descriptor, ...]
    manifests: tuple[Descriptor, ...]
    subject: str
    artifact_type: str
    annotations: Mapping[str, str]

    @property
    def references(self) -> set[Digest]:
        """The digests of everything it names."""
        return {descriptor.digest for descriptor in (*self.blobs, *self.manifests)}


def read_document(data: bytes, content_type: str) -> Document:
    """A manifest that was sent with this Content-Type ("" for none). Raises InvalidRequest."""
    fields = Fields(decode(data, what="manifest"), "manifest")
    if fields.number("schemaVersion") != 2:
        raise InvalidRequest("unsupported manifest: schemaVersion must be 2")
    stated = fields.text("mediaType")
    if stated and content_type and stated != content_type:
        raise InvalidRequest(f"manifest says it is {stated!r} but was sent as {content_type!r}")
    is_index = fields.has("manifests") or (stated or content_type) in INDEXES
    if is_index and (fields.has("layers") or fields.has("config")):
        raise InvalidRequest("manifest is both an image and an index")
    media_type = stated or content_type or (OCI_INDEX if is_index else OCI_MANIFEST)
    if media_type not in (INDEXES if is_index else MANIFESTS):
        raise InvalidRequest(f"unsupported manifest media type {media_type[:128]!r}")
    subject = fields.inner("subject")
    config, blobs, manifests = fields.inner("config"), [], []
    if is_index:
        if not fields.has("manifests") and media_type == DOCKER_INDEX:
            raise InvalidRequest("manifest list has no manifests")
        manifests = [parse_descriptor(each) for each in fields.items("manifests")]
    else:
        if config is None:
            raise InvalidRequest("manifest has no config")
        blobs = [parse_descriptor(config), *(parse_descriptor(layer) for layer in fields.items("layers"))]
    return Document(
        media_type,
        tuple(blob for blob in blobs if not any(word in blob.media_type for word in _ELSEWHERE)),
        tuple(manifests),
        parse_descriptor(subject).digest if subject else "",
        fields.text("artifactType") or (config.text("mediaType") if config else ""),
        fields.mapping("annotations") or {},
    )
