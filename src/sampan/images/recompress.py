"""How does a layer become a blob to push?

A layer that came compressed still has the blob that it came as. One that was made here is compressed while it is being
sent, once and fast; what is remembered is the digest, not the blob: the same bytes come out the next time.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from isal import isal_zlib

from sampan.layers.compression import open_decompressed
from sampan.layers.header import BadLayer
from sampan.layers.stream import Source
from sampan.oci.digest import Digest

LEVEL = 1
GZIP = 31  # zlib's way to ask for a gzip header; it holds no time, so the same layer is the same blob
READ_BYTES = 1 << 20
SEND_BYTES = 256 << 10


class Compression:
    """A file's bytes compressed as they are drawn; digest and size are known when `pieces` has ended."""

    def __init__(self, path: Path) -> None:
        self.size = 0
        self.taken = 0
        self._path = path
        self._hash = hashlib.sha256()

    @property
    def digest(self) -> Digest:
        """Of what has come out so far."""
        return f"sha256:{self._hash.hexdigest()}"

    def pieces(self) -> Iterator[bytes]:
        """The compressed bytes."""
        deflate = isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, GZIP)
        waiting: list[bytes] = []
        length = 0
        with self._path.open("rb", buffering=0) as file:
            while data := file.read(READ_BYTES):
                self.taken += len(data)
                waiting.append(deflate.compress(data))
                length += len(waiting[-1])
                if length >= SEND_BYTES:
                    yield self._out(waiting)
                    waiting, length = [], 0
        waiting.append(deflate.flush())
        yield self._out(waiting)

    def _out(self, waiting: list[bytes]) -> bytes:
        piece = b"".join(waiting)
        self._hash.update(piece)
        self.size += len(piece)
        return piece


def file_pieces(path: Path) -> Iterator[bytes]:
    """A file's bytes as they are."""
    with path.open("rb", buffering=0) as file:
        while data := file.read(SEND_BYTES):
            yield data


def is_layer(source: Source, diff_id: Digest) -> bool:
    """Whether a blob decompresses to the layer with this diff ID."""
    found = hashlib.sha256()
    try:
        stream = open_decompressed(source)
        while data := stream.read(READ_BYTES):
            found.update(data)
    except BadLayer:
        return False
    return f"sha256:{found.hexdigest()}" == diff_id
