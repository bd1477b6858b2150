"""What does a registry remember besides its blobs?

    registry_blobs        which repository may see which blob, and since when
    registry_manifests    the manifests of a repository, with what referrers are listed by
    registry_references   manifest → the blobs and manifests that it names
    registry_tags         tag → manifest
    registry_uploads      uploads that have begun; their bytes are files of the same name

A row is written after the content that it speaks of is durable, and removed before that content is.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sampan.db import Database
from sampan.oci.digest import Digest

SCHEMA = """
CREATE TABLE IF NOT EXISTS registry_blobs (
    repository TEXT NOT NULL,
    digest TEXT NOT NULL,
    linked_ns INTEGER NOT NULL,
    PRIMARY KEY (repository, digest)
);
CREATE INDEX IF NOT EXISTS registry_blobs_by_digest ON registry_blobs (digest);
CREATE TABLE IF NOT EXISTS registry_manifests (
    repository TEXT NOT NULL,
    digest TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size INTEGER NOT NULL,
    subject TEXT NOT NULL DEFAULT '',
    artifact_type TEXT NOT NULL DEFAULT '',
    annotations TEXT NOT NULL DEFAULT '{}',
    pushed_ns INTEGER NOT NULL,
    PRIMARY KEY (repository, digest)
);
CREATE INDEX IF NOT EXISTS registry_manifests_by_digest ON registry_manifests (digest);
CREATE INDEX IF NOT EXISTS registry_manifests_by_subject ON registry_manifests (repository, subject);
CREATE TABLE IF NOT EXISTS registry_references (
    repository TEXT NOT NULL,
    manifest TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (repository, manifest, digest),
    FOREIGN KEY (repository, manifest) REFERENCES registry_manifests (repository, digest) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS registry_references_by_digest ON registry_references (repository, digest);
CREATE TABLE IF NOT EXISTS registry_tags (
    repository TEXT NOT NULL,
    tag TEXT NOT NULL,
    manifest TEXT NOT NULL,
    PRIMARY KEY (repository, tag),
    FOREIGN KEY (repository, manifest) REFERENCES registry_manifests (repository, digest) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS registry_tags_by_manifest ON registry_tags (repository, manifest);
CREATE TABLE IF NOT EXISTS registry_uploads (
    id TEXT PRIMARY KEY,
    repository TEXT NOT NULL,
    begun_ns INTEGER NOT NULL
);
"""

UNNAMED = """subject = ''
    AND NOT EXISTS (SELECT 1 FROM registry_tags t
        WHERE t.repository = registry_manifests.repository AND t.manifest = registry_manifests.digest)
    AND NOT EXISTS (SELECT 1 FROM registry_references r
        WHERE r.repository = registry_manifests.repository AND r.digest = registry_manifests.digest)"""
"""The condition that says that nothing leads to a manifest."""


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """A manifest in a repository, without its bytes."""

    digest: Digest
    media_type: str
    size: int
    subject: str = ""
    artifact_type: str = ""
    annotations: Mapping[str, str] | None = None


def has_blob(database: Database, repository: str, digest: Digest) -> bool:
    """Whether the repository may see the blob."""
    sql = "SELECT 1 FROM registry_blobs WHERE repository = ? AND digest = ?"
    return bool(database.query(sql, (repository, digest)))


def repositories_of(database: Database, digest: Digest) -> list[str]:
    """The repositories that have a blob."""
    found = database.query("SELECT repository FROM registry_blobs WHERE digest = ? ORDER BY repository", (digest,))
    return [row["repository"] for row in found]


def link(cursor: sqlite3.Cursor, repository: str, digest: Digest, now_ns: int) -> None:
    """Let a repository see a blob."""
    cursor.execute(
        "INSERT INTO registry_blobs (repository, digest, linked_ns) VALUES (?, ?, ?) "
        "ON CONFLICT (repository, digest) DO UPDATE SET linked_ns = excluded.linked_ns",
        (repository, digest, now_ns),
    )


def unlink(cursor: sqlite3.Cursor, repository: str, digest: Digest) -> bool:
    """Let a repository no longer see a blob; returns whether it could."""
    cursor.execute("DELETE FROM registry_blobs WHERE repository = ? AND digest = ?", (repository, digest))
    return cursor.rowcount > 0


def manifest(database: Database, repository: str, reference: str, *, by_tag: bool) -> ManifestRow | None:
    """The manifest that a tag or a digest means."""
    where = (
        "JOIN registry_tags USING (repository) WHERE manifest = digest AND tag = ?" if by_tag else "WHERE digest = ?"
    )
    sql = f"SELECT registry_manifests.* FROM registry_manifests {where} AND repository = ?"
    found = database.query(sql, (reference, repository))
    return _manifest(found[0]) if found else None


def referrers(database: Database, repository: str, subject: Digest, last: str, limit: int) -> list[ManifestRow]:
    """Manifests whose subject is the given one, in the order of their digests, those after `last`."""
    sql = "SELECT * FROM registry_manifests WHERE repository = ? AND subject = ? AND digest > ? ORDER BY digest LIMIT ?"
    return [_manifest(row) for row in database.query(sql, (repository, subject, last, limit))]


def put_manifest(
    cursor: sqlite3.Cursor,
    repository: str,
    row: ManifestRow,
    references: Iterable[Digest],
    tags: Iterable[str],
    now_ns: int,
) -> None:
    """Keep a manifest, what it names, and give it tags, which are taken from those that had them."""
    cursor.execute(
        "INSERT INTO registry_manifests VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (repository, digest) DO UPDATE "
        "SET media_type = excluded.media_type, pushed_ns = excluded.pushed_ns",
        (
            repository, row.digest, row.media_type, row.size, row.subject, row.artifact_type,
            json.dumps(row.annotations or {}), now_ns,
        ),
    )  # fmt: skip
    cursor.executemany(
        "INSERT OR IGNORE INTO registry_references (repository, manifest, digest) VALUES (?, ?, ?)",
        [(repository, row.digest, digest) for digest in references],
    )
    cursor.executemany(
        "INSERT OR REPLACE INTO registry_tags (repository, tag, manifest) VALUES (?, ?, ?)",
        [(repository, tag, row.digest) for tag in tags],
    )


def delete_manifest(cursor: sqlite3.Cursor, repository: str, digest: Digest) -> bool:
    """Forget a manifest with its tags; returns whether it was there."""
    cursor.execute("DELETE FROM registry_manifests WHERE repository = ? AND digest = ?", (repository, digest))
    return cursor.rowcount > 0


def delete_tag(cursor: sqlite3.Cursor, repository: str, tag: str) -> bool:
    """Forget a tag; returns whether it was there."""
    cursor.execute("DELETE FROM registry_tags WHERE repository = ? AND tag = ?", (repository, tag))
    return cursor.rowcount > 0


def tags(database: Database, repository: str, last: str, limit: int) -> list[str]:
    """Tags in lexical order, those after `last`."""
    sql = "SELECT tag FROM registry_tags WHERE repository = ? AND tag > ? ORDER BY tag LIMIT ?"
    return [row["tag"] for row in database.query(sql, (repository, last, limit))]


def is_known(database: Database, repository: str) -> bool:
    """Whether the repository has anything."""
    return any(
        database.query(f"SELECT 1 FROM {table} WHERE repository = ? LIMIT 1", (repository,))
        for table in ("registry_manifests", "registry_blobs")
    )


def repositories(database: Database, last: str, limit: int) -> list[str]:
    """Repositories that have manifests, in lexical order, those after `last`."""
    sql = "SELECT DISTINCT repository FROM registry_manifests WHERE repository > ? ORDER BY repository LIMIT ?"
    return [row["repository"] for row in database.query(sql, (last, limit))]


def _manifest(row: sqlite3.Row) -> ManifestRow:
    return ManifestRow(
        row["digest"], row["media_type"], row["size"], row["subject"], row["artifact_type"],
        json.loads(row["annotations"]),
    )  # fmt: skip
