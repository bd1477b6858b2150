"""What is an image made of, and which of several is meant for this machine?

A *manifest* names one config and ordered layers; an *index* names manifests, one for each platform (image-spec
manifest.md, image-index.md; Docker's schema 2 manifest and manifest list have the same members). A document has one
meaning only: what it says it is must be what it is delivered as and what it looks like (security.md P8, D05).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sampan.errors import InvalidRequest, NotFound
from sampan.oci.descriptor import Descriptor, parse_descriptor
from sampan.oci.digest import Digest, digest_of
from sampan.oci.fields import Fields
from sampan.oci.media_types import DOCKER_INDEX, DOCKER_MANIFEST, INDEXES, MANIFESTS, OCI_INDEX, OCI_MANIFEST
from sampan.oci.platform import Platform, satisfies
from sampan.oci.strict import decode, encode

MAX_LAYERS = 500
MAX_MANIFESTS = 10_000


@dataclass(frozen=True, slots=True)
class Manifest:
    """One image: its config and its layers, bottom first. `data` is the document as received."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    data: bytes
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""

    @property
    def digest(self) -> Digest:
        """What the document is addressed by."""
        return digest_of(self.data)


@dataclass(frozen=True, slots=True)
class Index:
    """Several images under one name. `data` is the document as received."""

    media_type: str
    manifests: tuple[Descriptor, ...]
    data: bytes
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> Digest:
        """What the document is addressed by."""
        return digest_of(self.data)

    def choose(self, wanted: Platform) -> Descriptor:
        """The first manifest for `wanted`; one with exactly its variant is preferred. Raises NotFound."""
        fitting = [m for m in self.manifests if m.platform and satisfies(m.platform, wanted)]
        exact = [m for m in fitting if m.platform == wanted]
        if not fitting:
            raise NotFound(f"no matching manifest for {wanted} in the manifest list entries")
        return (exact or fitting)[0]


def parse_manifest(data: bytes, media_type: str = "") -> Manifest | Index:
    """The document in `data`, which was delivered as `media_type` ("" where nothing says). Raises InvalidRequest."""
    fields = Fields(decode(data, what="manifest"), "manifest")
    if fields.number("schemaVersion") != 2:
        raise InvalidRequest("unsupported manifest: schemaVersion must be 2")
    stated = fields.text("mediaType")
    if media_type and stated and stated != media_type:
        raise InvalidRequest(f"manifest says it is {stated!r} but was delivered as {media_type!r}")
    is_index = fields.has("manifests")
    if is_index and (fields.has("layers") or fields.has("config")):
        raise InvalidRequest("manifest is both an image and an index: it has layers as well as manifests")
    kind = stated or media_type or (OCI_INDEX if is_index else OCI_MANIFEST)
    if kind not in (INDEXES if is_index else MANIFESTS):
        raise InvalidRequest(f"unsupported manifest media type {kind!r}")
    return _index(fields, kind, data) if is_index else _manifest(fields, kind, data)


def render_manifest(config: Descriptor, layers: Sequence[Descriptor]) -> bytes:
    """An OCI manifest of our own making."""
    return encode(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": config.as_json(),
            "layers": [layer.as_json() for layer in layers],
        }
    )


def render_docker_manifest(config: Descriptor, layers: Sequence[Descriptor]) -> bytes:
    """A schema 2 manifest, byte for byte as dockerd writes it: the same image has the same digest from both."""
    return _as_docker(
        {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST,
            "config": _docker_descriptor(config),
            "layers": [_docker_descriptor(layer) for layer in layers],
        }
    )


def render_docker_index(manifests: Sequence[tuple[Descriptor, Mapping[str, object]]]) -> bytes:
    """A manifest list as docker's CLI writes it: manifests with what the list says about their platforms."""
    entries = [{**_docker_descriptor(each), "platform": dict(platform)} for each, platform in manifests]
    return _as_docker({"schemaVersion": 2, "mediaType": DOCKER_INDEX, "manifests": entries})


def _docker_descriptor(descriptor: Descriptor) -> dict[str, object]:
    return {"mediaType": descriptor.media_type, "size": descriptor.size, "digest": descriptor.digest}


def _as_docker(value: object) -> bytes:
    return json.dumps(value, indent=3, ensure_ascii=False).encode()


def render_index(manifests: Sequence[Descriptor]) -> bytes:
    """An OCI index of our own making."""
    return encode(
        {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [manifest.as_json() for manifest in manifests],
        }
    )


def _manifest(fields: Fields, media_type: str, data: bytes) -> Manifest:
    config = fields.inner("config")
    if config is None:
        raise InvalidRequest("manifest has no config")
    if fields.count("layers") > MAX_LAYERS:
        raise InvalidRequest(f"manifest has {fields.count('layers')} layers, at most {MAX_LAYERS} are possible")
    layers = tuple(parse_descriptor(layer) for layer in fields.items("layers"))
    return Manifest(
        media_type,
        parse_descriptor(config),
        layers,
        data,
        fields.mapping("annotations") or {},
        fields.text("artifactType"),
    )


def _index(fields: Fields, media_type: str, data: bytes) -> Index:
    if fields.count("manifests") > MAX_MANIFESTS:
        raise InvalidRequest(f"index has {fields.count('manifests')} manifests, at most {MAX_MANIFESTS} are possible")
    manifests = tuple(parse_descriptor(manifest) for manifest in fields.items("manifests"))
    return Index(media_type, manifests, data, fields.mapping("annotations") or {})
