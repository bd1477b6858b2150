"""How does a blob come in over a line that breaks?

    ROOT/partial/ALGORITHM-HEX     the bytes so far of the blob with that digest, locked by its one writer

Whoever comes back for the blob finds what came before and goes on behind it. What is found is only believed after it
has been hashed again, together with the rest: a resumed download that mixes bytes fails like any other (security.md
C22, D07). The name is given at the end, as in `store`: verified first, durable first.
"""

import fcntl
import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from sampan.errors import InvalidRequest, Unavailable
from sampan.oci.digest import Digest, encoded_part, parse_digest

CHUNK = 1 << 20
KEPT_SECONDS = 24 * 3600


class Partial:
    """The one writer of a blob that is not complete. `size` is how many bytes there are, hashed and in place."""

    def __init__(self, directory: Path, digest: Digest, wanted: int) -> None:
        algorithm = parse_digest(digest).partition(":")[0]
        self.digest = digest
        self.wanted = wanted
        self.size = 0
        self._path = directory / f"{algorithm}-{encoded_part(digest)}"
        self._hash = hashlib.new(algorithm)
        flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(self._path, flags, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            status = os.fstat(self._file)
            if not status.st_nlink:
                raise BlockingIOError  # finished or expired between our open and our lock
            if status.st_size > wanted:
                os.ftruncate(self._file, 0)
            self._found = os.fstat(self._file).st_size
        except BlockingIOError:
            os.close(self._file)
            raise Unavailable(f"{digest} is being written by somebody else: try again") from None

    @property
    def found(self) -> int:
        """How many bytes were there already; `replay` yields them."""
        return self._found

    def replay(self) -> bytes:
        """The next bytes of what was found, hashed again; empty when that is all."""
        data = os.pread(self._file, min(CHUNK, self._found - self.size), self.size)
        self._hash.update(data)
        self.size += len(data)
        if not data:
            self._found = self.size  # shorter than it was: the disk's trouble, and the hash will tell
        return data

    def write(self, data: bytes) -> None:
        """Add bytes. Raises InvalidRequest for more than the blob has."""
        if self.size + len(data) > self.wanted:
            raise InvalidRequest(f"content is longer than its {self.wanted} bytes")
        self._hash.update(data)
        view = memoryview(data)
        while view:
            written = os.pwrite(self._file, view, self.size)
            self.size += written
            view = view[written:]

    def verify(self) -> None:
        """Raises InvalidRequest when this is not, exactly, the blob; then nothing of it is kept."""
        if self.size == self.wanted and self._hash.hexdigest() == encoded_part(self.digest):
            return
        self.discard()
        if self.size != self.wanted:
            raise InvalidRequest(f"content has {self.size} bytes, expected {self.wanted}")
        raise InvalidRequest(f"filesystem layer verification failed for digest {self.digest}")

    def commit(self, target: Path, sync_directory: Callable[[Path], None]) -> None:
        """Give the verified blob its name, durably."""
        self.verify()
        os.ftruncate(self._file, self.size)
        os.fsync(self._file)
        self._path.rename(target)
        sync_directory(target.parent)

    def discard(self) -> None:
        """Give the space back now."""
        self._path.unlink(missing_ok=True)
        os.ftruncate(self._file, 0)

    def close(self) -> None:
        """Let go of it; what is there stays for whoever comes next."""
        os.close(self._file)


def expire(directory: Path, *, older_than: float = KEPT_SECONDS) -> int:
    """Remove partial blobs that nobody has come back for in so many seconds; the bytes freed."""
    freed = 0
    for entry in os.scandir(directory):
        status = entry.stat(follow_symlinks=False)
        if time.time() - status.st_mtime < older_than:
            continue
        try:
            file = os.open(entry.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            continue  # finished meanwhile
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(entry.path)
            freed += status.st_blocks * 512
        except BlockingIOError:
            pass  # its writer is at work
        finally:
            os.close(file)
    return freed
