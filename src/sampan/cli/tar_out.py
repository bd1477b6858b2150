"""How do files of this machine become a tar to send? Streamed: headers and data in pieces, nothing is kept."""

from __future__ import annotations

import os
import stat
import tarfile

from sampan.client.tar_pieces import END, data_of, header, padding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = {
    stat.S_IFREG: tarfile.REGTYPE,
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
    stat.S_IFBLK: tarfile.BLKTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
}


def pack(path: str, name: str) -> Iterator[bytes]:
    """A tar of what is at `path`, called `name` in it, and of all below it. Links are not followed."""
    first_names: dict[tuple[int, int], str] = {}
    pending = [(path, name)]
    while pending:
        path, name = pending.pop()
        yield from member(path, name, first_names)
        if os.path.isdir(path) and not os.path.islink(path):
            pending += [(f"{path}/{entry}", f"{name}/{entry}") for entry in sorted(os.listdir(path), reverse=True)]
    yield END


def member(path: str, name: str, first_names: dict[tuple[int, int], str]) -> Iterator[bytes]:
    """The header and data of one thing; sockets are left out."""
    status = os.lstat(path)
    kind = KINDS.get(stat.S_IFMT(status.st_mode))
    if kind is None:
        return
    info = tarfile.TarInfo(name)
    info.type = kind
    info.mode, info.uid, info.gid = stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid
    info.mtime = int(status.st_mtime)
    if kind == tarfile.SYMTYPE:
        info.linkname = os.readlink(path)
    if kind in (tarfile.CHRTYPE, tarfile.BLKTYPE):
        info.devmajor, info.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
    if kind != tarfile.REGTYPE:
        yield header(info)
        return
    first = first_names.setdefault((status.st_dev, status.st_ino), name) if status.st_nlink > 1 else name
    if first != name:
        info.type, info.linkname = tarfile.LNKTYPE, first
        yield header(info)
        return
    yield from contents(path, info)


def contents(path: str, info: tarfile.TarInfo) -> Iterator[bytes]:
    """A file with its header; one that shrinks meanwhile is filled up with zeros."""
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as file:
        info.size = os.fstat(file.fileno()).st_size
        yield header(info)
        yield from data_of(file, info.size)
        yield padding(info.size)
