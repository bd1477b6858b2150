"""How does what is known about an image travel beside it?

As BuildKit has it (docs/attestations/attestation-storage.md): in the index of the image stands one more manifest, for
the platform `unknown/unknown`, whose annotations name the manifest that it is about. Its layers are in-toto statements.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import digest_of
from sampan.oci.manifest import render_manifest
from sampan.oci.media_types import OCI_CONFIG, OCI_MANIFEST
from sampan.oci.platform import Platform
from sampan.oci.strict import encode

IN_TOTO = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v0.1"
PREDICATE_TYPE = "in-toto.io/predicate-type"
REFERENCE_TYPE, REFERENCE_DIGEST = "vnd.docker.reference.type", "vnd.docker.reference.digest"
UNKNOWN = Platform("unknown", "unknown", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicate:
    """What is said about an image; who says it and of which image is added when it goes out."""

    kind: str
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """A manifest about another one: the descriptor for the index, its bytes, and the blobs it names."""

    descriptor: Descriptor
    manifest: bytes
    blobs: Sequence[bytes]


def attestation(subject: Descriptor, name: str, predicates: Sequence[Predicate]) -> Attestation:
    """What `predicates` say about the manifest `subject`, of the image that is called `name`; pure."""
    algorithm, _, encoded = subject.digest.partition(":")
    platform = quote(str(subject.platform), safe="") if subject.platform else ""
    about = {
        "name": f"pkg:docker/{name}" + (f"?platform={platform}" if platform else ""),
        "digest": {algorithm: encoded},
    }
    statements, layers = [], []
    for each in predicates:
        data = encode(
            {"_type": STATEMENT, "predicateType": each.kind, "subject": [about], "predicate": dict(each.content)}
        )
        statements.append(data)
        layers.append(Descriptor(IN_TOTO, digest_of(data), len(data), {PREDICATE_TYPE: each.kind}))
    config = encode(
        {
            "architecture": "unknown",
            "os": "unknown",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
        }
    )
    manifest = render_manifest(Descriptor(OCI_CONFIG, digest_of(config), len(config)), layers)
    annotations = {REFERENCE_TYPE: "attestation-manifest", REFERENCE_DIGEST: str(subject.digest)}
    descriptor = Descriptor(OCI_MANIFEST, digest_of(manifest), len(manifest), annotations, UNKNOWN)
    return Attestation(descriptor=descriptor, manifest=manifest, blobs=[config, *statements])
