"""Manifests and indexes: one meaning each (security.md D05)."""

import json
from typing import Any

import pytest

from sampan.errors import InvalidRequest, NotFound
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import digest_of
from sampan.oci.manifest import MAX_LAYERS, Index, Manifest, parse_manifest, render_index, render_manifest
from sampan.oci.media_types import DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST
from sampan.oci.platform import Platform

DIGEST = "sha256:" + "ab" * 32
CONFIG = {"mediaType": OCI_CONFIG, "digest": DIGEST, "size": 2}
LAYER = {"mediaType": OCI_LAYER, "digest": DIGEST, "size": 3}
MANIFEST = {"schemaVersion": 2, "config": CONFIG, "layers": [LAYER]}
INDEX: dict[str, Any] = {"schemaVersion": 2, "manifests": []}


def data(value: object, **changes: object) -> bytes:
    """A document with members changed; `...` removes one."""
    changed = {**value, **changes} if isinstance(value, dict) else value
    if isinstance(changed, dict):
        changed = {name: member for name, member in changed.items() if member is not ...}
    return json.dumps(changed).encode()


def test_a_manifest_is_read() -> None:
    document = data(MANIFEST)
    manifest = parse_manifest(document)
    assert isinstance(manifest, Manifest)
    assert manifest.config == Descriptor(OCI_CONFIG, DIGEST, 2)
    assert manifest.layers == (Descriptor(OCI_LAYER, DIGEST, 3),)
    assert manifest.digest == digest_of(document)


@pytest.mark.parametrize(
    ("document", "delivered_as", "problem"),
    [
        (data(MANIFEST, schemaVersion=1), "", "schemaVersion"),
        (data(MANIFEST, schemaVersion=...), "", "schemaVersion"),
        (data(MANIFEST, manifests=[]), "", "both an image and an index"),
        (data(INDEX, config=CONFIG), "", "both an image and an index"),
        (data(MANIFEST, mediaType=OCI_MANIFEST), DOCKER_MANIFEST, "delivered as"),
        (data(MANIFEST, mediaType=OCI_INDEX), "", "unsupported manifest media type"),
        (data(INDEX, mediaType=OCI_MANIFEST), "", "unsupported manifest media type"),
        (data(INDEX), OCI_MANIFEST, "unsupported manifest media type"),
        (data(MANIFEST, mediaType="text/html"), "", "unsupported manifest media type"),
        (data(MANIFEST, config=...), "", "no config"),
        (data(MANIFEST, config=[]), "", "must be an object"),
        (data(MANIFEST, layers={}), "", "list of objects"),
        (data(MANIFEST, layers=[1]), "", "must be an object"),
        (data(MANIFEST, layers=[{**LAYER, "digest": "sha256:../../x"}]), "", "is no digest"),
        (data(MANIFEST, layers=[{**LAYER, "size": -1}]), "", "whole number"),
        (data(MANIFEST, layers=[{**LAYER, "size": "3"}]), "", "whole number"),
        (data(MANIFEST, layers=[{**LAYER, "size": True}]), "", "whole number"),
        (data(MANIFEST, layers=[{**LAYER, "size": None}]), "", "is missing"),
        (data(MANIFEST, layers=[LAYER] * (MAX_LAYERS + 1)), "", "at most"),
        (data(MANIFEST, annotations={"a": 1}), "", "object of strings"),
        (b"[]", "", "must be an object"),
        (b"null", "", "must be an object"),
        (b'{"schemaVersion":2,"schemaVersion":2}', "", "duplicate key"),
    ],
)
def test_a_document_with_two_meanings_or_none_is_refused(document: bytes, delivered_as: str, problem: str) -> None:
    with pytest.raises(InvalidRequest, match=problem):
        parse_manifest(document, delivered_as)


def test_our_own_documents_are_read_back() -> None:
    layer = Descriptor(OCI_LAYER, DIGEST, 3, {"b": "2", "a": "1"})
    manifest = parse_manifest(render_manifest(Descriptor(OCI_CONFIG, DIGEST, 2), [layer]))
    assert isinstance(manifest, Manifest)
    assert manifest.layers == (layer,)
    described = Descriptor(OCI_MANIFEST, DIGEST, 9, platform=Platform("linux", "arm", "v7"))
    index = parse_manifest(render_index([described]), OCI_INDEX)
    assert isinstance(index, Index)
    assert index.manifests == (described,)


def test_the_index_gives_the_exact_platform_or_one_that_fits() -> None:
    plain, v7, v6 = (
        Descriptor(OCI_MANIFEST, f"sha256:{digit * 64}", 1, platform=Platform("linux", "arm", variant))
        for digit, variant in (("0", ""), ("7", "v7"), ("6", "v6"))
    )
    index = Index(OCI_INDEX, (Descriptor(OCI_MANIFEST, DIGEST, 1), plain, v6, v7), b"")
    assert index.choose(Platform("linux", "arm", "v7")) is v7
    assert index.choose(Platform("linux", "arm", "v5")) is plain
    with pytest.raises(NotFound, match="no matching manifest for linux/s390x"):
        index.choose(Platform("linux", "s390x"))
