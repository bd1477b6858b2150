"""Where are the directories of `RUN --mount=type=cache`, and who may write into them at the same time?

Each id has directories of its own below the data root, named by digests: an id is a client's text and never a path
(security catalogue E06). `shared` has one that everybody uses, `locked` lets one step at a time, `private` gives each
step
one that nobody else uses at the moment.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sampan.linux.remove_tree import remove_tree

PRIVATE_MAX = 64
OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class MountCaches:
    """The cache directories below one root."""

    def __init__(self, root: Path) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._root = root
        self._locks: dict[str, asyncio.Lock] = {}
        self._busy: dict[str, int] = {}

    @asynccontextmanager
    async def use(self, cache_id: str, sharing: str, *, mode: int, uid: int, gid: int) -> AsyncIterator[Path]:
        """The directory for one step, while the block runs."""
        name = hashlib.sha256(cache_id.encode(errors="surrogateescape")).hexdigest()
        if sharing == "locked":
            async with self._locks.setdefault(name, asyncio.Lock()):
                with self._in_use(name):
                    yield self._make(name, mode, uid, gid)
            return
        if sharing == "private":
            free = (f"{name}-{number}" for number in range(PRIVATE_MAX))
            name = next((each for each in free if not self._busy.get(each)), f"{name}-0")
        with self._in_use(name):
            yield self._make(name, mode, uid, gid)

    def _in_use(self, name: str) -> "_Use":
        return _Use(self._busy, name)

    def _make(self, name: str, mode: int, uid: int, gid: int) -> Path:
        path = self._root / name
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            return path
        descriptor = os.open(path, OPEN_DIRECTORY)
        try:
            os.fchown(descriptor, uid, gid)
            os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)
        return path

    def sizes(self) -> dict[str, int]:
        """Bytes in each directory, by name."""
        return {entry.name: _bytes_below(entry.path) for entry in os.scandir(self._root)}

    def prune(self) -> tuple[list[str], int]:
        """Remove those that no step uses; their names, and the bytes they took."""
        removed, freed = [], 0
        root = os.open(self._root, OPEN_DIRECTORY)
        try:
            for name, size in self.sizes().items():
                if not self._busy.get(name):
                    remove_tree(name, dir_fd=root)
                    removed.append(name)
                    freed += size
        finally:
            os.close(root)
        return removed, freed


class _Use:
    def __init__(self, busy: dict[str, int], name: str) -> None:
        self._busy = busy
        self._name = name

    def __enter__(self) -> None:
        self._busy[self._name] = self._busy.get(self._name, 0) + 1

    def __exit__(self, *error: object) -> None:
        self._busy[self._name] -= 1


def _bytes_below(path: str) -> int:
    total = 0
    for directory, _, names, descriptor in os.fwalk(path, follow_symlinks=False):
        del directory
        for name in names:
            try:
                total += os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_size
            except OSError:
                pass  # gone meanwhile: a step may be writing here
    return total
