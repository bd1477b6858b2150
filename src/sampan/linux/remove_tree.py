"""How is a tree removed that somebody else filled?

A container may nest directories deeper than any path or recursion reaches, and name things as it likes. So
subdirectories are first moved up, next to each other, and never descended into more than one step; all is done by
descriptor, no link is followed. The tree must be nobody's any more: what is put into it meanwhile may stay and makes
the call fail (ENOTEMPTY).
"""

import errno
import os

OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(name: "str | bytes", *, dir_fd: int) -> None:
    """Remove the file or directory `name` of the directory `dir_fd`, with all that is in it; it may be gone already."""
    try:
        top = os.open(name, OPEN_DIRECTORY, dir_fd=dir_fd)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        os.unlink(name, dir_fd=dir_fd)
        return
    try:
        moved = 0
        while True:
            found, moved = _sweep(top, moved)
            if not found:
                break
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=dir_fd)


def _sweep(top: int, moved: int) -> tuple[bool, int]:
    """Remove the files and the emptied directories of `top`; their subdirectories become its own."""
    found = False
    with os.scandir(top) as entries:
        for entry in entries:
            found = True
            if entry.is_dir(follow_symlinks=False):
                moved = _hoist(top, entry.name, moved)
                os.rmdir(entry.name, dir_fd=top)
            else:
                os.unlink(entry.name, dir_fd=top)
    return found, moved


def _hoist(top: int, name: str, moved: int) -> int:
    directory = os.open(name, OPEN_DIRECTORY, dir_fd=top)
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    moved = _move_up(directory, entry.name, top, moved)
                else:
                    os.unlink(entry.name, dir_fd=directory)
    finally:
        os.close(directory)
    return moved


def _move_up(directory: int, name: str, top: int, moved: int) -> int:
    while True:
        moved += 1
        try:
            os.rename(name, f"removed-{moved}", src_dir_fd=directory, dst_dir_fd=top)
            return moved
        except (FileExistsError, NotADirectoryError):
            continue  # the name is taken: by a directory that is not empty, or by a file
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise
