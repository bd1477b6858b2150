"""In which order are the platforms of a build built, and which of them gets the names?

This machine's comes last and is what the names stand for afterwards; where it is not among them, the first one is. The
others are images without a name, for the index that is pushed or written.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from types import TracebackType

from sampan.builder.request import BuildRequest
from sampan.errors import InvalidRequest
from sampan.images.store import ImageStore
from sampan.oci.digest import Digest
from sampan.oci.platform import Platform, host_platform, parse_platform

PLATFORMS_MAX = 16


def parse_platforms(texts: list[str]) -> tuple[Platform, ...]:
    """`linux/amd64,linux/arm64`, each once, in their order. Raises InvalidRequest."""
    words = [word.strip() for text in texts for word in text.split(",") if text]
    if len(words) > PLATFORMS_MAX:
        raise InvalidRequest(f"a build is for at most {PLATFORMS_MAX} platforms")
    return tuple(dict.fromkeys(parse_platform(word) for word in words))


class Made:
    """The images of a build for several platforms: they go again when it fails before the last of them is made."""

    def __init__(self, store: ImageStore) -> None:
        self.ids: list[Digest] = []
        self._store = store
        self._before: frozenset[Digest] = frozenset()

    async def __aenter__(self) -> "Made":
        found = await asyncio.to_thread(self._store.all)
        self._before = frozenset(image.id for image in found)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            await asyncio.to_thread(self._drop)

    def _drop(self) -> None:
        for image_id in self.ids:
            image = None if image_id in self._before else self._store.by_id(image_id)
            if image is not None and not image.references and not self._store.users_of(image_id):
                self._store.drop(image)


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
