"""Giving names."""

import pytest

from sampan.errors import InvalidRequest, NotFound
from sampan.images.images import Images
from sampan.oci.config import parse_config
from sampan.oci.reference import parse_reference
from unit.images.crafted import config

DIGEST = "sha256:" + "ab" * 32


def make(images: Images, author: str, name: str) -> str:
    """An image; returns its ID."""
    return images.store.insert(parse_config(config([], author=author)), [parse_reference(name)]).id


def test_a_tag_is_a_further_name(images: Images) -> None:
    image_id = make(images, "a", "app:1")
    images.tag("app:1", "me/app", "2")
    images.tag(image_id[7:19], "localhost:5000/app")
    assert images.get("me/app:2").repo_tags == ["app:1", "me/app:2", "localhost:5000/app:latest"]
    assert images.get("app:1").tagged_ns > 0


def test_a_tag_in_use_moves(images: Images) -> None:
    first, second = make(images, "a", "app:1"), make(images, "b", "app:2")
    images.tag("app:2", "app", "1")
    assert images.get("app:1").id == second
    assert images.get(first).repo_tags == []


@pytest.mark.parametrize(
    ("repository", "tag", "sentence"),
    [
        (f"app@{DIGEST}", "", "refusing to create a tag with a digest reference"),
        ("sha256", "abc", "refusing to create an ambiguous tag using digest algorithm as name"),
        ("FOO", "", "invalid reference format: repository name (library/FOO) must be lowercase"),
        ("app", "-x", "invalid tag format"),
        ("app", "x" * 129, "invalid tag format"),
        ("", "", "invalid reference format"),
        ("ab" * 32, "", "cannot specify 64-byte hexadecimal strings"),
    ],
)
def test_what_can_be_no_tag_is_refused(images: Images, repository: str, tag: str, sentence: str) -> None:
    make(images, "a", "app:1")
    with pytest.raises(InvalidRequest) as caught:
        images.tag("app:1", repository, tag)
    assert sentence in str(caught.value)


def test_only_what_is_here_can_be_tagged(images: Images) -> None:
    with pytest.raises(NotFound, match="No such image: nope:latest"):
        images.tag("nope", "app")
