"""How many bytes does a tree hold?

Counted like `docker ps --size` counts a container's own files: the sizes of all files, one with several names once,
directories not at all. The tree may change meanwhile and may have been filled by an adversary: directories are opened
below the top without following a link, and what is gone, or deeper than a path can say, is passed over.
"""

import os

from sampan.linux.openat2 import Resolve, openat2

BENEATH = Resolve.BENEATH | Resolve.NO_SYMLINKS | Resolve.NO_MAGICLINKS | Resolve.NO_XDEV
OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def tree_size(path: str | os.PathLike[str]) -> int:
    """Bytes in the files of the directory `path`."""
    top = os.open(path, OPEN_DIRECTORY)
    try:
        total = 0
        counted: set[int] = set()
        pending = ["."]
        while pending:
            total += _directory_size(top, pending.pop(), pending, counted)
        return total
    finally:
        os.close(top)


def _directory_size(top: int, path: str, pending: list[str], counted: set[int]) -> int:
    try:
        directory = openat2(top, path, OPEN_DIRECTORY, 0, BENEATH)
    except OSError:
        return 0
    total = 0
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(f"{path}/{entry.name}")
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if status.st_nlink > 1 and status.st_ino in counted:
                    continue
                if status.st_nlink > 1:
                    counted.add(status.st_ino)
                total += status.st_size
    finally:
        os.close(directory)
    return total
