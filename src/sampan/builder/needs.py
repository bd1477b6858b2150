"""What does a build ask of the rest of the engine?

The real ones are `images`, `layers`, `snapshots` and, for the containers of RUN steps, `containers.step`; a build never
starts one by itself, so that a step has the walls that `run` has.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from sampan.oci.mount import Mount
from sampan.oci.platform import Platform
from sampan.registry.credentials import Credentials
from sampan.wire.containers import ContainerConfig, HostConfig

Output = Callable[[int, bytes], Awaitable[None]]
"""Hears what a step says: 1 for standard output, 2 for standard error, and the bytes."""


class Layers(Protocol):
    """The layers of this host."""

    def ingest(self, stream: Any, expected_diff_id: str | None = None, *, durable: bool = True) -> Any: ...
    def settle(self, diff_ids: Iterable[str]) -> None: ...
    def has(self, diff_id: str) -> bool: ...
    def tar(self, diff_id: str) -> Path: ...
    def index(self, diff_id: str) -> Path: ...
    def files_bytes(self, diff_id: str) -> int: ...
    def mount_of(self, diff_id: str) -> tuple[Mount | None, str]: ...
    def remove(self, diff_id: str) -> None: ...


class Snapshots(Protocol):
    """Writable trees."""

    def upper(self, key: str) -> Path: ...
    def remove(self, key: str) -> None: ...


class Steps(Protocol):
    """Runs the container of one RUN step."""

    async def run(
        self,
        step_id: str,
        *,
        config: ContainerConfig,
        host: HostConfig,
        diff_ids: Sequence[str],
        mounts: Sequence[Mapping[str, Any]],
        shared: Sequence[Mount],
        output: Output,
    ) -> int:
        """Run to its end; the exit code. The writable tree is `step_id`'s, and stays. Raises StartFailed."""
        ...

    async def discard(self, step_id: str) -> None:
        """Remove whatever is left of a step; also one that still runs."""
        ...


Say = Callable[[Mapping[str, Any]], None]


class Pull(Protocol):
    """Brings an image from its registry (`images.distribution.Distribution.pull`)."""

    async def __call__(
        self, name: str, tag: str, credentials: Credentials, emit: Say, *, platform: Platform | None = None
    ) -> None: ...
