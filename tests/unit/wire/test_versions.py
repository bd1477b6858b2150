"""Which version does a path ask for, and is it spoken?"""

import pytest

from sampan.errors import InvalidRequest
from sampan.wire import versions
from sampan.wire.versions import NEWEST, Version


@pytest.mark.parametrize(
    ("path", "version", "rest"),
    [
        ("/_ping", NEWEST, "/_ping"),
        ("/v1.41/info", Version(1, 41), "/info"),
        ("/v1.9/containers/v1.41/json", Version(1, 9), "/containers/v1.41/json"),
        ("/v1.41", NEWEST, "/v1.41"),
        ("/vx/info", NEWEST, "/vx/info"),
        ("/v1.41.2/info", NEWEST, "/v1.41.2/info"),
    ],
)
def test_a_path_is_split(path: str, version: Version, rest: str) -> None:
    assert versions.split(path) == (version, rest)


def test_versions_compare_as_numbers() -> None:
    assert Version(1, 9) < Version(1, 24) < Version(1, 51)
    assert versions.negotiate(Version(1, 41)) == Version(1, 41)
    assert versions.negotiate(Version(1, 99)) == NEWEST


def test_versions_that_are_not_spoken_are_refused_in_dockerds_words() -> None:
    versions.check(Version(1, 24))
    with pytest.raises(InvalidRequest) as new:
        versions.check(Version(1, 99))
    assert str(new.value) == "client version 1.99 is too new. Maximum supported API version is 1.51"
    with pytest.raises(InvalidRequest) as old:
        versions.check(Version(1, 10))
    assert str(old.value) == (
        "client version 1.10 is too old. Minimum supported API version is 1.24, "
        "please upgrade your client to a newer version"
    )


def test_text_that_is_no_version() -> None:
    assert versions.parse("v1.44") == Version(1, 44)
    with pytest.raises(InvalidRequest):
        versions.parse("1")
