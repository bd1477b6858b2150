"""How does a tree become a tar as it stands?

For copying out of containers, exporting them, and for backups of volumes: unlike `pack`, which writes a layer, nothing
here means a deletion, and what is mounted in the tree belongs to it. The kernel's own filesystems (procfs, sysfs, …)
come as empty directories: their files are no data, and reading some of them does things. Sockets are left out.

The tree may be in use by somebody hostile: its top is a descriptor, and nothing below is opened through a link.
"""

import os
import stat
from collections.abc import Generator, Iterator

from sampan.layers.encode import END_OF_ARCHIVE
from sampan.layers.pack import KINDS, OPEN_DIRECTORY, Packer, encode_seconds, member_of, xattrs_of
from sampan.layers.tar import Kind, Member
from sampan.linux.openat2 import Resolve, openat2
from sampan.linux.statfs import fstatfs_type, is_kernels_own

BENEATH = Resolve.BENEATH | Resolve.NO_SYMLINKS | Resolve.NO_MAGICLINKS


def pack_tree(top: int, prefix: bytes = b"", *, with_top: bool = True) -> Iterator[bytes]:
    """The bytes of a tar of the directory `top` (a descriptor), its members' names behind `prefix`."""
    packer = _TreePacker(top, prefix)
    try:
        if with_top:
            yield packer.top()
        if not is_kernels_own(fstatfs_type(top)):
            yield from packer.members()
        yield END_OF_ARCHIVE
    finally:
        packer.close()


def pack_entry(directory: int, name: bytes, member_name: bytes) -> Iterator[bytes]:
    """The bytes of a tar of one thing in `directory` that is no directory, called `member_name` in it.

    A link is not followed. Raises FileNotFoundError before the first byte when it is gone.
    """
    status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    packer = _TreePacker(directory, b"")
    try:
        yield from packer.entry(name, member_name, status)
        yield END_OF_ARCHIVE
    finally:
        packer.close()


class _TreePacker(Packer):
    def __init__(self, top: int, prefix: bytes) -> None:
        super().__init__(top, seconds=True)
        self._prefix = prefix.rstrip(b"/") + b"/" if prefix else b""
        self._encode = self._encode_renamed

    def top(self) -> bytes:
        """The header of the top itself."""
        member = member_of(b"", os.fstat(self._top), xattrs_of(self._top))
        return encode_seconds(member._replace(path=self._prefix or b"./"))

    def entry(self, name: bytes, member_name: bytes, status: os.stat_result) -> Iterator[bytes]:
        """One member by itself."""
        if stat.S_ISDIR(status.st_mode) or stat.S_IFMT(status.st_mode) not in KINDS:
            return  # it was a file when it was looked at first
        yield from self._file(self._parent(b""), name, member_name, status)

    def open(self, path: bytes) -> int:
        """A directory below the top, no link followed on the way; mounts belong to the tree."""
        return openat2(self._top, os.fsdecode(path) or ".", OPEN_DIRECTORY, 0, BENEATH)

    def _encode_renamed(self, member: Member) -> bytes:
        link = self._prefix + member.link if member.kind is Kind.HARDLINK else member.link
        return encode_seconds(member._replace(path=self._prefix + member.path, link=link))

    def _check_names(self, names: list[bytes]) -> None:
        """Any name will do."""

    def _member(self, parent: bytes, name: bytes, path: bytes) -> Generator[bytes, None, bool]:
        """One member with its data; returns whether there is more below it."""
        try:
            directory = self._parent(parent)
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode):
                if stat.S_IFMT(status.st_mode) in KINDS:
                    yield from self._file(directory, name, path, status)
                return False
            opened = os.open(name, OPEN_DIRECTORY, dir_fd=directory)
        except (FileNotFoundError, NotADirectoryError):
            return False  # gone, or something else, since the directory was listed
        try:
            yield self._encode(member_of(path, os.fstat(opened), xattrs_of(opened)))
            return not is_kernels_own(fstatfs_type(opened))
        finally:
            os.close(opened)
