"""`docker images` and its filters."""

from typing import Any

import pytest

from sampan.errors import InvalidRequest, NotFound
from sampan.images.images import Images
from sampan.images.listing import matches
from sampan.oci.config import parse_config
from sampan.oci.reference import parse_reference
from sampan.wire.filters import Filters
from unit.images.crafted import config


@pytest.fixture
def made(images: Images) -> dict[str, str]:
    """Four images by what they are here for: an old one, a young one, an unnamed one, and its unnamed parent."""
    wanted: dict[str, tuple[list[str], dict[str, Any]]] = {
        "old": (["old:1", "reg.lan/me/old:2"], {"created": "2020-01-01T00:00:00Z", "config": {"Labels": {"a": "1"}}}),
        "young": (["young:latest"], {"created": "2026-01-01T00:00:00Z", "config": {"Labels": {"a": "2"}}}),
        "unnamed": ([], {"created": "2023-01-01T00:00:00Z"}),
        "parent": ([], {"created": "2022-01-01T00:00:00Z"}),
    }
    ids = {}
    for what, (names, members) in wanted.items():
        document = parse_config(config([], author=what, **members))
        ids[what] = images.store.insert(document, [parse_reference(name) for name in names]).id
    with images.store.database.transaction() as cursor:
        cursor.execute("UPDATE images SET parent = ? WHERE id = ?", (ids["parent"], ids["unnamed"]))
    return ids


@pytest.mark.parametrize(
    ("terms", "shown"),
    [
        ({}, ["young", "unnamed", "old"]),
        ({"dangling": ("true",)}, ["unnamed"]),
        ({"dangling": ("false",)}, ["young", "old"]),
        ({"label": ("a",)}, ["young", "old"]),
        ({"label": ("a=1",)}, ["old"]),
        ({"label!": ("a=1",)}, ["young", "unnamed"]),
        ({"before": ("young",)}, ["unnamed", "old"]),
        ({"since": ("old:1",)}, ["young", "unnamed"]),
        ({"since": ("old:1",), "before": ("young",)}, ["unnamed"]),
        ({"reference": ("old",)}, ["old"]),
        ({"reference": ("*:latest",)}, ["young"]),
        ({"reference": ("reg.lan/*/*",)}, ["old"]),
        ({"reference": ("nothing", "y*")}, ["young"]),
        ({"until": ("2021-01-01T00:00:00Z",)}, ["old"]),
    ],
)
def test_filters(images: Images, made: dict[str, str], terms: dict[str, tuple[str, ...]], shown: list[str]) -> None:
    found = [item["Id"] for item in images.list(filters=Filters(terms))]
    assert found == [made[what] for what in shown]


def test_steps_between_images_are_shown_when_asked_for(images: Images, made: dict[str, str]) -> None:
    found = [item["Id"] for item in images.list(all=True)]
    assert found == [made[what] for what in ("young", "unnamed", "parent", "old")]


def test_only_the_names_that_match_are_shown(images: Images, made: dict[str, str]) -> None:
    (shown,) = images.list(filters=Filters({"reference": ("old",)}))
    assert shown["RepoTags"] == ["old:1"]


@pytest.mark.parametrize(
    ("terms", "error", "sentence"),
    [
        ({"nonsense": ("x",)}, InvalidRequest, "invalid filter 'nonsense'"),
        ({"dangling": ("maybe",)}, InvalidRequest, r"invalid filter 'dangling=\[maybe\]'"),
        ({"before": ("nope",)}, NotFound, "No such image: nope:latest"),
        ({"reference": ("[",)}, InvalidRequest, "syntax error in pattern"),
        ({"until": ("yesterday",)}, InvalidRequest, "failed to parse"),
    ],
)
def test_nonsense_is_refused(
    images: Images, made: dict[str, str], terms: dict[str, tuple[str, ...]], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        images.list(filters=Filters(terms))


def test_containers_are_counted_from_1_51_on(images: Images, made: dict[str, str]) -> None:
    images.users_of = lambda image_id: [("c1", True), ("c2", False)] if image_id == made["old"] else []
    assert [item["Containers"] for item in images.list(version=(1, 51))] == [0, 0, 2]
    assert [item["Containers"] for item in images.list(version=(1, 50))] == [-1, -1, -1]


@pytest.mark.parametrize(
    ("pattern", "name", "answer"),
    [
        ("app", "app:1", True),
        ("app:*", "app:1", True),
        ("app*", "apple:1", True),
        ("*", "app:1", True),
        ("*", "me/app:1", False),
        ("*/app", "me/app:1", True),
        ("a?p", "app:1", True),
        ("[a-c]pp", "app:1", True),
        ("[^a]pp", "app:1", False),
        (r"a\*p", "app:1", False),
        ("app.", "appx:1", False),
        ("docker.io/library/app", "app:1", False),
    ],
)
def test_patterns_are_those_of_gos_path_match(pattern: str, name: str, answer: bool) -> None:
    assert matches(pattern, parse_reference(name)) == answer
