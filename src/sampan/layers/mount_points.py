"""Which entries of a container's writable tree did nobody make but the engine, to mount something on?

Docker makes them in a layer of its own that is never shown; here they are in the writable tree like everything else,
and are told by what they look like: empty, root's, 0755, under one of the names below. A directory on the way to them
that has nothing else in it is there for their sake, too. As soon as the container has changed one, it is the
container's like any other.
"""

import os
import stat
from collections.abc import Callable, Iterable

OWN = frozenset(
    (b"dev", b"dev/pts", b"dev/shm", b"proc", b"sys", b"etc/hostname", b"etc/hosts", b"etc/resolv.conf", b".dockerenv")
)
MODE = 0o755

OpenDirectory = Callable[[bytes], int]
"""Opens a directory of the tree by its path, without following links."""


def untouched(open_directory: OpenDirectory, more: Iterable[bytes] = ()) -> frozenset[bytes]:
    """The paths of those entries that are in the tree as the engine made them; `more` are the targets of other
    mounts.
    """
    points = OWN.union(more)
    known = points | {parent for path in points for parent in _parents(path)}
    found = {path for path in known if _is_plain(open_directory, path)}
    while True:
        used = {path for path in found if not _has_only(open_directory, path, found)}
        if not used:
            return frozenset(found)
        found -= used  # and so are the directories above them


def _parents(path: bytes) -> list[bytes]:
    parts = path.split(b"/")
    return [b"/".join(parts[:count]) for count in range(1, len(parts))]


def _is_plain(open_directory: OpenDirectory, path: bytes) -> bool:
    head, _, name = path.rpartition(b"/")
    try:
        directory = open_directory(head)
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        finally:
            os.close(directory)
    except OSError:
        return False  # not there, or below something that is no directory
    kind = stat.S_IFMT(status.st_mode)
    is_empty = kind == stat.S_IFDIR or (kind == stat.S_IFREG and not status.st_size)
    return is_empty and stat.S_IMODE(status.st_mode) == MODE and status.st_uid == status.st_gid == 0


def _has_only(open_directory: OpenDirectory, path: bytes, known: set[bytes]) -> bool:
    try:
        directory = open_directory(path)
    except NotADirectoryError:
        return True  # an empty file
    except OSError:
        return False
    try:
        is_opaque = "trusted.overlay.opaque" in os.listxattr(directory)
        return not is_opaque and all(path + b"/" + os.fsencode(name) in known for name in os.listdir(directory))
    finally:
        os.close(directory)
