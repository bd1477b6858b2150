"""How does a blob come in?

    UPLOADS/ID    the bytes so far; a row says which repository they are for

An upload lives until it is finished, cancelled or too old, also across restarts of the registry. Bytes are hashed as
they come; after a restart, or for another algorithm, they are hashed again at the end. There are never more than so
many uploads, nor larger ones than allowed.
"""

import asyncio
import errno
import hashlib
import os
import re
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sampan.db import Database
from sampan.oci.digest import Digest, encoded_part
from sampan.registry.serve.refusal import NO_SPACE, RANGE, TOO_LARGE, Refusal

ALGORITHM = "sha256"
CHUNK = 1 << 20
_ID = re.compile(r"[0-9a-f]{32}")
_RANGE = re.compile(r"(\d{1,18})-(\d{1,18})")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many uploads may be open, how large one may get (bytes), how old (seconds)."""

    count: int = 1000
    size: int = 64 << 30
    age_seconds: float = 24 * 3600


@dataclass(slots=True, eq=False)
class Upload:
    """One upload; `size` bytes are there. Held by one request at a time."""

    id: str
    repository: str
    path: Path
    size: int = 0
    touched: float = field(default_factory=time.monotonic)
    hasher: Any = None  # None when not every byte has passed through it
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def range(self) -> str:
        """The `Range` header: the first and the last byte that is here."""
        return f"0-{max(0, self.size - 1)}"


class Uploads:
    """All uploads of one registry; `begin` and `get` from the event loop, `write` and `seal` from a thread."""

    def __init__(self, directory: Path, database: Database, bounds: Bounds) -> None:
        directory.mkdir(mode=0o700, exist_ok=True)
        self._directory = directory
        self._database = database
        self.bounds = bounds
        self._open: dict[str, Upload] = {}
        known = {row["id"]: row["repository"] for row in database.query("SELECT id, repository FROM registry_uploads")}
        for entry in directory.iterdir():
            if entry.name not in known:
                entry.unlink()
        for upload_id, repository in known.items():
            path = directory / upload_id
            if path.exists():
                self._open[upload_id] = Upload(upload_id, repository, path, path.stat().st_size)
            else:
                self._forget(upload_id)

    def __len__(self) -> int:
        return len(self._open)

    async def begin(self, repository: str) -> Upload:
        """A new upload. Raises Refusal when there are too many."""
        if len(self._open) >= self.bounds.count:
            raise Refusal("TOOMANYREQUESTS", f"{len(self._open)} uploads are open, that is as many as there may be")
        upload = Upload(secrets.token_hex(16), repository, self._directory, hasher=hashlib.new(ALGORITHM))
        upload.path = self._directory / upload.id
        self._open[upload.id] = upload
        try:
            await asyncio.to_thread(self._create, upload)
        except BaseException:
            self._open.pop(upload.id, None)
            raise
        return upload

    def get(self, repository: str, upload_id: str) -> Upload:
        """An upload that was begun. Raises Refusal."""
        upload = self._open.get(upload_id) if _ID.fullmatch(upload_id) else None
        if upload is None or upload.repository != repository:
            raise Refusal("BLOB_UPLOAD_UNKNOWN", f"no upload {upload_id[:64]!r} in this repository")
        upload.touched = time.monotonic()
        return upload

    def check_range(self, upload: Upload, content_range: str, length: int | None) -> None:
        """Raises Refusal unless a chunk with these headers continues the upload."""
        if not content_range:
            return
        found = _RANGE.fullmatch(content_range.removeprefix("bytes ").partition("/")[0].strip())
        if found is None or int(found[2]) < int(found[1]):
            raise Refusal("BLOB_UPLOAD_INVALID", f"invalid Content-Range {content_range[:64]!r}")
        if int(found[1]) != upload.size:
            raise Refusal("BLOB_UPLOAD_INVALID", f"the next byte is {upload.size}, not {found[1]}", status=RANGE)
        if length is not None and length != int(found[2]) - int(found[1]) + 1:
            raise Refusal("SIZE_INVALID", f"Content-Range {content_range[:64]} does not fit {length} bytes")

    def write(self, upload: Upload, data: bytes) -> None:
        """Add bytes. Raises Refusal when they are too many or the disk is full; the upload is then as before."""
        if upload.size + len(data) > self.bounds.size:
            raise Refusal("SIZE_INVALID", f"a blob may have {self.bounds.size} bytes", status=TOO_LARGE)
        descriptor = os.open(upload.path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            view, position = memoryview(data), upload.size
            while view:
                written = os.pwrite(descriptor, view, position)
                view, position = view[written:], position + written
        except OSError as error:
            os.ftruncate(descriptor, upload.size)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Refusal("BLOB_UPLOAD_INVALID", "no space left on the registry's disk", status=NO_SPACE) from None
            raise
        finally:
            os.close(descriptor)
        if upload.hasher is not None:
            upload.hasher.update(data)
        upload.size += len(data)
        upload.touched = time.monotonic()

    def seal(self, upload: Upload, digest: Digest) -> None:
        """Make the file durable and see that it is what it is said to be. Raises Refusal."""
        algorithm = digest.partition(":")[0]
        with upload.path.open("rb+") as file:
            file.truncate(upload.size)
            os.fsync(file.fileno())
            if algorithm == ALGORITHM and upload.hasher is not None:
                found = upload.hasher.hexdigest()
            else:
                found = hashlib.file_digest(file, algorithm).hexdigest()
        if found != encoded_part(digest):
            raise Refusal("DIGEST_INVALID", f"the content has digest {algorithm}:{found}, not {digest}")

    def discard(self, upload: Upload) -> None:
        """Give up an upload, and its space."""
        self._open.pop(upload.id, None)
        upload.path.unlink(missing_ok=True)
        self._forget(upload.id)

    def forget(self, upload: Upload) -> None:
        """An upload's file has become a blob."""
        self._open.pop(upload.id, None)
        self._forget(upload.id)

    def expire(self) -> int:
        """Give up what nobody has touched for too long; how many those were."""
        oldest = time.monotonic() - self.bounds.age_seconds
        old = [upload for upload in self._open.values() if upload.touched < oldest and not upload.lock.locked()]
        for upload in old:
            self.discard(upload)
        return len(old)

    def _create(self, upload: Upload) -> None:
        with self._database.transaction(durable=False) as cursor:
            cursor.execute(
                "INSERT INTO registry_uploads VALUES (?, ?, ?)", (upload.id, upload.repository, time.time_ns())
            )
        os.close(os.open(upload.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))

    def _forget(self, upload_id: str) -> None:
        with self._database.transaction(durable=False) as cursor:
            cursor.execute("DELETE FROM registry_uploads WHERE id = ?", (upload_id,))
