"""Which rows make an image, and how are they read and written?

    images          one for each image: its ID is the digest of its config
    image_layers    its layers, bottom first, with their sizes
    image_blobs     other content it keeps: its config, manifest, compressed layers
    image_tags      repository:tag → image           a name belongs to one image
    image_digests   repository@digest → image

A row is written last and removed first: what it refers to is in the stores as long as the row is there. `hidden` rows
are images that were removed by force while a stopped container still stood on their layers; nobody can name them.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sampan.db import Database
from sampan.oci.digest import Digest
from sampan.oci.reference import Reference, parse_normal

SCHEMA = """
CREATE TABLE IF NOT EXISTS images (
    id TEXT PRIMARY KEY,
    parent TEXT NOT NULL DEFAULT '',
    manifest TEXT NOT NULL DEFAULT '',
    tagged_ns INTEGER NOT NULL DEFAULT 0,
    hidden INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS image_layers (
    image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    diff_id TEXT NOT NULL,
    size INTEGER NOT NULL,
    PRIMARY KEY (image, position)
);
CREATE INDEX IF NOT EXISTS image_layers_by_diff_id ON image_layers (diff_id);
CREATE TABLE IF NOT EXISTS image_blobs (
    image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    PRIMARY KEY (image, digest)
);
CREATE INDEX IF NOT EXISTS image_blobs_by_digest ON image_blobs (digest);
CREATE TABLE IF NOT EXISTS image_tags (
    name TEXT NOT NULL,
    tag TEXT NOT NULL,
    image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    PRIMARY KEY (name, tag)
);
CREATE INDEX IF NOT EXISTS image_tags_by_image ON image_tags (image);
CREATE TABLE IF NOT EXISTS image_digests (
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    PRIMARY KEY (name, digest)
);
CREATE INDEX IF NOT EXISTS image_digests_by_image ON image_digests (image);
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One image as its rows have it; `layers` are (diff ID, size in bytes), bottom first."""

    id: Digest
    parent: str
    manifest: str
    tagged_ns: int
    hidden: bool
    layers: tuple[tuple[Digest, int], ...]
    references: tuple[Reference, ...]


def id_of_reference(database: Database, reference: Reference) -> Digest | None:
    """The image that a name belongs to. A digest wins over a tag: it names content."""
    if reference.digest:
        found = database.query(
            "SELECT image FROM image_digests WHERE name = ? AND digest = ?", (reference.name, reference.digest)
        )
    else:
        found = database.query(
            "SELECT image FROM image_tags WHERE name = ? AND tag = ?",
            (reference.name, reference.with_default_tag().tag),
        )
    return found[0]["image"] if found else None


def ids_with_prefix(database: Database, prefix: str) -> list[Digest]:
    """Up to two visible images whose ID begins with `prefix` (`sha256:ab…`); the exact one alone if there is one."""
    rows = database.query(
        # "g" follows every hex digit, so the range holds exactly the IDs that begin with the prefix.
        "SELECT id FROM images WHERE id >= ? AND id < ? AND hidden = 0 ORDER BY id LIMIT 2",
        (prefix, prefix + "g"),
    )
    ids = [row["id"] for row in rows]
    return [prefix] if prefix in ids else ids


def read(database: Database, image_id: Digest) -> Row | None:
    """One image, hidden or not."""
    rows = database.query("SELECT * FROM images WHERE id = ?", (image_id,))
    if not rows:
        return None
    layers = database.query("SELECT diff_id, size FROM image_layers WHERE image = ? ORDER BY position", (image_id,))
    tags = database.query("SELECT name, tag FROM image_tags WHERE image = ?", (image_id,))
    digests = database.query("SELECT name, digest FROM image_digests WHERE image = ?", (image_id,))
    return _row(rows[0], layers, tags, digests)


def read_all(database: Database) -> list[Row]:
    """Every visible image."""
    images = database.query("SELECT * FROM images WHERE hidden = 0")
    layers = _by_image(database.query("SELECT image, diff_id, size FROM image_layers ORDER BY image, position"))
    tags = _by_image(database.query("SELECT image, name, tag FROM image_tags"))
    digests = _by_image(database.query("SELECT image, name, digest FROM image_digests"))
    return [_row(row, *(part.get(row["id"], []) for part in (layers, tags, digests))) for row in images]


def insert(
    cursor: sqlite3.Cursor,
    image_id: Digest,
    layers: Sequence[tuple[Digest, int]],
    blobs: Iterable[Digest],
    *,
    manifest: str = "",
    parent: str = "",
) -> None:
    """Make the image, or bring a hidden one back; what is there already stays as it is."""
    cursor.execute(
        "INSERT INTO images (id, manifest, parent) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET hidden = 0, "
        "manifest = CASE WHEN manifest = '' THEN excluded.manifest ELSE manifest END",
        (image_id, manifest, parent),
    )
    cursor.executemany(
        "INSERT OR IGNORE INTO image_layers (image, position, diff_id, size) VALUES (?, ?, ?, ?)",
        [(image_id, position, diff_id, size) for position, (diff_id, size) in enumerate(layers)],
    )
    cursor.executemany(
        "INSERT OR IGNORE INTO image_blobs (image, digest) VALUES (?, ?)", [(image_id, blob) for blob in blobs]
    )


def name(cursor: sqlite3.Cursor, reference: Reference, image_id: Digest) -> None:
    """Let a name (with a tag or a digest) mean this image from now on."""
    if reference.digest:
        cursor.execute(
            "INSERT OR REPLACE INTO image_digests (name, digest, image) VALUES (?, ?, ?)",
            (reference.name, reference.digest, image_id),
        )
    else:
        cursor.execute(
            "INSERT OR REPLACE INTO image_tags (name, tag, image) VALUES (?, ?, ?)",
            (reference.name, reference.tag, image_id),
        )


def unname(cursor: sqlite3.Cursor, reference: Reference) -> None:
    """Let a name mean nothing."""
    if reference.digest:
        cursor.execute("DELETE FROM image_digests WHERE name = ? AND digest = ?", (reference.name, reference.digest))
    else:
        cursor.execute("DELETE FROM image_tags WHERE name = ? AND tag = ?", (reference.name, reference.tag))


def _by_image(rows: Iterable[sqlite3.Row]) -> dict[str, list[sqlite3.Row]]:
    grouped: dict[str, list[sqlite3.Row]] = {}
    for row in rows:
        grouped.setdefault(row["image"], []).append(row)
    return grouped


def _row(
    image: sqlite3.Row, layers: Sequence[sqlite3.Row], tags: Sequence[sqlite3.Row], digests: Sequence[sqlite3.Row]
) -> Row:
    references = [parse_normal(f"{row['name']}:{row['tag']}") for row in tags]
    references += [parse_normal(f"{row['name']}@{row['digest']}") for row in digests]
    return Row(
        id=image["id"],
        parent=image["parent"],
        manifest=image["manifest"],
        tagged_ns=image["tagged_ns"],
        hidden=bool(image["hidden"]),
        layers=tuple((row["diff_id"], row["size"]) for row in layers),
        references=tuple(sorted(references, key=str)),
    )
