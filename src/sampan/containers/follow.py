"""How is a log read that is still being written and rotated?

`Tail` remembers a file and a place in it, and returns what came since; when the file has been rotated it is read to its
end, and then those that are newer. `changes` wakes its reader through inotify(7), or when the container has ended.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sampan.linux import inotify
from sampan.linux.inotify import Mask
from sampan.runtime.log import forwards, open_files
from sampan.runtime.log_format import OVERHEAD, Entry

WATCHED = Mask.MODIFY | Mask.CREATE | Mask.MOVED_TO


class Tail:
    """A place in the log of one directory; `from_end` starts behind what is there now."""

    def __init__(self, directory: str, *, from_end: bool = False) -> None:
        self._directory = directory
        self._fd = -1
        self._offset = 0
        if from_end:
            files = open_files(directory, compressed=False)
            for fd in files[:-1]:
                os.close(fd)
            if files:
                self._fd = files[-1]
                # Frames, not bytes: the shim may be in the middle of one.
                self._offset = sum(OVERHEAD + len(entry.payload) for entry in forwards(self._fd))

    def read(self) -> Iterator[Entry]:
        """The whole frames that came since the last look; to be read to the end before the next."""
        yield from self._rest()
        for fd in self._newer():
            yield from self._rest()  # what the shim wrote to the file before it turned to the next
            self._turn_to(fd)
            yield from self._rest()

    def close(self) -> None:
        """Let go of the file."""
        self._turn_to(-1)

    def _rest(self) -> Iterator[Entry]:
        if self._fd >= 0:
            for entry in forwards(self._fd, self._offset):
                self._offset += OVERHEAD + len(entry.payload)
                yield entry

    def _newer(self) -> list[int]:
        """Descriptors of the files that began after the one being read; all of them if that has been rotated away."""
        files = open_files(self._directory, compressed=False)
        own = os.fstat(self._fd).st_ino if self._fd >= 0 else -1
        inodes = [os.fstat(fd).st_ino for fd in files]
        begin = inodes.index(own) + 1 if own in inodes else 0
        for fd in files[:begin]:
            os.close(fd)
        return files[begin:]

    def _turn_to(self, fd: int) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._offset = fd, 0


def without(seen: Sequence[Entry], entries: Iterable[Entry]) -> Iterator[Entry]:
    """`entries` without those at their beginning that are at the end of `seen`.

    The two were read from one log, `entries` from an earlier place on: what both have comes first in one and last in
    the other. The only entry of `seen` may have been cut at its front.
    """
    if not seen:
        yield from entries
        return
    last, skipped = seen[-1], []
    rest = iter(entries)
    for entry in rest:
        skipped.append(entry)
        if (entry.stream, entry.time_ns) == last[:2] and entry.payload.endswith(last.payload):
            yield from rest
            return
    yield from skipped


async def changes(
    directory: str, ended: "asyncio.Future[Any]", until_seconds: float | None
) -> AsyncGenerator[None, None]:
    """Yields at once and then whenever the directory changed; once more and for the last time when `ended` is done.

    Ends after `until_seconds` if that comes first.
    """
    loop = asyncio.get_running_loop()
    deadline = None if until_seconds is None else loop.time() + until_seconds
    changed = asyncio.Event()
    with _watch(directory, changed):
        while True:
            is_last = ended.done()
            yield
            if is_last:
                return
            waiting = asyncio.ensure_future(changed.wait())
            left = None if deadline is None else max(0.0, deadline - loop.time())
            try:
                done, _ = await asyncio.wait((waiting, ended), timeout=left, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
            changed.clear()
            if not done:
                return


@contextmanager
def _watch(directory: str, changed: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    fd = inotify.inotify_init()
    try:
        inotify.add_watch(fd, directory, WATCHED)

        def drain() -> None:
            os.read(fd, 1 << 16)
            changed.set()

        loop.add_reader(fd, drain)
        try:
            yield
        finally:
            loop.remove_reader(fd)
    finally:
        os.close(fd)
