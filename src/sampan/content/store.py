"""Where are blobs kept, and when is one believed?

    ROOT/ingest/*          being written; never read, emptied at start
    ROOT/partial/*         coming in from a registry, continued after a break; see `partial`
    ROOT/sha256/HEX        complete, verified, durable

An ingest writes a temporary file in the same root, verifies digest and size over the exact bytes, makes the file
durable, and only then gives it its name; the directory is made durable last. So a name means that the content is there
and right, whatever was killed when. All is root's alone: directories 0700, blobs 0600 (security.md P8, P18, C22).
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import IO, Protocol

from sampan.content.partial import KEPT_SECONDS, Partial, expire
from sampan.errors import InvalidRequest, NotFound
from sampan.oci.digest import Digest, digest_of, encoded_part, parse_digest

CHUNK = 1 << 20


class Readable(Protocol):
    """Something to read bytes from; empty bytes mean its end."""

    def read(self, size: int, /) -> bytes: ...


class Blobs:
    """Blobs by digest, below one directory."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._ingest = root / "ingest"
        self._partial = root / "partial"
        for directory in (root, self._ingest, self._partial, root / "sha256", root / "sha512"):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        expire(self._partial)
        for left_behind in self._ingest.iterdir():  # by a process that was killed
            left_behind.unlink()

    def put(
        self, stream: Readable, expected_digest: Digest | None = None, expected_size: int | None = None
    ) -> tuple[Digest, int]:
        """Keep what `stream` yields to its end; returns its digest and its size in bytes.

        Raises InvalidRequest, and keeps nothing, when the content is not what was expected.
        """
        algorithm = parse_digest(expected_digest).partition(":")[0] if expected_digest else "sha256"
        hasher = hashlib.new(algorithm)
        size = 0
        with self._temporary() as (file, path):
            while data := stream.read(CHUNK):
                size += len(data)
                if expected_size is not None and size > expected_size:
                    raise InvalidRequest(f"content is longer than its {expected_size} bytes")
                hasher.update(data)
                file.write(data)
            if expected_size is not None and size != expected_size:
                raise InvalidRequest(f"content has {size} bytes, expected {expected_size}")
            digest = f"{algorithm}:{hasher.hexdigest()}"
            if expected_digest and digest != expected_digest:
                raise InvalidRequest(f"content has digest {digest}, expected {expected_digest}")
            self._commit(file, path, digest)
        return digest, size

    def put_bytes(self, data: bytes) -> Digest:
        """Keep some bytes; returns their digest."""
        digest = digest_of(data)
        if not self.has(digest):
            with self._temporary() as (file, path):
                file.write(data)
                self._commit(file, path, digest)
        return digest

    def adopt(self, path: Path, digest: Digest) -> None:
        """Take over a durable file of the same filesystem, whose bytes the caller has hashed to `digest`."""
        target = self.path(digest)
        path.rename(target)
        _sync_directory(target.parent)

    def partial(self, digest: Digest, size: int) -> Partial:
        """What is here of a blob that is on its way in, to go on with. Raises Unavailable while another writes it."""
        return Partial(self._partial, digest, size)

    def expire(self, older_than: float = KEPT_SECONDS) -> int:
        """Remove partial blobs that nobody has written to for so many seconds; the bytes freed."""
        return expire(self._partial, older_than=older_than)

    def commit(self, partial: Partial) -> None:
        """Keep a partial blob that is whole now. Raises InvalidRequest, and keeps nothing, when it is another."""
        partial.commit(self.path(partial.digest), _sync_directory)

    def path(self, digest: Digest) -> Path:
        """Where the blob is, or would be. Raises InvalidRequest for what is no digest."""
        algorithm = parse_digest(digest).partition(":")[0]
        return self._root / algorithm / encoded_part(digest)

    def has(self, digest: Digest) -> bool:
        """Whether the blob is here."""
        return self.path(digest).exists()

    def size(self, digest: Digest) -> int:
        """The blob's size in bytes. Raises NotFound."""
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError:
            raise NotFound(f"content {digest} not found") from None

    def open(self, digest: Digest) -> BufferedReader:
        """The blob, to read from its start. Raises NotFound."""
        try:
            return self.path(digest).open("rb")
        except FileNotFoundError:
            raise NotFound(f"content {digest} not found") from None

    def read(self, digest: Digest) -> bytes:
        """All bytes of a blob known to be small. Raises NotFound."""
        with self.open(digest) as file:
            return file.read()

    def remove(self, digest: Digest) -> None:
        """Forget the blob; no error when it is not here."""
        self.path(digest).unlink(missing_ok=True)

    def verify(self, digest: Digest) -> bool:
        """Whether the bytes on disk still have this digest. Raises NotFound."""
        with self.open(digest) as file:
            return hashlib.file_digest(file, digest.partition(":")[0]).hexdigest() == encoded_part(digest)

    @contextmanager
    def aside(self, digest: Digest) -> Iterator[None]:
        """Put a damaged blob aside for another copy to come in; it is back at the end unless one did."""
        path, place = self.path(digest), self._ingest / os.urandom(16).hex()
        try:
            path.rename(place)
        except FileNotFoundError:
            pass
        try:
            yield
        finally:
            if place.exists() and not path.exists():
                place.rename(path)
            place.unlink(missing_ok=True)

    def digests(self) -> Iterator[Digest]:
        """Every blob that is here, in no order."""
        for algorithm in ("sha256", "sha512"):
            for entry in os.scandir(self._root / algorithm):
                yield f"{algorithm}:{entry.name}"

    @contextmanager
    def _temporary(self) -> Iterator[tuple[IO[bytes], Path]]:
        path = self._ingest / os.urandom(16).hex()
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            with open(descriptor, "wb") as file:
                yield file, path
        finally:
            path.unlink(missing_ok=True)  # committed blobs have moved away

    def _commit(self, file: IO[bytes], path: Path, digest: Digest) -> None:
        file.flush()
        os.fsync(file.fileno())
        target = self.path(digest)
        # The same bytes may be there already; replacing them with themselves is harmless and needs no lock.
        path.rename(target)
        _sync_directory(target.parent)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
