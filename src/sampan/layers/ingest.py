"""How does a layer enter the store?

One pass over the bytes: decompressed, written to `layer.tar`, hashed in a second thread, parsed, indexed. The directory
is private until everything in it is whole, hashed and on disk; the caller then renames it into place. A crash leaves a
directory with a temporary name, which nobody reads.
"""

import hashlib
import os
import queue
import threading
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sampan.layers.changeset import Changeset
from sampan.layers.compression import Budget, open_decompressed
from sampan.layers.header import BLOCK, BadLayer
from sampan.layers.index import Index
from sampan.layers.stream import CHUNK_BYTES, Pieces, Source, Stream
from sampan.layers.tar import Kind, Member, checked, read_members
from sampan.layers.whiteout import PREFIX

TAR_NAME = "layer.tar"
INDEX_NAME = "layer.erofs"
CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
CHUNKS_AHEAD = 4
UUID_BYTES = 16


class Hasher:
    """SHA-256 in a thread of its own (hashlib lets go of the interpreter's lock)."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._chunks: queue.Queue[bytes] = queue.Queue(CHUNKS_AHEAD)
        self._thread = threading.Thread(target=self._run, name="layer hash", daemon=True)
        self._thread.start()

    def update(self, chunk: bytes) -> None:
        """Hash one more chunk; waits while the thread is far behind."""
        self._chunks.put(chunk)

    def finish(self) -> bytes:
        """End the thread; the digest of everything. Once only."""
        self._chunks.put(b"")
        self._thread.join()
        return self._digest.digest()

    def _run(self) -> None:
        while chunk := self._chunks.get():
            self._digest.update(chunk)


class WholeBlocks:
    """A source, filled up with zeros to a whole block.

    docker's client leaves out the padding of the last file when it puts a Dockerfile from elsewhere into a context,
    and Go's reader, with which dockerd reads it, does not miss it.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._position = 0

    def read(self, size: int) -> bytes:
        """At most `size` bytes; empty at the end."""
        data = self._source.read(size) or bytes(min(size, -self._position % BLOCK))
        self._position += len(data)
        return data


class Told(Pieces):
    """A layer that is made here: `members` is filled while `pieces` are made, so that nobody parses what was just
    written. What a member may be is verified all the same.
    """

    def __init__(self, pieces: Iterable[bytes], members: list[Member]) -> None:
        super().__init__(pieces)
        self._members = members

    def pass_through(self, stream: Stream) -> Iterator[Member]:
        """Have `stream` read all of it; the members, each when its header has passed."""
        while stream.some(CHUNK_BYTES):
            yield from map(checked, self._members)
            self._members.clear()


class Intake(Stream):
    """A stream that copies what passes to a file and hashes it."""

    def __init__(self, source: Source, descriptor: int, hasher: Hasher) -> None:
        super().__init__(source)
        self._descriptor = descriptor
        self._hasher = hasher

    def arrived(self, chunk: bytes) -> None:
        """Hash and write, at the same time."""
        self._hasher.update(chunk)
        view = memoryview(chunk)
        while view:
            view = view[os.write(self._descriptor, view) :]


class Written(NamedTuple):
    """What a layer's bytes turned out to be."""

    digest: bytes
    size: int


def write_layer(
    source: Source, *, dir_fd: int, budget: Budget | None = None, durable: bool = True, only_files: bool = False
) -> Written:
    """Write the tar and its index into an empty directory, and if `durable` both to disk. Raises BadLayer.

    `only_files`: the tar is no layer but somebody's files, and what would be a deletion in a layer is refused. Its end
    need not be padded.
    """
    tar = os.open(TAR_NAME, CREATE, 0o600, dir_fd=dir_fd)
    try:
        index = os.open(INDEX_NAME, CREATE, 0o600, dir_fd=dir_fd)
        try:
            stream = source if isinstance(source, Told) else open_decompressed(source, budget)
            written = index_layer(WholeBlocks(stream) if only_files else stream, tar, index, only_files=only_files)
            if durable:
                os.fsync(index)
        finally:
            os.close(index)
        if durable:
            os.fsync(tar)
    finally:
        os.close(tar)
    if durable:
        os.fsync(dir_fd)
    return written


def index_layer(source: Source, tar: int, index_file: int, *, only_files: bool = False) -> Written:
    """Copy an uncompressed tar to one descriptor and write its index to another. Raises BadLayer."""
    hasher = Hasher()
    digest = b""
    try:
        stream = Intake(source, tar, hasher)
        index = Index(index_file)
        changeset = Changeset(index)
        for member in source.pass_through(stream) if isinstance(source, Told) else read_members(stream):
            if only_files and (PREFIX in member.path or member.kind is Kind.CHARACTER):
                _refuse_deletions(member)
            changeset.apply(member)
        stream.drain()  # the diff ID is over all bytes, also those behind the end of the archive
    finally:
        digest = hasher.finish()
    index.finish(changeset.tree, tar_bytes=stream.position, uuid=digest[:UUID_BYTES])
    return Written(digest, stream.position)


def _refuse_deletions(member: Member) -> None:
    is_device = member.kind is Kind.CHARACTER and member.device == (0, 0)
    if is_device or any(part.startswith(PREFIX) for part in member.path.split(b"/")):
        raise BadLayer(
            f"{member.path[:128]!r}: a file whose name begins with {PREFIX.decode()!r} cannot be in an image"
        )
