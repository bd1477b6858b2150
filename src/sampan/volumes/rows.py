"""Where are volumes kept? Each in a row; the rows are the truth, directories follow them."""

import json
import sqlite3
from collections.abc import Mapping

from sampan.db import Database
from sampan.errors import Conflict
from sampan.volumes.volume import Volume

SCHEMA = """
CREATE TABLE IF NOT EXISTS volume (
    name       TEXT PRIMARY KEY,
    created_ns INTEGER NOT NULL,
    labels     TEXT NOT NULL,  -- JSON: an object, or null
    options    TEXT NOT NULL,  -- JSON: an object, or null
    moved_from TEXT NOT NULL   -- the name that the directory may still have, while the volume is renamed
) STRICT, WITHOUT ROWID;
"""


def read_all(database: Database) -> list[Volume]:
    """Every volume."""
    return [_from_row(row) for row in database.query("SELECT * FROM volume ORDER BY name")]


def insert(database: Database, volume: Volume) -> None:
    """Keep a new volume, durably. Raises Conflict when the name is taken."""
    try:
        with database.transaction(durable=True) as cursor:
            cursor.execute(
                "INSERT INTO volume (name, created_ns, labels, options, moved_from) VALUES (?, ?, ?, ?, ?)",
                (volume.name, volume.created_ns, _json(volume.labels), _json(volume.options), volume.moved_from),
            )
    except sqlite3.IntegrityError:
        raise Conflict(f"create {volume.name}: a volume of this name exists") from None


def delete(database: Database, name: str) -> None:
    """Forget a volume, durably; it may be forgotten already."""
    with database.transaction(durable=True) as cursor:
        cursor.execute("DELETE FROM volume WHERE name = ?", (name,))


def rename(database: Database, old: str, new: str) -> None:
    """Give a volume another name, durably, and note where its directory may still be. Raises Conflict."""
    try:
        with database.transaction(durable=True) as cursor:
            cursor.execute("UPDATE volume SET name = ?, moved_from = ? WHERE name = ?", (new, old, old))
    except sqlite3.IntegrityError:
        raise Conflict(f"rename {old}: a volume called {new} exists") from None


def settle(database: Database, name: str) -> None:
    """Note that the directory has the volume's own name."""
    with database.transaction(durable=True) as cursor:
        cursor.execute("UPDATE volume SET moved_from = '' WHERE name = ?", (name,))


def _json(value: Mapping[str, str] | None) -> str:
    return json.dumps(None if value is None else dict(value), separators=(",", ":"), sort_keys=True)


def _from_row(row: sqlite3.Row) -> Volume:
    return Volume(
        name=row["name"],
        created_ns=row["created_ns"],
        labels=json.loads(row["labels"]),
        options=json.loads(row["options"]),
        moved_from=row["moved_from"],
    )
