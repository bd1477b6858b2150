"""How is a layer's metadata laid out so that the kernel can mount it? (EROFS)

Pure arithmetic: values in, bytes out. `index` puts them into a file, `walk` reads them back. The format is that of
linux/fs/erofs/erofs_fs.h; our subset of it:

    offset 1024   superblock, block size 512, features CHUNKED_FILE | DEVICE_TABLE
           1152   the one device slot: the layer's tar, measured in blocks
           1536   room for the root inode, then the inodes, then the blocks of the directories

    inode         the 64-byte "extended" form (nanoseconds, 32-bit owners), addressed by nid = offset / 32; then its
                  extended attributes; then, for a file, one 8-byte chunk index for each 2 GiB: (device 1, block of the
                  tar); for a symlink, its target, if both fit into one block
    directory     blocks of 12-byte dirents followed by the names, sorted bytewise, `.` and `..` among them

A tar aligns data to 512 bytes, so a file's blocks are the tar's own: nothing is copied.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum

BLOCK_BITS = 9
BLOCK = 1 << BLOCK_BITS
SLOT_BITS = 5  # nids count 32-byte slots
MAGIC = 0xE0F5E1E2
SUPERBLOCK_OFFSET = 1024
DEVICE_SLOT_BYTES = 128
DEVICE_SLOT_OFFSET = SUPERBLOCK_OFFSET + 128
ROOT_OFFSET = 1536
# The superblock has 16 bits for the root's nid, so the root lies in front, in a hole as large as its attributes can
# get.
ROOT_ROOM = 72 << 10
INCOMPAT_CHUNKED_FILE = 0x4
INCOMPAT_DEVICE_TABLE = 0x8

CHUNK_BITS = 31
CHUNK_BYTES = 1 << CHUNK_BITS
CHUNK_FORMAT = 0x20 | (CHUNK_BITS - BLOCK_BITS)  # EROFS_CHUNK_FORMAT_INDEXES and the chunk's size
TAR_DEVICE = 1
TAR_BYTES_MAX = (1 << 32) * BLOCK


class Layout(IntEnum):
    """Where an inode's data lies (EROFS_INODE_*)."""

    PLAIN = 0
    INLINE = 2
    CHUNKS = 4


SUPERBLOCK = struct.Struct("<IIIBBHQQIIII16s16sIHHHBBIQB23x")
DEVICE_SLOT = struct.Struct("<64sII56x")
INODE = struct.Struct("<HHHHQIIIIqII16x")
DATA_FIELDS = struct.Struct("<QI")  # size and first block: what is known of a directory only at the end
DATA_FIELDS_AT = 8
NLINK_AT = 44
CHUNK_INDEX = struct.Struct("<HHI")
DIRENT = struct.Struct("<QHBx")
XATTR_HEADER = bytes(12)  # no name filter, no shared attributes
XATTR_ENTRY = struct.Struct("<BBH")
XATTR_PREFIXES = ((b"user.", 1), (b"trusted.", 4), (b"security.", 6))


def pack_superblock(*, root_nid: int, inodes: int, blocks: int, tar_blocks: int, uuid: bytes) -> bytes:
    """The superblock with the device slot behind it: 256 bytes for SUPERBLOCK_OFFSET."""
    incompat = INCOMPAT_CHUNKED_FILE | INCOMPAT_DEVICE_TABLE
    slot = DEVICE_SLOT_OFFSET // DEVICE_SLOT_BYTES
    fields = (MAGIC, 0, 0, BLOCK_BITS, 0, root_nid, inodes, 0, 0, blocks, 0, 0, uuid, b"", incompat, 0, 1, slot)
    return SUPERBLOCK.pack(*fields, 0, 0, 0, 0, 0) + DEVICE_SLOT.pack(b"layer.tar", tar_blocks, 0)


def pack_inode(
    *, layout: Layout, mode: int, uid: int, gid: int, mtime_ns: int, size: int, place: int, number: int, xattrs: bytes
) -> bytes:
    """An extended inode with its attributes; `place` is a block, a chunk format or a device, by layout and mode."""
    seconds, nanoseconds = divmod(mtime_ns, 10**9)
    fields = (1 | layout << 1, xattr_count(xattrs), mode, 0, size, place, number, uid, gid, seconds, nanoseconds, 1)
    return INODE.pack(*fields) + xattrs


def pack_xattrs(xattrs: Mapping[bytes, bytes]) -> bytes:
    """The inline attributes of an inode, each padded to four bytes; empty for none."""
    if not xattrs:
        return b""
    body = bytearray(XATTR_HEADER)
    for name, value in sorted(xattrs.items()):
        prefix, index = next(known for known in XATTR_PREFIXES if name.startswith(known[0]))
        entry = XATTR_ENTRY.pack(len(name) - len(prefix), index, len(value)) + name[len(prefix) :] + value
        body += entry + bytes(-len(entry) % 4)
    return bytes(body)


def xattr_count(xattrs: bytes) -> int:
    """The i_xattr_icount that stands for packed attributes."""
    return (len(xattrs) - len(XATTR_HEADER)) // 4 + 1 if xattrs else 0


def xattrs_size(count: int) -> int:
    """The bytes that an i_xattr_icount stands for."""
    return len(XATTR_HEADER) + 4 * (count - 1) if count else 0


def pack_chunks(size: int, offset: int) -> bytes:
    """The chunk indexes of a file of `size` bytes at `offset` in the tar."""
    first = offset >> BLOCK_BITS
    step = CHUNK_BYTES >> BLOCK_BITS
    count = -(-size // CHUNK_BYTES)
    return b"".join(CHUNK_INDEX.pack(0, TAR_DEVICE, first + chunk * step) for chunk in range(count))


def encode_device(major: int, minor: int) -> int:
    """new_encode_dev of linux/kdev_t.h."""
    return (minor & 0xFF) | major << 8 | (minor & ~0xFF) << 12


def decode_device(device: int) -> tuple[int, int]:
    """new_decode_dev of linux/kdev_t.h."""
    return (device >> 8) & 0xFFF, (device & 0xFF) | ((device >> 12) & 0xFFF00)


def pack_directory(entries: Iterable[tuple[bytes, int, int]]) -> Iterator[bytes]:
    """The blocks of a directory: (name, nid, file type) in bytewise order of name, dots included."""
    pending: list[tuple[bytes, int, int]] = []
    used = 0
    for entry in entries:
        needed = DIRENT.size + len(entry[0])
        if used + needed > BLOCK:
            yield _directory_block(pending)
            pending, used = [], 0
        pending.append(entry)
        used += needed
    yield _directory_block(pending)


def _directory_block(entries: list[tuple[bytes, int, int]]) -> bytes:
    offset = DIRENT.size * len(entries)
    dirents = []
    for name, nid, file_type in entries:
        dirents.append(DIRENT.pack(nid, offset, file_type))
        offset += len(name)
    # The last name ends at the first NUL or at the end of the block.
    return b"".join((*dirents, *(name for name, _, _ in entries), bytes(BLOCK - offset)))
