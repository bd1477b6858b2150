"""Platforms: Go's names, and which image answers which request."""

import pytest

from sampan.errors import InvalidRequest
from sampan.oci.platform import Platform, host_platform, normalize, parse_platform, parse_platform_json, satisfies


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("linux/amd64", Platform("linux", "amd64")),
        ("linux/x86_64", Platform("linux", "amd64")),
        ("Linux/AMD64", Platform("linux", "amd64")),
        ("linux/arm64/v8", Platform("linux", "arm64")),
        ("linux/aarch64", Platform("linux", "arm64")),
        ("linux/arm", Platform("linux", "arm", "v7")),
        ("linux/arm/v6", Platform("linux", "arm", "v6")),
        ("linux/armhf", Platform("linux", "arm", "v7")),
        ("amd64", Platform("linux", "amd64")),
        ("windows/amd64", Platform("windows", "amd64")),
    ],
)
def test_a_platform_has_one_normal_form(text: str, platform: Platform) -> None:
    assert parse_platform(text) == platform
    assert parse_platform(str(platform)) == platform


def test_an_operating_system_alone_means_this_machines_architecture() -> None:
    assert parse_platform("linux") == host_platform()


@pytest.mark.parametrize("text", ["", "/", "a/b/c/d", "linux/", "linux/am d64", "linux/amd64/", "nonsense"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_platform(text)


def test_an_unstated_variant_answers_any() -> None:
    assert satisfies(normalize("linux", "arm64"), parse_platform("linux/arm64/v8"))
    assert satisfies(Platform("linux", "amd64", "v2"), Platform("linux", "amd64"))
    assert not satisfies(Platform("linux", "arm", "v7"), Platform("linux", "arm", "v6"))
    assert not satisfies(Platform("linux", "amd64"), Platform("linux", "arm64"))
    assert not satisfies(Platform("windows", "amd64"), Platform("linux", "amd64"))


def test_a_platform_in_a_query_is_json() -> None:
    assert parse_platform_json('{"os":"linux","architecture":"arm64","variant":"v8"}') == Platform("linux", "arm64")
    assert parse_platform_json('{"architecture":"amd64","os":"linux"}') == Platform("linux", "amd64")


@pytest.mark.parametrize(
    "text",
    ["", "linux/amd64", "[]", "{}", '{"os":"linux"}', '{"os":"a/b","architecture":"c"}', '{"os":1,"architecture":"c"}'],
)
def test_a_platform_in_a_query_is_nothing_else(text: str) -> None:
    with pytest.raises(InvalidRequest, match="platform"):
        parse_platform_json(text)
