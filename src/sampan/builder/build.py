"""What does a build have at hand while it runs?

The services of the engine that a build uses (`Services`, the same for all builds) and what belongs to this one build
(`Build`): the request, the context, the lease that keeps new layers until an image or the cache does, the report.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from sampan.builder.cache import Cache, Hit
from sampan.builder.context import Kept, Workspace, Workspaces
from sampan.builder.dockerfile.instructions import Instruction
from sampan.builder.flights import Flights
from sampan.builder.history import Record
from sampan.builder.known_contexts import KnownContexts
from sampan.builder.layer import EPOCH_NAME
from sampan.builder.mount_cache import MountCaches
from sampan.builder.needs import Layers, Pull, Snapshots, Steps
from sampan.builder.report import Report
from sampan.builder.request import BuildRequest
from sampan.builder.state import State
from sampan.builder.tree import Files, Tree
from sampan.errors import InvalidRequest, Unavailable
from sampan.images.image import Image
from sampan.images.moment import rfc3339
from sampan.images.store import ImageStore, Lease
from sampan.layers.ingest import Told
from sampan.layers.stream import Pieces
from sampan.layers.tar import Member
from sampan.oci.platform import Platform, host_platform

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What all builds share. `secrets_root` is a directory in memory."""

    images: ImageStore
    layers: Layers
    snapshots: Snapshots
    steps: Steps
    cache: Cache
    flights: Flights
    workspaces: Workspaces
    known_contexts: KnownContexts
    mount_caches: MountCaches
    secrets_root: Path
    pull: Pull | None = None
    pulling: asyncio.Lock = field(default_factory=asyncio.Lock)


class Stages(Protocol):
    """The stages of a build, as its steps see them."""

    def find(self, name: str) -> int | None:
        """The index of the stage of that name or number."""
        ...

    async def result(self, index: int) -> State:
        """What a stage ends with; it is built if it was not needed before."""
        ...


@dataclass(slots=True, kw_only=True)
class Build:
    """One build."""

    services: Services
    request: BuildRequest
    report: Report
    workspace: Workspace
    lease: Lease
    context: Kept | None = None
    platform: Platform = field(default_factory=host_platform)
    started_ns: int = field(default_factory=time.time_ns)
    used_keys: list[str] = field(default_factory=list)
    used_arguments: set[str] = field(default_factory=set)
    named: Mapping[str, Kept] = field(default_factory=dict)
    context_layers: dict[str, str] = field(default_factory=dict)
    images: dict[tuple[str, str], "asyncio.Task[Image]"] = field(default_factory=dict)
    preparing: asyncio.Lock = field(default_factory=asyncio.Lock)
    stages: "Stages | None" = None
    is_cancelled: bool = False
    record: Record = field(default_factory=lambda: Record(""))

    @property
    def epoch_ns(self) -> int | None:
        """SOURCE_DATE_EPOCH in nanoseconds, if it is given. Raises InvalidRequest."""
        text = self.request.arguments.get(EPOCH_NAME)
        if not text:
            return None
        if not (text.isascii() and text.isdecimal()) or len(text) > 10:
            raise InvalidRequest(f"invalid {EPOCH_NAME}: {text}")
        return int(text) * 10**9

    def moment(self, made_ns: int) -> str:
        """A time for the image: what SOURCE_DATE_EPOCH says, else when the step was really done."""
        epoch = self.epoch_ns
        return rfc3339(made_ns if epoch is None else epoch)

    @contextmanager
    def tree(self, diff_ids: "list[str] | tuple[str, ...]") -> Iterator[Tree]:
        """A stack of layers, open to be read."""
        layers = self.services.layers
        with Tree([Files(layers.index(diff_id), layers.tar(diff_id)) for diff_id in diff_ids]) as tree:
            yield tree

    async def in_thread(self, work: Callable[[], T]) -> T:
        """The outcome of work that blocks. When the build is cancelled the work is told, and waited for."""
        task = asyncio.ensure_future(asyncio.to_thread(work))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self.is_cancelled = True
            await asyncio.gather(task, return_exceptions=True)
            raise

    def ingest(self, pieces: Iterable[bytes], told: list[Member] | None = None) -> str:
        """A new layer, kept by this build's lease; its diff ID. Raises Unavailable when the build is cancelled.

        `told`: where whoever makes the pieces says which members they are, as `layer_bytes` does.

        It need not be on the disk before the build has an image: a power cut costs a build nothing but time.
        """
        wanted = self._while_wanted(pieces)
        stream = Pieces(wanted) if told is None else Told(wanted, told)
        diff_id: str = self.services.layers.ingest(stream, durable=False).diff_id
        if not self.lease.keep_layer(diff_id):
            raise Unavailable(f"{diff_id} was removed while it was being added: try again")
        return diff_id

    def _while_wanted(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            if self.is_cancelled:
                raise Unavailable("the build was cancelled")
            yield piece

    def uses_cache(self, stage_name: str) -> bool:
        """Whether a stage may take what was done before."""
        return not self.request.no_cache and stage_name not in self.request.no_cache_stages

    async def cached(
        self, key: str, stage_name: str, description: str, work: Callable[[], Awaitable[str]]
    ) -> tuple[Hit, bool]:
        """What came of a step: from the cache, or by `work`, which returns the new layer; and whether it was cached."""
        if self.uses_cache(stage_name):
            hit = await self.in_thread(partial(self.find, key))
            if hit is not None:
                return hit, True

        async def make() -> Hit:
            diff_id = await work()
            return await self.in_thread(partial(self.note, key, diff_id, description))

        if not self.uses_cache(stage_name):
            hit = await make()
        else:
            hit = await self.services.flights.once(key, make)
        if not self.lease.keep_layer(hit.diff_id):
            raise InvalidRequest("a layer was removed while the build used it: build again")
        self.used_keys.append(key)
        return hit, False

    def find(self, key: str) -> Hit | None:
        """What came of a step before, its layer kept by this build's lease."""
        hit = self.services.cache.find(key)
        if hit is None or not self.lease.keep_layer(hit.diff_id):
            return None
        self.used_keys.append(key)
        self.record.cached += 1
        return hit

    def note(self, key: str, diff_id: str, description: str) -> Hit:
        """Put a finished step into the cache."""
        size = self.services.layers.files_bytes(diff_id)
        return self.services.cache.add(key, diff_id, size=size, description=description)


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where in a build a step is: its stage, and what its instruction is."""

    stage: int
    stage_name: str
    instruction: Instruction
    step: str
    description: str
