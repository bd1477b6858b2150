"""The steps of an image, the latest first."""

import io
from typing import Any

import pytest

from sampan.errors import InvalidRequest
from sampan.images.images import Images
from sampan.oci.config import parse_config
from sampan.oci.reference import parse_reference
from unit.images.crafted import config, layer

LAYERS = [layer("a"), layer("bcd")]
STEPS = [
    {"created": "2026-01-01T00:00:00Z", "created_by": "ADD a"},
    {"created": "2026-01-01T00:00:01Z", "created_by": "ENV x", "empty_layer": True},
    {"created": "2026-01-01T00:00:02Z", "created_by": "RUN b", "comment": "c"},
]


def make(images: Images, layers: list[bytes], name: str, **members: Any) -> str:
    """An image; returns its ID."""
    with images.store.lease() as lease:
        for each in layers:
            lease.ingest(io.BytesIO(each))
        return images.store.insert(parse_config(config(layers, **members)), [parse_reference(name)]).id


def test_steps_have_the_sizes_of_their_layers(images: Images) -> None:
    image_id = make(images, LAYERS, "app:1", history=STEPS)
    assert images.history("app:1") == [
        {"Comment": "c", "Created": 1767225602, "CreatedBy": "RUN b", "Id": image_id, "Size": 3, "Tags": ["app:1"]},
        {"Comment": "", "Created": 1767225601, "CreatedBy": "ENV x", "Id": "<missing>", "Size": 0, "Tags": None},
        {"Comment": "", "Created": 1767225600, "CreatedBy": "ADD a", "Id": "<missing>", "Size": 1, "Tags": None},
    ]


def test_steps_that_are_images_have_their_ids(images: Images) -> None:
    parent = make(images, LAYERS[:1], "base:1", history=STEPS[:2])
    child = make(images, LAYERS, "app:1", history=STEPS)
    with images.store.database.transaction() as cursor:
        cursor.execute("UPDATE images SET parent = ? WHERE id = ?", (parent, child))
    assert [(step["Id"], step["Tags"]) for step in images.history("app:1")] == [
        (child, ["app:1"]),
        (parent, ["base:1"]),
        ("<missing>", None),
    ]


def test_an_image_without_history_has_no_steps(images: Images) -> None:
    make(images, LAYERS, "app:1")
    assert images.history("app:1") == []


def test_more_steps_than_layers_are_refused(images: Images) -> None:
    make(images, LAYERS[:1], "app:1", history=STEPS)
    with pytest.raises(InvalidRequest, match="too many non-empty layers in History section"):
        images.history("app:1")
