"""In which order are the platforms of a build built, and which of them gets the names?

This machine's comes last and is what the names stand for afterwards; where it is not among them, the first one is. The
others are images without a name, for the index that is pushed or written.
"""

from collections.abc import Iterator
from dataclasses import replace

from sampan.builder.request import BuildRequest
from sampan.errors import InvalidRequest
from sampan.oci.platform import Platform, host_platform, parse_platform

PLATFORMS_MAX = 16


def parse_platforms(texts: list[str]) -> tuple[Platform, ...]:
    """`linux/amd64,linux/arm64`, each once, in their order. Raises InvalidRequest."""
    words = [word.strip() for text in texts for word in text.split(",") if text]
    if len(words) > PLATFORMS_MAX:
        raise InvalidRequest(f"a build is for at most {PLATFORMS_MAX} platforms")
    return tuple(dict.fromkeys(parse_platform(word) for word in words))


def each_platform(request: BuildRequest) -> Iterator[BuildRequest]:
    """The builds, one for each platform; the last one is that which gets the names."""
    if not request.platforms:
        yield request
        return
    host = host_platform()
    named = host if host in request.platforms else request.platforms[0]
    for platform in request.platforms:
        if platform != named:
            yield replace(request, platform=platform, references=(), cache_to=None)
    yield replace(request, platform=named)
