"""Which platform's image gets the names of a build?"""

import pytest

from sampan.builder.platforms import PLATFORMS_MAX, each_platform, parse_platforms
from sampan.builder.request import BuildRequest
from sampan.errors import InvalidRequest
from sampan.oci.platform import host_platform
from sampan.oci.reference import parse_reference

NAMES = (parse_reference("a:1"),)


def built(*texts: str) -> list[tuple[str, bool]]:
    platforms = parse_platforms(list(texts))
    request = BuildRequest(platforms=platforms, references=NAMES)
    return [(str(each.platform), each.references == NAMES) for each in each_platform(request)]


def test_this_machines_image_comes_last_and_gets_the_names() -> None:
    host = str(host_platform())
    assert built(f"{host},linux/s390x", "linux/ppc64le") == [
        ("linux/s390x", False), ("linux/ppc64le", False), (host, True),
    ]  # fmt: skip
    assert built("linux/s390x,linux/ppc64le") == [("linux/ppc64le", False), ("linux/s390x", True)]


def test_a_build_for_no_platform_in_particular_is_one_build() -> None:
    request = BuildRequest(references=NAMES)
    assert list(each_platform(request)) == [request]


def test_platforms_are_named_once_and_are_not_too_many() -> None:
    assert [str(each) for each in parse_platforms(["linux/aarch64", "linux/arm64/v8"])] == ["linux/arm64"]
    with pytest.raises(InvalidRequest, match="invalid platform"):
        parse_platforms(["linux/amd64,a/b/c/d"])
    with pytest.raises(InvalidRequest, match=f"at most {PLATFORMS_MAX}"):
        parse_platforms([",".join(f"linux/a{number}" for number in range(PLATFORMS_MAX + 1))])
