"""Does the kernel find data where an index of a very large layer says it is?

The tar is sparse: only the bytes looked at were ever written.
"""

import os
from pathlib import Path

import pytest

from kernel.namespaced import namespaced
from sampan.layers.changeset import Changeset
from sampan.layers.index import Index
from sampan.layers.probe import EROFS, probe_backend
from sampan.layers.tar import NO_XATTRS, Kind, Member
from sampan.linux.mount import MountFlag, mount

pytestmark = pytest.mark.needs_root

GIB = 1 << 30
SIZE = 5 * GIB + 700
BEGIN = 3 * GIB + 512
MARKS = [0, 4095, 2 * GIB - 4, 2 * GIB, 2 * GIB + 4096, 4 * GIB - 4, 4 * GIB, SIZE - 8]


def large(path: bytes, size: int, offset: int) -> Member:
    """A file of the layer."""
    return Member(path, Kind.FILE, 0o644, 0, 0, size, 0, b"", (0, 0), NO_XATTRS, offset)


def test_a_file_of_several_chunks_is_read_back(tmp_path: Path) -> None:
    if probe_backend(tmp_path) != EROFS:
        pytest.skip("this kernel cannot mount EROFS from files (Linux 6.12)")
    tar_size = BEGIN + SIZE + -SIZE % 512 + 1024
    with open(tmp_path / "layer.tar", "wb") as tar, open(tmp_path / "layer.erofs", "w+b") as output:
        tar.truncate(tar_size)
        for mark in MARKS:
            os.pwrite(tar.fileno(), b"%08x" % (mark & 0xFFFFFFFF), BEGIN + mark)
        index = Index(output.fileno())
        changeset = Changeset(index)
        changeset.apply(large(b"small", 10, 512))
        changeset.apply(large(b"large", SIZE, BEGIN))
        index.finish(changeset.tree, tar_bytes=tar_size, uuid=b"u" * 16)

    def look() -> list[object]:
        (tmp_path / "mnt").mkdir()
        options = f"device={tmp_path / 'layer.tar'}"
        mount(str(tmp_path / "layer.erofs"), str(tmp_path / "mnt"), "erofs", MountFlag.RDONLY, options)
        with open(tmp_path / "mnt" / "large", "rb") as file:
            found: list[object] = [os.fstat(file.fileno()).st_size]
            found += [os.pread(file.fileno(), 8, mark).decode() for mark in MARKS]
        return found

    size, *marks = namespaced(look)
    assert size == SIZE
    # Two marks lie within eight bytes of each other: the later one wins there.
    expected = bytearray(b"%08x" % (MARKS[2] & 0xFFFFFFFF) + bytes(4))
    expected[4:12] = b"%08x" % (MARKS[3] & 0xFFFFFFFF)
    assert marks[2].encode() == expected[:8]
    assert [marks[i] for i in (0, 1, 3, 4, 6, 7)] == [f"{MARKS[i] & 0xFFFFFFFF:08x}" for i in (0, 1, 3, 4, 6, 7)]
