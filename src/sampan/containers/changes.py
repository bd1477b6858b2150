"""What did a container change in its filesystem? (`docker diff`)

Its writable tree says what is new, changed or deleted; the image, whether a path was there before. What the engine made
there by itself, places for its own mounts, is no change of the container's.
"""

import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from sampan.containers.engine import Engine
from sampan.containers.lifecycle import Status
from sampan.errors import InvalidRequest
from sampan.layers import mount_points
from sampan.linux.openat2 import Resolve, openat2
from sampan.threads import finished

MODIFIED, ADDED, DELETED = 0, 1, 2
BENEATH = Resolve.BENEATH | Resolve.NO_SYMLINKS | Resolve.NO_MAGICLINKS | Resolve.NO_XDEV
OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
OPAQUE = "trusted.overlay.opaque"
CHANGES_MAX = 1 << 20


async def changes(engine: Engine, reference: str) -> list[dict[str, Any]] | None:
    """Docker's list of changes, sorted by path; None when there are none. Raises NotFound, InvalidRequest."""
    container_id = engine.rows.find(reference).id
    lock = engine.lock(container_id)
    async with lock:
        container = engine.current(container_id, reference)
        if container.state.status is Status.CREATED and not engine.snapshots.exists(container_id):
            return None
        upper = engine.snapshots.upper(container_id)
        if not container.diff_ids:
            return await finished(partial(_listed, upper, -1))
        async with engine.runtime.visit(engine.snapshots.view(container.diff_ids)) as image:
            return await finished(partial(_listed, upper, image))


def _listed(upper: Path, image: int) -> list[dict[str, Any]] | None:
    top = os.open(upper, OPEN_DIRECTORY)
    try:
        found: dict[bytes, int] = {}
        for path, kind in _Walk(top, image).changes():
            found[path] = kind
            if len(found) > CHANGES_MAX:
                raise InvalidRequest(f"the container has changed more than {CHANGES_MAX} paths")
    finally:
        os.close(top)
    for path in list(found):
        while path := path.rpartition(b"/")[0]:
            found.setdefault(path, MODIFIED)  # what is above a change has changed
    return [{"Path": os.fsdecode(b"/" + path), "Kind": found[path]} for path in sorted(found)] or None


class _Walk:
    """One walk through a writable tree, beside the image's (-1 if there is none)."""

    def __init__(self, top: int, image: int) -> None:
        self._top = top
        self._image = image

    def changes(self) -> Iterator[tuple[bytes, int]]:
        """(path, kind) of each change, in no order; a directory only for its own sake."""
        own = mount_points.untouched(lambda path: self._open(self._top, path))
        pending = [(b"", True)]
        while pending:
            path, was_there = pending.pop()
            for name, status in self._entries(path):
                below = path + b"/" + name if path else name
                if below in own:
                    continue
                before = self._before(below) if was_there else None
                if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
                    if before:
                        yield below, DELETED
                    continue
                if before is None or _differs(before, status):
                    yield below, ADDED if before is None else MODIFIED
                if stat.S_ISDIR(status.st_mode):
                    is_both = before is not None and stat.S_ISDIR(before.st_mode)
                    pending.append((below, is_both))
                    if is_both and self._is_opaque(below):
                        yield from self._hidden(below)

    def _entries(self, path: bytes) -> list[tuple[bytes, os.stat_result]]:
        try:
            directory = self._open(self._top, path)
        except OSError:
            return []  # gone meanwhile
        try:
            found = []
            for name in os.listdir(directory):
                try:
                    found.append((os.fsencode(name), os.stat(name, dir_fd=directory, follow_symlinks=False)))
                except FileNotFoundError:
                    continue
            return found
        finally:
            os.close(directory)

    def _before(self, path: bytes) -> os.stat_result | None:
        """What the image has at that path."""
        if self._image < 0:
            return None
        head, _, name = path.rpartition(b"/")
        try:
            directory = self._open(self._image, head)
        except OSError:
            return None
        try:
            return os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            return None
        finally:
            os.close(directory)

    def _is_opaque(self, path: bytes) -> bool:
        directory = self._open(self._top, path)
        try:
            return OPAQUE in os.listxattr(directory)
        finally:
            os.close(directory)

    def _hidden(self, path: bytes) -> Iterator[tuple[bytes, int]]:
        """What the image had in a directory that was removed and made again, and is no more."""
        there = {name for name, status in self._entries(path) if not stat.S_ISCHR(status.st_mode) or status.st_rdev}
        directory = self._open(self._image, path)
        try:
            names = [os.fsencode(name) for name in os.listdir(directory)]
        finally:
            os.close(directory)
        for name in names:
            if name not in there:
                yield path + b"/" + name, DELETED

    def _open(self, top: int, path: bytes) -> int:
        return openat2(top, os.fsdecode(path) or ".", OPEN_DIRECTORY, 0, BENEATH)


def _differs(before: os.stat_result, now: os.stat_result) -> bool:
    """Whether a user would see a difference: of a directory in mode and owner, of a file in size and time, too."""
    if (before.st_mode, before.st_uid, before.st_gid) != (now.st_mode, now.st_uid, now.st_gid):
        return True
    if stat.S_ISDIR(now.st_mode):
        return False
    mine = (now.st_size, now.st_rdev, now.st_mtime_ns)
    return (before.st_size, before.st_rdev, before.st_mtime_ns) != mine
