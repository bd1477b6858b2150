"""What does an index say, read without the kernel?

The way back from `erofs`' bytes to values: for unpacking where EROFS cannot be mounted, and for a layer's own facts.
Only files that `index` wrote are read; the reader is no defence against others.
"""

import mmap
import stat
from collections.abc import Iterator
from typing import NamedTuple

from sampan.layers import erofs
from sampan.layers.tar import Kind

ROOT_NID = erofs.ROOT_OFFSET >> erofs.SLOT_BITS
IMPLIED_ROOT_NUMBER = 1  # the first inode of an index is the root that stands until a member names it
PREFIXES = {index: prefix for prefix, index in erofs.XATTR_PREFIXES}


class Inode(NamedTuple):
    """One inode of an index."""

    number: int
    layout: int
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    size: int
    links: int
    place: int
    xattrs: dict[bytes, bytes]
    tail: int  # offset in the index of what follows the attributes

    @property
    def is_directory(self) -> bool:
        """Whether it has children."""
        return stat.S_ISDIR(self.mode)

    @property
    def device(self) -> tuple[int, int]:
        """Major and minor number of a device."""
        return erofs.decode_device(self.place)


class IndexReader:
    """The inodes of an index, read one by one. The index is mapped: a pread(2) for each would take far longer."""

    def __init__(self, descriptor: int) -> None:
        self._index = mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)

    def inode(self, nid: int = ROOT_NID) -> Inode:
        """The inode of that nid; by default the root."""
        offset = nid << erofs.SLOT_BITS
        fields = erofs.INODE.unpack_from(self._index, offset)
        layout, count, mode, _, size, place, number, uid, gid, seconds, nanos, links = fields
        end = erofs.INODE.size + erofs.xattrs_size(count)
        xattrs = _xattrs(self._index[offset + erofs.INODE.size : offset + end]) if count else {}
        mtime_ns = seconds * 10**9 + nanos
        return Inode(number, layout >> 1, mode, uid, gid, mtime_ns, size, links, place, xattrs, offset + end)

    def children(self, directory: Inode) -> Iterator[tuple[bytes, int, int]]:
        """(name, nid, FT_* type) of a directory's entries, without the dots, in bytewise order."""
        begin = directory.place << erofs.BLOCK_BITS
        for offset in range(begin, begin + directory.size, erofs.BLOCK):
            yield from _entries(self._index[offset : offset + erofs.BLOCK])

    def link_target(self, symlink: Inode) -> bytes:
        """Where a symlink points."""
        if symlink.layout == erofs.Layout.INLINE:
            offset = symlink.tail
        else:
            offset = symlink.place << erofs.BLOCK_BITS
        return self._index[offset : offset + symlink.size]

    def data_offset(self, file: Inode) -> int:
        """Where in the tar a file's data begins; it lies there in one piece."""
        offset = file.tail + -file.tail % erofs.CHUNK_INDEX.size
        _, _, block = erofs.CHUNK_INDEX.unpack_from(self._index, offset)
        return int(block) << erofs.BLOCK_BITS


def files_bytes(descriptor: int) -> int:
    """The bytes of all files of an index: a file with several names once, a symlink as long as its target.

    What `docker images` calls size. The index is mapped: a pread(2) for every inode would take ten times as long.
    """
    linked: set[int] = set()  # inodes with several names that were counted
    pending = [ROOT_NID]
    total = 0
    with mmap.mmap(descriptor, 0, prot=mmap.PROT_READ) as index:
        while pending:
            _, _, _, _, size, place, *_ = erofs.INODE.unpack_from(index, pending.pop() << erofs.SLOT_BITS)
            begin = place << erofs.BLOCK_BITS
            for offset in range(begin, begin + size, erofs.BLOCK):
                for _, nid, kind in _entries(index[offset : offset + erofs.BLOCK]):
                    if kind == Kind.DIRECTORY:
                        pending.append(nid)
                        continue
                    inode = erofs.INODE.unpack_from(index, nid << erofs.SLOT_BITS)
                    if inode[-1] > 1:
                        if nid in linked:
                            continue
                        linked.add(nid)
                    total += inode[4]
    return total


def _entries(block: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The entries in one block of a directory, without the dots."""
    dirents = list(erofs.DIRENT.iter_unpack(block[: erofs.DIRENT.unpack_from(block)[1]]))
    ends = [name_at for _, name_at, _ in dirents[1:]] + [erofs.BLOCK]
    for (nid, name_at, kind), end in zip(dirents, ends, strict=True):
        name = block[name_at:end].rstrip(b"\0")
        if name not in (b".", b".."):
            yield name, nid, kind


def _xattrs(body: bytes) -> dict[bytes, bytes]:
    found = {}
    position = len(erofs.XATTR_HEADER)
    while position < len(body):
        name_length, index, value_length = erofs.XATTR_ENTRY.unpack_from(body, position)
        name_at = position + erofs.XATTR_ENTRY.size
        value_at = name_at + name_length
        end = value_at + value_length
        found[PREFIXES[index] + body[name_at:value_at]] = body[value_at:end]
        position = end + -(end - name_at) % 4
    return found
