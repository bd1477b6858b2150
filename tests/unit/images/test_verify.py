"""Is damage found and named, and mended where that is possible?"""

import asyncio
import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sampan.errors import Unavailable
from sampan.images import rows
from sampan.images.compressed import LayerBlob, remember
from sampan.images.image import Image
from sampan.images.images import Images
from sampan.images.progress import Emit
from sampan.images.repair import check
from sampan.images.verify import BLOB, CONFIG, LAYER, Finding, verify
from sampan.layers.examine import Condition
from sampan.oci.digest import digest_of
from sampan.oci.media_types import OCI_LAYER_GZIP
from sampan.oci.reference import Reference, parse_normal
from unit.images.crafted import layer

TAR = layer("some content of a file")
PACKED = gzip.compress(TAR, mtime=0)


@pytest.fixture
def image(images: Images) -> Image:
    """An image of one layer, whose compressed blob is here as well, as after a pull."""
    image = images.import_tar(io.BytesIO(TAR), "app", "1")
    images.store.content.put(io.BytesIO(PACKED))
    with images.store.database.transaction() as cursor:
        rows.insert(cursor, image.id, [], [digest_of(PACKED)])
        rows.name(cursor, parse_normal(f"docker.io/library/app@{digest_of(b'manifest')}"), image.id)
    blob = LayerBlob(image.diff_ids[0], digest_of(PACKED), len(PACKED), OCI_LAYER_GZIP)
    remember(images.store.database, [blob], "docker.io/library/app")
    return images.get("app:1")


def spoil(path: Path) -> None:
    """One byte is another."""
    data = bytearray(path.read_bytes())
    data[600] ^= 1
    path.write_bytes(data)


def found(images: Images, *, repair: bool = False) -> dict[str, Finding]:
    """What is found, by kind."""
    return {finding.kind: finding for finding in verify(images.store, images.all(), repair=repair)}


def test_what_is_sound_is_sound(images: Images, image: Image) -> None:
    findings = found(images)
    assert set(findings) == {LAYER, CONFIG, BLOB}
    assert all(finding.condition is Condition.SOUND for finding in findings.values())
    assert findings[LAYER].images == (image.id,)


@pytest.mark.parametrize(
    ("path", "condition"),
    [
        (lambda images, image: images.store.layers.tar(image.diff_ids[0]), Condition.DAMAGED),
        (
            lambda images, image: images.store.layers.tar(image.diff_ids[0]).with_name("layer.erofs"),
            Condition.INDEX_DAMAGED,
        ),
    ],
)
def test_a_layer_is_made_again(
    images: Images, image: Image, path: Callable[[Images, Image], Path], condition: Condition
) -> None:
    spoil(path(images, image))
    assert found(images)[LAYER].condition is condition
    assert not found(images)[LAYER].is_sound
    assert found(images, repair=True)[LAYER].is_sound
    assert found(images)[LAYER].condition is Condition.SOUND


def test_a_layer_that_is_gone_comes_back(images: Images, image: Image) -> None:
    images.store.layers.remove(image.diff_ids[0])
    assert found(images)[LAYER].condition is Condition.MISSING
    assert found(images, repair=True)[LAYER].repaired
    assert images.store.layers.tar(image.diff_ids[0]).read_bytes() == TAR


def test_a_compressed_blob_is_forgotten_when_its_layer_is_sound(images: Images, image: Image) -> None:
    images.store.content.path(digest_of(PACKED)).write_bytes(b"rubbish")
    assert found(images)[BLOB].condition is Condition.DAMAGED
    assert found(images, repair=True)[BLOB].is_sound
    assert set(found(images)) == {LAYER, CONFIG}
    assert not images.store.content.has(digest_of(PACKED))


def repaired(images: Images, pull: Callable[[Reference, Emit], Any]) -> tuple[dict[str, Finding], list[Any]]:
    """What `check` says when a pull does this."""
    told: list[Any] = []

    async def fetch(reference: Reference, emit: Emit) -> None:
        pull(reference, emit)

    async def story() -> dict[str, Finding]:
        made = check(images.store, images.all(), fetch, told.append, repair=True)
        return {finding.kind: finding async for finding in made}

    return asyncio.run(story()), told


def test_what_is_lost_here_is_fetched_under_its_digest(images: Images, image: Image) -> None:
    tar = images.store.layers.tar(image.diff_ids[0])
    spoil(tar)
    images.store.content.path(digest_of(PACKED)).write_bytes(b"rubbish")
    asked: list[str] = []

    def pull(reference: Reference, emit: Emit) -> None:
        asked.append(reference.familiar)
        assert not images.store.layers.has(image.diff_ids[0]), "a pull fetches what is not here"
        images.store.layers.ingest(io.BytesIO(TAR))
        images.store.content.put(io.BytesIO(PACKED))

    findings, _ = repaired(images, pull)
    assert asked == [f"app@{digest_of(b'manifest')}"]
    assert all(finding.is_sound for finding in findings.values())
    assert all(finding.condition is Condition.SOUND for finding in found(images).values())


def test_a_registry_that_does_not_answer_changes_nothing(images: Images, image: Image) -> None:
    tar = images.store.layers.tar(image.diff_ids[0])
    spoil(tar)
    images.store.content.path(digest_of(PACKED)).write_bytes(b"rubbish")
    before = tar.read_bytes()

    def pull(reference: Reference, emit: Emit) -> None:
        raise Unavailable("no answer")

    findings, told = repaired(images, pull)
    assert not findings[LAYER].is_sound
    assert findings[CONFIG].is_sound
    assert "no answer" in told[0]["status"]
    assert tar.read_bytes() == before
    assert images.store.content.read(digest_of(PACKED)) == b"rubbish"
