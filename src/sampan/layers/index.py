"""How does the index of a layer get into its file?

Inodes are written the moment their members are read and are not kept in memory; only their nids are. When the layer is
whole, `finish` adds what is known last: directories, link counts, the superblock. See `erofs` for the layout.
"""

import os
import stat
from collections.abc import Iterator, Mapping, Sequence

from sampan.layers import erofs
from sampan.layers.header import BadLayer
from sampan.layers.tar import Kind, Member
from sampan.layers.tree import NOWHERE, ROOT, Tree
from sampan.layers.whiteout import OPAQUE_VALUE, OPAQUE_XATTR

FLUSH_BYTES = 1 << 18
PAGE = 4096
NO_FAMILY: tuple[int, Sequence[int]] = (NOWHERE, ())

# Bits of Tree.states; the low four hold a Kind, or WHITEOUT.
KIND = 0x0F
WHITEOUT = 0x0F
OPAQUE = 0x10  # a directory that hides all of what is below
DELETED_BELOW = 0x20  # a whiteout of this name was seen
LINKED = 0x40  # another name has the same inode
CUT_OFF = 0x80  # a directory that shows nothing of the layers below, being opaque or inside of one that is

FORMATS = {
    Kind.FILE: stat.S_IFREG,
    Kind.DIRECTORY: stat.S_IFDIR,
    Kind.CHARACTER: stat.S_IFCHR,
    Kind.BLOCK: stat.S_IFBLK,
    Kind.FIFO: stat.S_IFIFO,
    Kind.SYMLINK: stat.S_IFLNK,
}


class Index:
    """An EROFS index being written to an empty file."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._buffer = bytearray()
        self._flushed = erofs.ROOT_OFFSET + erofs.ROOT_ROOM  # file offset at which the buffer begins
        self._inodes = 0

    def add(self, member: Member, xattrs: Mapping[bytes, bytes]) -> int:
        """Write the inode of a member; return its nid. Its names and links are the tree's business."""
        self._inodes += 1
        if member.kind is Kind.SYMLINK:
            return self._add_symlink(member)
        layout, place, chunks = erofs.Layout.PLAIN, 0, b""
        if member.kind is Kind.FILE and member.size:
            if member.offset + member.size > erofs.TAR_BYTES_MAX:
                raise BadLayer("the layer is larger than 2 TiB")
            layout, place = erofs.Layout.CHUNKS, erofs.CHUNK_FORMAT
            chunks = erofs.pack_chunks(member.size, member.offset)
        elif member.kind in (Kind.CHARACTER, Kind.BLOCK):
            place = erofs.encode_device(*member.device)
        inode = self._pack(member, layout, place, erofs.pack_xattrs(xattrs))
        if chunks:
            inode += bytes(-len(inode) % erofs.CHUNK_INDEX.size) + chunks
        return self._append(inode)

    def link_target(self, nid: int) -> bytes:
        """The target of a symlink written earlier."""
        offset = nid << erofs.SLOT_BITS
        layout, _, _, _, size, block, *_ = erofs.INODE.unpack(self._read(offset, erofs.INODE.size))
        if layout >> 1 == erofs.Layout.INLINE:
            return self._read(offset + erofs.INODE.size, size)
        return self._read(block << erofs.BLOCK_BITS, size)

    def finish(self, tree: Tree, *, tar_bytes: int, uuid: bytes) -> None:
        """Write directories, link counts and the superblock."""
        _drop_idle_whiteouts(tree)
        tree.settle()
        self._mark_opaque(tree)
        self._count_links(tree)
        self._place_root(tree)
        self._align(erofs.BLOCK)
        self._write_directories(tree)
        self._align(PAGE)
        self._flush()
        superblock = erofs.pack_superblock(
            root_nid=erofs.ROOT_OFFSET >> erofs.SLOT_BITS,
            inodes=self._inodes,
            blocks=self._flushed >> erofs.BLOCK_BITS,
            tar_blocks=tar_bytes >> erofs.BLOCK_BITS,
            uuid=uuid,
        )
        os.pwrite(self._descriptor, superblock, erofs.SUPERBLOCK_OFFSET)

    # -- inodes

    def _add_symlink(self, member: Member) -> int:
        length = len(member.link)
        if erofs.INODE.size + length > erofs.BLOCK:
            self._align(erofs.BLOCK)
            block = self._end() >> erofs.BLOCK_BITS
            self._buffer += member.link
            return self._append(self._pack(member, erofs.Layout.PLAIN, block, b"", length))
        # The kernel reads the inline tail from the inode's own block.
        if self._end() % erofs.BLOCK + erofs.INODE.size + length > erofs.BLOCK:
            self._align(erofs.BLOCK)
        return self._append(self._pack(member, erofs.Layout.INLINE, 0, b"", length) + member.link)

    def _pack(self, member: Member, layout: erofs.Layout, place: int, xattrs: bytes, size: int | None = None) -> bytes:
        return erofs.pack_inode(
            layout=layout,
            # A symbolic link's permissions are nobody's choice on Linux (symlink(7)), whatever the tar says.
            mode=stat.S_IFLNK | 0o777 if member.kind is Kind.SYMLINK else FORMATS[member.kind] | member.mode,
            uid=member.uid,
            gid=member.gid,
            mtime_ns=member.mtime_ns,
            size=member.size if size is None else size,
            place=place,
            number=self._inodes,
            xattrs=xattrs,
        )

    def _append(self, inode: bytes) -> int:
        self._align(1 << erofs.SLOT_BITS)
        offset = self._end()
        self._buffer += inode
        self._align(1 << erofs.SLOT_BITS)
        if len(self._buffer) > FLUSH_BYTES:
            self._flush()
        return offset >> erofs.SLOT_BITS

    # -- what is known last

    def _mark_opaque(self, tree: Tree) -> None:
        marked = erofs.pack_xattrs({OPAQUE_XATTR: OPAQUE_VALUE})
        for node, state in enumerate(tree.states):
            if state & (OPAQUE | DELETED_BELOW) and state & KIND == Kind.DIRECTORY and tree.parents[node] != NOWHERE:
                inode = self._read_inode(tree.inodes[node])
                attributes = inode[erofs.INODE.size :]
                attributes = attributes + marked[len(erofs.XATTR_HEADER) :] if attributes else marked
                count = erofs.xattr_count(attributes).to_bytes(2, "little")
                tree.inodes[node] = self._append(inode[:2] + count + inode[4 : erofs.INODE.size] + attributes)

    def _count_links(self, tree: Tree) -> None:
        for node in _linked(tree):
            self._write(_offset(tree, node) + erofs.NLINK_AT, bytes(4))
        for node in _linked(tree):
            place = _offset(tree, node) + erofs.NLINK_AT
            count = int.from_bytes(self._read(place, 4), "little") + 1
            self._write(place, count.to_bytes(4, "little"))

    def _place_root(self, tree: Tree) -> None:
        os.pwrite(self._descriptor, self._read_inode(tree.inodes[ROOT]), erofs.ROOT_OFFSET)
        tree.inodes[ROOT] = erofs.ROOT_OFFSET >> erofs.SLOT_BITS

    def _write_directories(self, tree: Tree) -> None:
        families = tree.families()
        parent, children = next(families, NO_FAMILY)
        for node, state in enumerate(tree.states):
            if state & KIND != Kind.DIRECTORY or tree.parents[node] == NOWHERE:
                continue
            if parent == node:
                self._write_directory(tree, node, children)
                parent, children = next(families, NO_FAMILY)
            else:
                self._write_directory(tree, node, NO_FAMILY[1])

    def _write_directory(self, tree: Tree, node: int, children: Sequence[int]) -> None:
        begin = self._end()
        for block in erofs.pack_directory(_entries(tree, node, children)):
            self._buffer += block
            if len(self._buffer) > FLUSH_BYTES:
                self._flush()
        size = self._end() - begin
        links = 2 + sum(tree.states[child] & KIND == Kind.DIRECTORY for child in children)
        inode = _offset(tree, node)
        self._write(inode + erofs.DATA_FIELDS_AT, erofs.DATA_FIELDS.pack(size, begin >> erofs.BLOCK_BITS))
        self._write(inode + erofs.NLINK_AT, links.to_bytes(4, "little"))

    # -- the file: what lies before `_flushed` is on disk, the rest in the buffer

    def _end(self) -> int:
        return self._flushed + len(self._buffer)

    def _align(self, unit: int) -> None:
        self._buffer += bytes(-self._end() % unit)

    def _flush(self) -> None:
        view = memoryview(self._buffer)
        done = 0
        while done < len(view):
            done += os.pwrite(self._descriptor, view[done:], self._flushed + done)
        view.release()
        self._flushed += done
        self._buffer.clear()

    def _read(self, offset: int, size: int) -> bytes:
        begin = offset - self._flushed
        if begin >= 0:
            return bytes(self._buffer[begin : begin + size])
        return os.pread(self._descriptor, size, offset)

    def _write(self, offset: int, data: bytes) -> None:
        begin = offset - self._flushed
        if begin >= 0:
            self._buffer[begin : begin + len(data)] = data
        else:
            os.pwrite(self._descriptor, data, offset)

    def _read_inode(self, nid: int) -> bytes:
        """An inode with its attributes."""
        offset = nid << erofs.SLOT_BITS
        inode = self._read(offset, erofs.INODE.size)
        count = int.from_bytes(inode[2:4], "little")
        return inode + self._read(offset + erofs.INODE.size, erofs.xattrs_size(count))


def _offset(tree: Tree, node: int) -> int:
    return tree.inodes[node] << erofs.SLOT_BITS


def _drop_idle_whiteouts(tree: Tree) -> None:
    """In an opaque directory nothing is left to delete, and overlayfs would list a whiteout there as a broken file."""
    states, parents = tree.states, tree.parents
    for node, state in enumerate(states):
        is_directory = state & KIND == Kind.DIRECTORY
        inside = parents[node] != NOWHERE and states[parents[node]] & CUT_OFF
        if is_directory and (inside or state & (OPAQUE | DELETED_BELOW)):
            states[node] |= CUT_OFF
        elif inside and state & KIND == WHITEOUT:
            tree.detach(node)


def _linked(tree: Tree) -> Iterator[int]:
    return (node for node, state in enumerate(tree.states) if state & LINKED and tree.parents[node] != NOWHERE)


def _entries(tree: Tree, node: int, children: Sequence[int]) -> Iterator[tuple[bytes, int, int]]:
    dots = [(b"..", tree.inodes[tree.parents[node]], Kind.DIRECTORY), (b".", tree.inodes[node], Kind.DIRECTORY)]
    for child in children:
        name = tree.name(child)
        # Some names sort before the dots: those that begin with a space or one of !"#$%&'()*+,-
        while dots and dots[-1][0] < name:
            yield dots.pop()
        kind = tree.states[child] & KIND
        yield name, tree.inodes[child], Kind.CHARACTER if kind == WHITEOUT else kind
    yield from reversed(dots)
