"""Which compressed blobs stand for a layer, and where have they been seen?

    layer_blobs     diff ID → digest, size and media type of a blob that decompresses to it (verified here)
    blob_sources    digest → a repository that has it

A push sends what it knows to be there already by its digest, or has it mounted from a repository next door.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sampan.db import Database
from sampan.oci.digest import Digest

SCHEMA = """
CREATE TABLE IF NOT EXISTS layer_blobs (
    diff_id TEXT NOT NULL,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    media_type TEXT NOT NULL,
    PRIMARY KEY (diff_id, digest)
);
CREATE TABLE IF NOT EXISTS blob_sources (
    digest TEXT NOT NULL,
    repository TEXT NOT NULL,
    PRIMARY KEY (digest, repository)
);
"""
MAX_SOURCES = 20


@dataclass(frozen=True, slots=True)
class LayerBlob:
    """A blob that is a layer once it is decompressed."""

    diff_id: Digest
    digest: Digest
    size: int
    media_type: str


def blobs_of(database: Database, diff_id: Digest) -> list[LayerBlob]:
    """The blobs known to stand for a layer, the latest first."""
    found = database.query("SELECT * FROM layer_blobs WHERE diff_id = ? ORDER BY rowid DESC", (diff_id,))
    return [LayerBlob(row["diff_id"], row["digest"], row["size"], row["media_type"]) for row in found]


def sources_of(database: Database, digest: Digest, domain: str) -> list[str]:
    """Repositories of the registry `domain` that had the blob, by their paths, the latest first."""
    found = database.query(
        "SELECT repository FROM blob_sources WHERE digest = ? ORDER BY rowid DESC LIMIT ?", (digest, MAX_SOURCES)
    )
    return [name.removeprefix(f"{domain}/") for (name,) in found if name.startswith(f"{domain}/")]


def remember(database: Database, blobs: Iterable[LayerBlob], repository: str) -> None:
    """These blobs are in `repository` (its whole name); what is known about layers that are gone is forgotten."""
    blobs = list(blobs)
    with database.transaction(durable=False) as cursor:
        cursor.executemany(
            "INSERT OR REPLACE INTO layer_blobs (diff_id, digest, size, media_type) VALUES (?, ?, ?, ?)",
            [(each.diff_id, each.digest, each.size, each.media_type) for each in blobs],
        )
        cursor.executemany(
            "INSERT OR REPLACE INTO blob_sources (digest, repository) VALUES (?, ?)",
            [(each.digest, repository) for each in blobs],
        )
        cursor.execute("DELETE FROM layer_blobs WHERE diff_id NOT IN (SELECT diff_id FROM image_layers)")
        cursor.execute("DELETE FROM blob_sources WHERE digest NOT IN (SELECT digest FROM layer_blobs)")
        for each in blobs:
            cursor.execute(
                "DELETE FROM blob_sources WHERE digest = ? AND rowid NOT IN "
                "(SELECT rowid FROM blob_sources WHERE digest = ? ORDER BY rowid DESC LIMIT ?)",
                (each.digest, each.digest, MAX_SOURCES),
            )
