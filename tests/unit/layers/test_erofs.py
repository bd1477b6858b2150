"""Do the bytes have the layout that linux/fs/erofs/erofs_fs.h fixes?"""

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.layers import erofs


def test_structures_have_the_kernels_sizes() -> None:
    assert erofs.SUPERBLOCK.size == 128
    assert erofs.DEVICE_SLOT.size == 128
    assert erofs.INODE.size == 64
    assert erofs.CHUNK_INDEX.size == 8
    assert erofs.DIRENT.size == 12
    assert erofs.XATTR_ENTRY.size == 4
    assert len(erofs.XATTR_HEADER) == 12


def test_the_superblock_says_what_the_kernel_must_know() -> None:
    block = erofs.pack_superblock(root_nid=48, inodes=7, blocks=9, tar_blocks=1 << 31, uuid=b"u" * 16)
    assert block[0:4] == bytes.fromhex("e2e1f5e0")
    assert block[12] == 9  # blkszbits
    assert int.from_bytes(block[14:16], "little") == 48  # root_nid
    assert int.from_bytes(block[16:24], "little") == 7  # inos
    assert block[48:64] == b"u" * 16  # uuid
    assert int.from_bytes(block[80:84], "little") == 0x0C  # feature_incompat
    assert int.from_bytes(block[86:88], "little") == 1  # extra_devices
    slot = int.from_bytes(block[88:90], "little") * 128 - erofs.SUPERBLOCK_OFFSET  # devt_slotoff
    assert block[slot : slot + 9] == b"layer.tar"
    assert int.from_bytes(block[slot + 64 : slot + 68], "little") == 1 << 31


def test_an_inode_has_its_fields_where_the_kernel_looks() -> None:
    inode = erofs.pack_inode(
        layout=erofs.Layout.CHUNKS,
        mode=stat.S_IFREG | 0o644,
        uid=1 << 31,
        gid=70_000,
        mtime_ns=-1,
        size=1 << 40,
        place=0x36,
        number=5,
        xattrs=erofs.pack_xattrs({b"user.a": b"v"}),
    )
    assert inode[0] == 1 | 4 << 1
    assert int.from_bytes(inode[2:4], "little") == 3  # the header counts as one, the entry has 8 bytes
    assert int.from_bytes(inode[8:16], "little") == 1 << 40
    assert int.from_bytes(inode[24:28], "little") == 1 << 31
    assert int.from_bytes(inode[32:40], "little", signed=True) == -1  # seconds, rounded down
    assert int.from_bytes(inode[40:44], "little") == 999_999_999
    assert int.from_bytes(inode[44:48], "little") == 1  # nlink
    assert len(inode) == 64 + 12 + 8


@given(st.dictionaries(st.binary(min_size=1, max_size=255), st.binary(max_size=500), max_size=5))
def test_attributes_are_aligned_and_counted(named: dict[bytes, bytes]) -> None:
    body = erofs.pack_xattrs({b"user." + name: value for name, value in named.items()})
    assert len(body) % 4 == 0
    assert erofs.xattrs_size(erofs.xattr_count(body)) == len(body)


@pytest.mark.parametrize(("size", "chunks"), [(1, 1), (1 << 31, 1), ((1 << 31) + 1, 2), (5 << 30, 3)])
def test_a_file_has_a_chunk_for_each_2_gib(size: int, chunks: int) -> None:
    packed = [erofs.CHUNK_INDEX.unpack(entry) for entry in split(erofs.pack_chunks(size, 1536), 8)]
    assert packed == [(0, 1, 3 + number * (1 << 22)) for number in range(chunks)]


@given(st.integers(0, 4095), st.integers(0, (1 << 20) - 1))
def test_device_numbers_are_read_back(major: int, minor: int) -> None:
    assert erofs.decode_device(erofs.encode_device(major, minor)) == (major, minor)


def test_known_device_numbers() -> None:
    assert erofs.encode_device(1, 3) == 0x103
    assert erofs.encode_device(259, 70_000) == 0x11110370


@given(
    st.lists(
        st.binary(min_size=1, max_size=255).map(lambda name: name.replace(b"\0", b"0")),
        unique=True,
        min_size=1,
        max_size=60,
    )
)
def test_directory_blocks_hold_every_name_in_order(names: list[bytes]) -> None:
    entries = [(name, number, 1) for number, name in enumerate(sorted(names))]
    found = []
    for block in erofs.pack_directory(entries):
        assert len(block) == 512
        count = int.from_bytes(block[8:10], "little") // 12
        dirents = [erofs.DIRENT.unpack_from(block, 12 * number) for number in range(count)]
        ends = [dirent[1] for dirent in dirents[1:]] + [512]
        found += [(block[at:end].rstrip(b"\0"), nid, kind) for (nid, at, kind), end in zip(dirents, ends, strict=True)]
    assert found == entries


def split(data: bytes, size: int) -> list[bytes]:
    """The data in pieces of one size."""
    return [data[start : start + size] for start in range(0, len(data), size)]
