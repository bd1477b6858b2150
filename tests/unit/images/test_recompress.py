"""Layers that are compressed while they are sent."""

import gzip
import io
import os
from pathlib import Path

from sampan.images.recompress import Compression, file_pieces, is_layer
from sampan.oci.digest import digest_of


def test_the_same_layer_is_the_same_blob(tmp_path: Path) -> None:
    data = os.urandom(300_000) + bytes(5_000_000)
    (tmp_path / "layer").write_bytes(data)
    blobs = []
    for _ in range(2):
        compression = Compression(tmp_path / "layer")
        blobs.append(b"".join(compression.pieces()))
        assert (compression.digest, compression.size) == (digest_of(blobs[-1]), len(blobs[-1]))
    assert blobs[0] == blobs[1]
    assert gzip.decompress(blobs[0]) == data
    assert is_layer(io.BytesIO(blobs[0]), digest_of(data))
    assert not is_layer(io.BytesIO(blobs[0][:-9]), digest_of(data))
    assert not is_layer(io.BytesIO(gzip.compress(b"other")), digest_of(data))
    assert b"".join(file_pieces(tmp_path / "layer")) == data
