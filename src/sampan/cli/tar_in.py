"""How does a tar that came from a container become files of this machine?

A container's files are nobody's to trust: names cannot climb, and no link is followed below the directory that they are
put into, be it one that the archive itself has just made. Devices are made only when all owners are to be kept.
"""

from __future__ import annotations

import os
import stat
import tarfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PIECE = 1 << 20
OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Pieces:
    """What arrives in pieces, as a file to read from."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""
        self.taken = 0

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, fewer at the end."""
        parts, length = [self._rest], len(self._rest)
        while length < size:
            piece = next(self._pieces, b"")
            if not piece:
                break
            parts.append(piece)
            length += len(piece)
        joined = b"".join(parts)
        self._rest = joined[size:]
        self.taken += min(size, length)
        return joined[:size]


def unpack(
    pieces: Pieces, directory: str, rename: Callable[[str], str], *, owners: bool, say: Callable[[str], None]
) -> None:
    """Put the members into `directory`, each under the name that `rename` gives it. Raises OSError, ValueError."""
    top = os.open(directory, OPEN_DIRECTORY & ~os.O_NOFOLLOW)
    times: list[tuple[list[str], float]] = []
    try:
        with tarfile.open(fileobj=pieces, mode="r|", errorlevel=2, bufsize=PIECE) as tar:  # type: ignore[call-overload]
            for info in tar:
                parts = components(rename(info.name))
                if not parts:
                    continue
                parent = parent_of(top, parts)
                try:
                    place(tar, info, parent, top, parts, rename, owners=owners, say=say)
                finally:
                    os.close(parent)
                if info.isdir():
                    times.append((parts, info.mtime))
        for parts, mtime in reversed(times):
            set_time(top, parts, mtime)
    finally:
        os.close(top)


def components(name: str) -> list[str]:
    """The parts of a member's name. ValueError for one that climbs."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ValueError(f"the archive names {name!r}, which is outside of it")
    return parts


def parent_of(top: int, parts: list[str]) -> int:
    """The directory that a member belongs into, made if it is missing; no link is followed."""
    here = os.dup(top)
    for part in parts[:-1]:
        try:
            below = os.open(part, OPEN_DIRECTORY, dir_fd=here)
        except FileNotFoundError:
            os.mkdir(part, dir_fd=here)
            below = os.open(part, OPEN_DIRECTORY, dir_fd=here)
        finally:
            os.close(here)
        here = below
    return here


def place(
    tar: tarfile.TarFile,
    info: tarfile.TarInfo,
    parent: int,
    top: int,
    parts: list[str],
    rename: Callable[[str], str],
    *,
    owners: bool,
    say: Callable[[str], None],
) -> None:
    """Make one member; a directory and something else do not replace each other."""
    name, path = parts[-1], "/".join(parts)
    make_room(parent, name, path, info.isdir())
    if info.isdir():
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:
            pass
        fd = os.open(name, OPEN_DIRECTORY, dir_fd=parent)
    elif info.isreg():
        fd = os.open(name, CREATE, 0o600, dir_fd=parent)
    else:
        return place_special(info, parent, name, path, top, rename, owners=owners, say=say)
    try:
        if info.isreg():
            copy(tar, info, fd)
        if owners:
            os.fchown(fd, info.uid, info.gid)
        os.fchmod(fd, info.mode & 0o7777)
        os.utime(fd, (info.mtime, info.mtime))
    finally:
        os.close(fd)
    return None


def make_room(parent: int, name: str, path: str, becomes_directory: bool) -> None:
    """Remove what is in the way. ValueError where a directory would be lost, or a file become one."""
    try:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return
    if stat.S_ISDIR(status.st_mode) != becomes_directory:
        there, new = ("non-directory", "directory") if becomes_directory else ("directory", "non-directory")
        raise ValueError(f'cannot overwrite {there} "{path}" with {new}')
    if not becomes_directory:
        os.unlink(name, dir_fd=parent)


def place_special(
    info: tarfile.TarInfo,
    parent: int,
    name: str,
    path: str,
    top: int,
    rename: Callable[[str], str],
    *,
    owners: bool,
    say: Callable[[str], None],
) -> None:
    """Make a link, a pipe or a device."""
    if info.issym():
        os.symlink(info.linkname, name, dir_fd=parent)
    elif info.islnk():
        target = components(rename(info.linkname))
        source = parent_of(top, target)
        try:
            os.link(target[-1], name, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)
        finally:
            os.close(source)
        return
    elif info.isfifo():
        os.mkfifo(name, info.mode & 0o777, dir_fd=parent)
    elif owners:
        kind = stat.S_IFCHR if info.ischr() else stat.S_IFBLK
        os.mknod(name, kind | info.mode & 0o777, os.makedev(info.devmajor, info.devminor), dir_fd=parent)
    else:
        say(f"{path}: a device, left out (copied with --archive)")
        return
    if owners:
        os.chown(name, info.uid, info.gid, dir_fd=parent, follow_symlinks=False)


def copy(tar: tarfile.TarFile, info: tarfile.TarInfo, fd: int) -> None:
    """A file's data."""
    source = tar.extractfile(info)
    while source and (piece := source.read(PIECE)):
        view = memoryview(piece)
        while view:
            view = view[os.write(fd, view) :]


def set_time(top: int, parts: list[str], mtime: float) -> None:
    """A directory's time, which filling it has changed."""
    parent = parent_of(top, parts)
    try:
        fd = os.open(parts[-1], OPEN_DIRECTORY, dir_fd=parent)
    except OSError:
        return
    finally:
        os.close(parent)
    try:
        os.utime(fd, (mtime, mtime))
    finally:
        os.close(fd)
