"""Which versions of the Engine API are spoken, and which one does a path ask for?

A path may begin with `/v1.44`; without it the newest version is meant. Standard library only, shared with the client.
"""

import re
from typing import NamedTuple

from sampan.errors import InvalidRequest


class Version(NamedTuple):
    """An API version; compares as numbers, so that 1.9 comes before 1.10."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


NEWEST = Version(1, 51)
OLDEST = Version(1, 24)
_PREFIX = re.compile(r"/v([0-9]{1,4})\.([0-9]{1,4})(?=/)")
_VERSION = re.compile(r"v?([0-9]{1,4})\.([0-9]{1,4})\Z")


def parse(text: str) -> Version:
    """The version that `1.44` or `v1.44` names."""
    match = _VERSION.match(text)
    if match is None:
        raise InvalidRequest(f"invalid API version: {text!r}")
    return Version(int(match[1]), int(match[2]))


def split(path: str) -> tuple[Version, str]:
    """The version a request path asks for and the path without it. Does not judge whether it is spoken: see `check`."""
    match = _PREFIX.match(path)
    if match is None:
        return NEWEST, path
    return Version(int(match[1]), int(match[2])), path[match.end() :]


def check(version: Version) -> None:
    """Raises InvalidRequest, in dockerd's words, for a version outside OLDEST … NEWEST."""
    if version > NEWEST:
        raise InvalidRequest(f"client version {version} is too new. Maximum supported API version is {NEWEST}")
    if version < OLDEST:
        raise InvalidRequest(
            f"client version {version} is too old. Minimum supported API version is {OLDEST}, "
            "please upgrade your client to a newer version"
        )


def negotiate(theirs: Version) -> Version:
    """The version to speak with an engine whose newest is `theirs` (the client's side)."""
    return min(theirs, NEWEST)
