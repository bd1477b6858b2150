"""Where are the directories of `RUN --mount=type=cache`, and who may write into them at the same time?

Each id has directories of its own below the data root, named by digests: an id is a client's text and never a path
(security catalogue E06). `shared` has one that everybody uses, `locked` lets one step at a time, `private` gives each
step
one that nobody else uses at the moment.
"""

import asyncio
import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from sampan.errors import Conflict, NotFound
from sampan.layers.stream import Source
from sampan.linux.remove_tree import remove_tree
from sampan.unpacking.process import extract_confined

PRIVATE_MAX = 64
NEW, OLD = ".new-", ".old-"
OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class MountCaches:
    """The cache directories below one root."""

    def __init__(self, root: Path) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._root = root
        self._settle()
        self._locks: dict[str, asyncio.Lock] = {}
        self._busy: dict[str, int] = {}

    @asynccontextmanager
    async def use(self, cache_id: str, sharing: str, *, mode: int, uid: int, gid: int) -> AsyncIterator[Path]:
        """The directory for one step, while the block runs."""
        name = name_of(cache_id)
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

    @asynccontextmanager
    async def reading(self, cache_id: str) -> AsyncIterator[int]:
        """The directory that steps share, open, and kept while the block runs. Raises NotFound."""
        name = name_of(cache_id)
        with self._in_use(name):
            try:
                directory = os.open(self._root / name, OPEN_DIRECTORY)
            except FileNotFoundError:
                raise NotFound("No such cache: no step of a build has used one of that id") from None
            try:
                yield directory
            finally:
                os.close(directory)

    async def replace(self, cache_id: str, source: Source) -> None:
        """Make the members of a tar the content of a cache; all of them or none.

        Raises Conflict while a step uses the cache, BadLayer for what is no tar. A daemon that dies meanwhile leaves
        what was there, or the new content.
        """
        name, new = name_of(cache_id), NEW + secrets.token_hex(8)
        root = os.open(self._root, OPEN_DIRECTORY)
        try:
            await _finished(partial(_extract, root, new, source))
            # Without a pause from here: a step that asks for the directory gets the one or the other.
            if self._busy.get(name):
                raise Conflict("the cache is in use by a step of a build: try again when it has ended")
            with suppress(FileNotFoundError):
                os.rename(name, OLD + name, src_dir_fd=root, dst_dir_fd=root)
            try:
                os.rename(new, name, src_dir_fd=root, dst_dir_fd=root)
            except OSError:
                with suppress(FileNotFoundError):
                    os.rename(OLD + name, name, src_dir_fd=root, dst_dir_fd=root)
                raise
        finally:
            await _finished(partial(_remove, root, (new, OLD + name)))
            os.close(root)

    def _settle(self) -> None:
        """What a daemon that died while it replaced a cache left behind: the cache comes back, the rest goes."""
        root = os.open(self._root, OPEN_DIRECTORY)
        try:
            for name in os.listdir(root):
                kept = name.removeprefix(OLD)
                if kept != name and not os.path.lexists(self._root / kept):
                    os.rename(name, kept, src_dir_fd=root, dst_dir_fd=root)
                elif name.startswith((NEW, OLD)):
                    remove_tree(name, dir_fd=root)
        finally:
            os.close(root)

    def sizes(self) -> dict[str, int]:
        """Bytes in each directory, by name."""
        return {entry.name: _bytes_below(entry.path) for entry in os.scandir(self._root) if entry.name[0] != "."}

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


def cache_id_of(namespace: str, name: str) -> str:
    """The id of a cache: what its mount calls it (else its target), in the namespace of the build's argument."""
    return f"{namespace}/{name}"


def name_of(cache_id: str) -> str:
    """The directory of a cache: an id is a client's text, a digest is a name."""
    return hashlib.sha256(cache_id.encode(errors="surrogateescape")).hexdigest()


async def _finished(work: Callable[[], None]) -> None:
    """Work in a thread; who is cancelled still waits for it, for it uses what the caller closes."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise


def _extract(root: int, name: str, source: Source) -> None:
    os.mkdir(name, 0o755, dir_fd=root)
    directory = os.open(name, OPEN_DIRECTORY, dir_fd=root)
    try:
        extract_confined(source, directory, "/")
    finally:
        os.close(directory)


def _remove(root: int, names: Iterable[str]) -> None:
    for name in names:
        with suppress(FileNotFoundError):
            remove_tree(name, dir_fd=root)


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
