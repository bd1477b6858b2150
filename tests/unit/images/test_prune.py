"""What nobody uses goes; what anybody uses stays."""

import io
from typing import Any

import pytest

from sampan.errors import InvalidRequest
from sampan.images.images import Images
from sampan.oci.config import parse_config
from sampan.oci.digest import digest_of
from sampan.oci.reference import parse_reference
from sampan.wire.filters import Filters
from unit.images.crafted import config, layer


def make(images: Images, content: str, *names: str, **members: Any) -> str:
    """An image of one layer of its own; returns its ID."""
    data = layer(content)
    with images.store.lease() as lease:
        lease.ingest(io.BytesIO(data))
        document = parse_config(config([data], **members))
        return images.store.insert(document, [parse_reference(name) for name in names]).id


def left(images: Images) -> set[str]:
    """The IDs of all images."""
    return {image.id for image in images.all()}


def test_unnamed_images_go_and_their_space_is_counted(images: Images) -> None:
    unnamed, named = make(images, "four"), make(images, "other", "app:1")
    assert images.prune() == {
        "ImagesDeleted": [{"Deleted": unnamed}, {"Deleted": digest_of(layer("four"))}],
        "SpaceReclaimed": 4,
    }
    assert left(images) == {named}
    assert images.prune() == {"ImagesDeleted": None, "SpaceReclaimed": 0}


def test_all_unused_images_go_when_asked_for(images: Images) -> None:
    used = make(images, "a", "used:1", "used:2")
    make(images, "b", "app:1", "app:2")
    images.users_of = lambda image_id: [("c" * 64, False)] if image_id == used else []
    pruned = images.prune(Filters({"dangling": ("false",)}))
    assert [record for record in pruned["ImagesDeleted"] if "Untagged" in record] == [
        {"Untagged": "app:1"},
        {"Untagged": "app:2"},
    ]
    assert left(images) == {used}
    assert images.get(used).repo_tags == ["used:1", "used:2"]


def test_filters_keep_images(images: Images) -> None:
    old = make(images, "a", created="2020-01-01T00:00:00Z", config={"Labels": {"keep": "1"}})
    make(images, "b", created="2020-01-01T00:00:00Z")
    young = make(images, "c", created="2026-01-01T00:00:00Z")
    images.prune(Filters({"until": ("2021-01-01T00:00:00Z",), "label!": ("keep",)}))
    assert left(images) == {old, young}


def test_nonsense_is_refused(images: Images) -> None:
    for terms in ({"before": ("x",)}, {"until": ("1h", "2h")}, {"dangling": ("maybe",)}):
        with pytest.raises(InvalidRequest):
            images.prune(Filters(terms))


def test_what_broken_off_pulls_left_is_given_back(images: Images) -> None:
    partial = images.store.content.partial("sha256:" + "a" * 64, 100_000)
    partial.write(b"x" * 50_000)
    assert images.prune()["SpaceReclaimed"] == 0, "it is being written"
    partial.close()
    assert images.prune()["SpaceReclaimed"] >= 50_000
    assert images.prune()["SpaceReclaimed"] == 0
