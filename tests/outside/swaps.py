"""How does a test change paths all the time, as an adversary would, and see who looks at them?"""

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sampan.linux.inotify import Event, add_watch, inotify_init, parse

LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, RENAME_EXCHANGE = -100, 2


@contextmanager
def swapping(first: Path, second: Path) -> Iterator[None]:
    """While the block runs, `first` and `second` exchange what they are, thousands of times a second."""
    ended = threading.Event()

    def swap() -> None:
        names = os.fsencode(first), os.fsencode(second)
        while not ended.is_set():
            LIBC.renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class Watch:
    """What happens to some paths, as the kernel tells (inotify(7))."""

    def __init__(self) -> None:
        self._fd = inotify_init()

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *about: object) -> None:
        os.close(self._fd)

    def add(self, path: Path, mask: int) -> None:
        """Watch one more."""
        add_watch(self._fd, str(path), mask)

    def seen(self) -> list[Event]:
        """What has happened so far."""
        try:
            return parse(os.read(self._fd, 1 << 16))
        except BlockingIOError:
            return []
