"""What does a registry keep, and what does it let go? On real stores, with the clock of the rows turned back."""

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.oci.media_types import OCI_CONFIG, OCI_MANIFEST
from sampan.registry.serve.collect import collect
from sampan.registry.serve.refusal import Refusal
from sampan.registry.serve.store import RegistryStore
from sampan.registry.serve.uploads import Bounds

NAME = "team/app"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RegistryStore]:
    store = RegistryStore(tmp_path / "registry", Bounds())
    yield store
    store.close()


def blob(store: RegistryStore, data: bytes, name: str = NAME) -> str:
    """A blob of a repository; its digest."""
    digest, _ = store.content.put(io.BytesIO(data))
    store.keep_blob(name, digest)
    return digest


def image(store: RegistryStore, data: bytes, tags: tuple[str, ...]) -> str:
    """A manifest whose config is `data`; its digest."""
    config = {"mediaType": OCI_CONFIG, "digest": blob(store, data), "size": len(data)}
    text = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": []}).encode()
    digest = "sha256:" + hashlib.sha256(text).hexdigest()
    store.put_manifest(NAME, text, digest, OCI_MANIFEST, tags)
    return digest


def age(store: RegistryStore) -> None:
    """Everything happened long ago."""
    with store.database.transaction() as cursor:
        cursor.execute("UPDATE registry_blobs SET linked_ns = 0")
        cursor.execute("UPDATE registry_manifests SET pushed_ns = 0")


def test_what_was_asked_for_lately_is_not_collected(store: RegistryStore) -> None:
    digest = blob(store, b"a layer")
    age(store)
    assert store.find_blob(NAME, digest) == 7  # HEAD: it may be about to be named in a manifest
    assert collect(store, grace_seconds=60).links == 0
    assert store.find_blob(NAME, digest) == 7
    assert collect(store, grace_seconds=0).links == 1
    assert not store.content.has(digest)


def test_what_is_new_is_not_collected(store: RegistryStore) -> None:
    digest = blob(store, b"a layer")
    assert collect(store, grace_seconds=60).links == 0
    age(store)
    assert (collect(store, grace_seconds=60).links, store.content.has(digest)) == (1, False)


def test_a_blob_of_two_repositories_goes_with_the_second(store: RegistryStore) -> None:
    digest = blob(store, b"shared")
    assert store.mount("other", digest, NAME)
    store.delete_blob(NAME, digest)
    assert store.find_blob("other", digest) == 6
    with pytest.raises(Refusal):
        store.find_blob(NAME, digest)
    store.delete_blob("other", digest)
    assert not store.content.has(digest)


def test_named_content_stays_and_untagged_manifests_go_only_if_that_is_wanted(store: RegistryStore) -> None:
    tagged, untagged = image(store, b"one", ("v1",)), image(store, b"two", ())
    age(store)
    assert collect(store, grace_seconds=0).links == 0
    assert store.manifest(NAME, untagged, by_tag=False)
    found = collect(store, grace_seconds=0, untagged=True)
    assert (found.manifests, found.links) == (1, 1)
    assert not store.content.has(untagged)
    assert store.manifest(NAME, "v1", by_tag=True)[0].digest == tagged
    assert len(list(store.content.digests())) == 2


def test_a_stray_of_a_crash_goes(store: RegistryStore) -> None:
    digest, _ = store.content.put(io.BytesIO(b"no row"))
    assert store.content.has(digest)
    assert collect(store, grace_seconds=60).bytes == 0
    collect(store, grace_seconds=-1)
    assert not store.content.has(digest)


def test_a_manifest_that_is_refused_leaves_nothing(store: RegistryStore) -> None:
    text = b'{"schemaVersion":2,"config":{"mediaType":"x","digest":"sha256:%s","size":1}}' % (b"0" * 64)
    digest = "sha256:" + hashlib.sha256(text).hexdigest()
    with pytest.raises(Refusal) as refused:
        store.put_manifest(NAME, text, digest, "", ("v1",))
    assert refused.value.code == "MANIFEST_BLOB_UNKNOWN"
    assert not list(store.content.digests())
