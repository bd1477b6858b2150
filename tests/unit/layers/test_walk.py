"""Does the walk agree with the index about sizes, attributes and places?"""

import io
import os
from pathlib import Path

from sampan.layers.ingest import INDEX_NAME, TAR_NAME, write_layer
from sampan.layers.walk import IndexReader, files_bytes
from unit.layers.crafted import archive, directory, file, hardlink, long_name, pax, symlink


def written(tmp_path: Path, *members: bytes) -> int:
    """A descriptor of the index of these members."""
    place = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    assert write_layer(io.BytesIO(archive(*members)), dir_fd=place).size == (tmp_path / TAR_NAME).stat().st_size
    os.close(place)
    return os.open(tmp_path / INDEX_NAME, os.O_RDONLY)


def test_bytes_are_counted_like_docker_counts_them(tmp_path: Path) -> None:
    index = written(
        tmp_path,
        directory(b"d"),
        file(b"d/f", b"x" * 1000),
        hardlink(b"h", b"d/f"),
        hardlink(b"h2", b"d/f"),
        symlink(b"s", b"d/f"),
        file(b"gone", b"y" * 5000),
        file(b"gone", b"z"),
        *(file(b"many-%d" % number, b"1") for number in range(200)),
    )
    assert files_bytes(index) == 1000 + 3 + 1 + 200


def test_an_empty_layer_has_no_bytes(tmp_path: Path) -> None:
    index = written(tmp_path)
    assert files_bytes(index) == 0
    assert list(IndexReader(index).children(IndexReader(index).inode())) == []


def test_the_root_knows_whether_a_member_names_it(tmp_path: Path) -> None:
    for number, members in enumerate(([file(b"f")], [directory(b"./", mode=0o700)])):
        place = tmp_path / str(number)
        place.mkdir()
        root = IndexReader(written(place, *members)).inode()
        assert (root.number == 1, root.mode) == [(True, 0o40755), (False, 0o40700)][number]


def test_attributes_larger_than_a_block_and_a_long_link(tmp_path: Path) -> None:
    attributes = {b"user.large": bytes(range(256)) * 20, b"user.small": b""}
    reader = IndexReader(
        written(
            tmp_path,
            pax({b"SCHILY.xattr." + name: value for name, value in attributes.items()}),
            directory(b"."),
            pax({b"SCHILY.xattr." + name: value for name, value in attributes.items()}),
            file(b"f", b"data"),
            long_name(b"t" * 3000, type=b"K"),
            symlink(b"s", b"t"),
        )
    )
    root = reader.inode()
    children = {name: reader.inode(nid) for name, nid, _ in reader.children(root)}
    assert root.xattrs == children[b"f"].xattrs == attributes
    assert reader.link_target(children[b"s"]) == b"t" * 3000
    tar = (tmp_path / TAR_NAME).read_bytes()
    assert tar[reader.data_offset(children[b"f"]) :][:4] == b"data"
