"""What does a registry have, and in which order does it change?

Content is durable before a row speaks of it; a row is gone before its content is. `_changing` is held for the short
moments in which the two are compared: so a blob is never collected between "it is here" and the row that keeps it. What
a client has asked for lately is kept in any case, since it may be about to name it in a manifest.
"""

import threading
import time
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

from sampan.content.store import Blobs
from sampan.db import open_database
from sampan.errors import InvalidRequest, NotFound
from sampan.oci.digest import Digest
from sampan.registry.serve import rows
from sampan.registry.serve.document import Document, read_document
from sampan.registry.serve.refusal import Refusal
from sampan.registry.serve.uploads import Bounds, Upload, Uploads


class RegistryStore:
    """The content and the rows of one registry, below one directory; its methods block."""

    def __init__(self, root: Path, bounds: Bounds) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.database = open_database(root / "registry.db", [rows.SCHEMA])
        self.content = Blobs(root / "content")
        self.uploads = Uploads(root / "uploads", self.database, bounds)
        self._changing = threading.Lock()
        self._wanted: dict[Digest, float] = {}  # when somebody last asked for it (monotonic)

    def close(self) -> None:
        """Let go of the files."""
        self.database.close()

    def find_blob(self, repository: str, digest: Digest) -> int:
        """The size of a blob that the repository may see, which then stays for a while. Raises Refusal."""
        with self._changing:
            if not rows.has_blob(self.database, repository, digest):
                raise Refusal("BLOB_UNKNOWN", "blob unknown to registry", detail={"digest": digest})
            self._wanted[digest] = time.monotonic()
            try:
                return self.content.size(digest)
            except NotFound:
                raise Refusal("BLOB_UNKNOWN", "blob is lost", detail={"digest": digest}) from None

    def mount(self, repository: str, digest: Digest, source: str) -> bool:
        """Let a repository see a blob of another ("" for any); whether there is one."""
        with self._changing:
            has = (
                rows.has_blob(self.database, source, digest) if source else rows.repositories_of(self.database, digest)
            )
            if not has or not self.content.has(digest):
                return False
            self._link(repository, digest)
        return True

    def finish(self, upload: Upload, digest: Digest) -> None:
        """An upload becomes a blob of its repository. Raises Refusal; the upload then goes, as nothing can mend it."""
        try:
            self.uploads.seal(upload, digest)
        except Refusal:
            self.uploads.discard(upload)
            raise
        with self._changing:
            self.content.adopt(upload.path, digest)
            self._link(upload.repository, digest)
        self.uploads.forget(upload)

    def keep_blob(self, repository: str, digest: Digest) -> None:
        """A blob that has come in by itself (from upstream) belongs to a repository."""
        with self._changing:
            self._link(repository, digest)

    def delete_blob(self, repository: str, digest: Digest) -> None:
        """A repository no longer sees a blob; its space is given back if no other does. Raises Refusal."""
        with self._changing:
            with self.database.transaction(durable=True) as cursor:
                if not rows.unlink(cursor, repository, digest):
                    raise Refusal("BLOB_UNKNOWN", "blob unknown to registry", detail={"digest": digest})
            self._drop(digest)

    def manifest(self, repository: str, reference: str, *, by_tag: bool) -> tuple[rows.ManifestRow, bytes]:
        """A manifest with its bytes. Raises Refusal."""
        row = rows.manifest(self.database, repository, reference, by_tag=by_tag)
        if row is None:
            known = rows.is_known(self.database, repository)
            code, what = ("MANIFEST_UNKNOWN", "manifest") if known else ("NAME_UNKNOWN", "repository")
            raise Refusal(code, f"{what} unknown to registry", detail={"name": repository, "reference": reference})
        try:
            return row, self.content.read(row.digest)
        except NotFound:
            raise Refusal("MANIFEST_UNKNOWN", "manifest is lost", detail={"digest": row.digest}) from None

    def put_manifest(
        self,
        repository: str,
        data: bytes,
        digest: Digest,
        content_type: str,
        tags: Iterable[str],
        *,
        check: bool = True,
    ) -> Document:
        """Keep a manifest whose bytes have this digest. Raises Refusal when it is none, or names what is not here."""
        try:
            document = read_document(data, content_type)
            self.content.put(BytesIO(data), digest)
        except InvalidRequest as error:
            raise Refusal("MANIFEST_INVALID", str(error)) from None
        row = rows.ManifestRow(
            digest, document.media_type, len(data), document.subject, document.artifact_type, document.annotations
        )
        with self._changing:
            try:
                if check:
                    self._check(repository, document)
                if not self.content.has(digest):
                    raise Refusal("MANIFEST_INVALID", "the manifest was collected while it came in: try again")
                with self.database.transaction(durable=True) as cursor:
                    rows.put_manifest(cursor, repository, row, document.references, tags, time.time_ns())
            except BaseException:
                self._drop(digest)
                raise
        return document

    def delete_manifest(self, repository: str, digest: Digest) -> None:
        """Forget a manifest and its tags; what it named is left for the collection. Raises Refusal."""
        with self._changing:
            with self.database.transaction(durable=True) as cursor:
                if not rows.delete_manifest(cursor, repository, digest):
                    raise Refusal("MANIFEST_UNKNOWN", "manifest unknown to registry", detail={"reference": digest})
            self._drop(digest)

    def delete_tag(self, repository: str, tag: str) -> None:
        """Forget a tag; its manifest stays. Raises Refusal."""
        with self.database.transaction(durable=True) as cursor:
            if not rows.delete_tag(cursor, repository, tag):
                raise Refusal("MANIFEST_UNKNOWN", "tag unknown to registry", detail={"reference": tag})

    def was_wanted(self, digest: Digest, since: float) -> bool:
        """Whether somebody has asked for it since a moment (monotonic)."""
        return self._wanted.get(digest, 0.0) >= since

    def collect_blob(self, repository: str, digest: Digest, *, since: float, before_ns: int) -> bool:
        """Unlink a blob of a repository if no manifest of it names the blob; whether that was done.

        Not if it was linked after `before_ns` or asked for after `since`: it may be part of a push.
        """
        with self._changing:
            if self.was_wanted(digest, since):
                return False
            with self.database.transaction(durable=True) as cursor:
                cursor.execute(
                    "DELETE FROM registry_blobs WHERE repository = ? AND digest = ? AND linked_ns <= ? AND NOT EXISTS "
                    "(SELECT 1 FROM registry_references r WHERE r.repository = registry_blobs.repository "
                    "AND r.digest = registry_blobs.digest)",
                    (repository, digest, before_ns),
                )
                if not cursor.rowcount:
                    return False
            self._drop(digest)
        return True

    def collect_manifest(self, repository: str, digest: Digest, before_ns: int) -> bool:
        """Remove a manifest that nothing leads to, if it is older than `before_ns`; whether that was done."""
        with self._changing:
            with self.database.transaction(durable=True) as cursor:
                cursor.execute(
                    "DELETE FROM registry_manifests WHERE repository = ? AND digest = ? AND pushed_ns <= ? "
                    f"AND {rows.UNNAMED}",
                    (repository, digest, before_ns),
                )
                if not cursor.rowcount:
                    return False
            self._drop(digest)
        return True

    def gauges(self) -> dict[str, float]:
        """How much there is of everything."""
        sizes = [self.size_of(digest) for digest in list(self.content.digests())]
        return {
            "registry_blobs": len(sizes),
            "registry_blob_bytes": sum(sizes),
            "registry_uploads_open": len(self.uploads),
            "registry_manifests": self._count("registry_manifests"),
            "registry_tags": self._count("registry_tags"),
        }

    def _count(self, table: str) -> int:
        return int(self.database.query(f"SELECT COUNT(*) AS n FROM {table}")[0]["n"])

    def size_of(self, digest: Digest) -> int:
        """The bytes that a blob takes, 0 when it is gone."""
        try:
            return self.content.size(digest)
        except NotFound:
            return 0

    def collect_stray(self, digest: Digest, *, since: float, before: float) -> int:
        """Remove content that no row speaks of, if it is older than `before` (Unix time); the bytes freed."""
        with self._changing:
            try:
                status = self.content.path(digest).stat()
            except FileNotFoundError:
                return 0
            if status.st_mtime > before or self.was_wanted(digest, since):
                return 0
            return status.st_size if self._drop(digest) else 0

    def forget_wishes(self, since: float) -> None:
        """Forget what was asked for before a moment (monotonic)."""
        with self._changing:
            self._wanted = {digest: at for digest, at in self._wanted.items() if at >= since}

    def _check(self, repository: str, document: Document) -> None:
        missing = [
            descriptor.digest
            for descriptor in document.blobs
            if not (rows.has_blob(self.database, repository, descriptor.digest) and self.content.has(descriptor.digest))
        ]
        missing += [
            descriptor.digest
            for descriptor in document.manifests
            if rows.manifest(self.database, repository, descriptor.digest, by_tag=False) is None
        ]
        if missing:
            detail = {"digest": missing[0]}
            raise Refusal("MANIFEST_BLOB_UNKNOWN", "the manifest names what is not in the repository", detail=detail)
        for descriptor in document.blobs:
            if self.content.size(descriptor.digest) != descriptor.size:
                raise Refusal("MANIFEST_INVALID", f"{descriptor.digest} does not have {descriptor.size} bytes")

    def _link(self, repository: str, digest: Digest) -> None:
        with self.database.transaction(durable=True) as cursor:
            rows.link(cursor, repository, digest, time.time_ns())

    def _drop(self, digest: Digest) -> bool:
        """Remove content if no row speaks of it; with the lock held."""
        for table in ("registry_blobs", "registry_manifests"):
            if self.database.query(f"SELECT 1 FROM {table} WHERE digest = ? LIMIT 1", (digest,)):
                return False
        self.content.remove(digest)
        return True
