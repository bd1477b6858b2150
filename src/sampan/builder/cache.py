"""Was this step done before, and what came of it?

A key is a digest over everything that the step's outcome depends on: what it does, the layers it stands on, the
contents
it copies, its mounts, the ARGs in scope; never times, and never a secret. A row says which layer came of it; the layer
itself is in the layer store and is kept by the row. Rows are written when the layer is durable, so a build that was
killed goes on from its finished steps.
"""

import hashlib
import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sampan.builder.needs import Layers
from sampan.db import Database
from sampan.images.moment import rfc3339, unix_ns
from sampan.wire import timestamps
from sampan.wire.filters import Filters

SCHEMA = """
CREATE TABLE IF NOT EXISTS build_cache (
    key TEXT PRIMARY KEY,
    diff_id TEXT NOT NULL,
    size INTEGER NOT NULL,
    description TEXT NOT NULL,
    kind TEXT NOT NULL,
    parent TEXT NOT NULL DEFAULT '',
    created_ns INTEGER NOT NULL,
    used_ns INTEGER NOT NULL,
    uses INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS build_cache_by_diff_id ON build_cache (diff_id);
CREATE INDEX IF NOT EXISTS build_cache_by_use ON build_cache (used_ns);
"""
REGULAR, MOUNT, CONTEXT = "regular", "exec.cachemount", "source.local"
FILTERS = ("until", "unused-for", "id", "parent", "type", "description", "inuse", "shared", "private")
DESCRIPTION_MAX = 512


@dataclass(frozen=True, slots=True)
class Hit:
    """What came of a step: its layer, and when it was made (Unix nanoseconds)."""

    diff_id: str
    created_ns: int


def key_of(*parts: Any) -> str:
    """The digest of everything that a step depends on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class Cache:
    """The finished steps; may be used from any thread."""

    def __init__(self, database: Database, layers: Layers) -> None:
        self._database = database
        self._layers = layers

    def find(self, key: str) -> Hit | None:
        """What came of the step with this key; None when that is not known, or its layer is gone."""
        rows = self._database.query("SELECT diff_id, created_ns FROM build_cache WHERE key = ?", (key,))
        if not rows or not self._layers.has(rows[0]["diff_id"]):
            return None
        return Hit(rows[0]["diff_id"], rows[0]["created_ns"])

    def used(self, keys: Sequence[str]) -> None:
        """A build used these. Not for ever: losing it to a power cut costs nothing."""
        if not keys:
            return
        with self._database.transaction(durable=False) as cursor:
            cursor.executemany(
                "UPDATE build_cache SET used_ns = ?, uses = uses + 1 WHERE key = ?",
                [(time.time_ns(), key) for key in keys],
            )

    def add(self, key: str, diff_id: str, *, size: int, description: str, parent: str = "") -> Hit:
        """Note what came of a step whose layer is durable."""
        now = time.time_ns()
        with self._database.transaction(durable=False) as cursor:
            cursor.execute(
                "INSERT OR REPLACE INTO build_cache "
                "(key, diff_id, size, description, kind, parent, created_ns, used_ns, uses) VALUES (?,?,?,?,?,?,?,?,1)",
                (key, diff_id, size, description[:DESCRIPTION_MAX], REGULAR, parent, now, now),
            )
        return Hit(diff_id, now)

    def adopt(self, key: str, diff_id: str, *, size: int) -> None:
        """Believe another engine that this is what comes of a step; what is known here stays."""
        now = time.time_ns()
        with self._database.transaction(durable=False) as cursor:
            cursor.execute(
                "INSERT OR IGNORE INTO build_cache (key, diff_id, size, description, kind, created_ns, used_ns, uses) "
                "VALUES (?, ?, ?, 'imported', ?, ?, ?, 0)",
                (key, diff_id, size, REGULAR, now, now),
            )

    def layers_of(self, keys: Sequence[str]) -> dict[str, str]:
        """key → layer of those keys that are known."""
        found = {}
        for key in keys:
            rows = self._database.query("SELECT diff_id FROM build_cache WHERE key = ?", (key,))
            if rows:
                found[key] = str(rows[0]["diff_id"])
        return found

    def keeps(self, diff_id: str) -> bool:
        """Whether a row needs this layer."""
        return bool(self._database.query("SELECT 1 FROM build_cache WHERE diff_id = ? LIMIT 1", (diff_id,)))

    def bytes(self) -> int:
        """The bytes of all layers that rows need, each once."""
        found = self._database.query("SELECT SUM(size) AS size FROM (SELECT DISTINCT diff_id, size FROM build_cache)")
        return int(found[0]["size"] or 0)

    def records(self) -> list[dict[str, Any]]:
        """`BuildCache` of `GET /system/df`, the latest first."""
        in_images = {row["diff_id"] for row in self._database.query("SELECT DISTINCT diff_id FROM image_layers")}
        rows = self._database.query("SELECT * FROM build_cache ORDER BY used_ns DESC")
        return [_record(row, row["diff_id"] in in_images) for row in rows]

    def prune(self, filters: Filters, *, everything: bool, keep_bytes: int = 0) -> tuple[list[str], list[str], int]:
        """Forget rows: their keys, the layers that may go now, and the bytes of those.

        Without `everything` only what no image has. The least recently used go first, until `keep_bytes` are left.
        """
        rows = [record for record in self.records() if _passes(record, filters)]
        if not everything:
            rows = [record for record in rows if not record["Shared"]]
        kept = sum(record["Size"] for record in self.records())
        doomed = []
        for record in reversed(rows):
            if keep_bytes and kept <= keep_bytes:
                break
            kept -= record["Size"]
            doomed.append(record)
        found = self._database.query("SELECT key, diff_id FROM build_cache")
        layers = {row["key"]: row["diff_id"] for row in found}
        with self._database.transaction() as cursor:
            cursor.executemany("DELETE FROM build_cache WHERE key = ?", [(record["ID"],) for record in doomed])
        gone = [layers[record["ID"]] for record in doomed if record["ID"] in layers]
        freed = sum(record["Size"] for record in doomed if not record["Shared"])
        return [record["ID"] for record in doomed], gone, freed


def mount_record(name: str, size: int) -> dict[str, Any]:
    """The record of a directory of `RUN --mount=type=cache`."""
    return _record_of(name, MOUNT, "cached mount", size)


def context_record(key: str, size: int) -> dict[str, Any]:
    """The record of a context that is kept to be built from again."""
    return _record_of(key, CONTEXT, "local source for context", size)


def _record_of(name: str, kind: str, description: str, size: int) -> dict[str, Any]:
    return {
        "ID": name, "Parents": None, "Type": kind, "Description": description, "InUse": False, "Shared": False,
        "Size": size, "CreatedAt": rfc3339(0), "LastUsedAt": None, "UsageCount": 0,
    }  # fmt: skip


def _record(row: sqlite3.Row, is_shared: bool) -> dict[str, Any]:
    return {
        "ID": row["key"],
        "Parents": [row["parent"]] if row["parent"] else None,
        "Type": row["kind"],
        "Description": row["description"],
        "InUse": False,
        "Shared": is_shared,
        "Size": row["size"],
        "CreatedAt": rfc3339(row["created_ns"]),
        "LastUsedAt": rfc3339(row["used_ns"]),
        "UsageCount": row["uses"],
    }


def _passes(record: dict[str, Any], filters: Filters) -> bool:
    """Whether the filters of a prune let a record go. Raises InvalidRequest for what makes no sense."""
    filters.check(FILTERS)
    for name in ("until", "unused-for"):
        # BuildKit: both are durations, and speak of the last use.
        for value in filters.get(name):
            if unix_ns(record["LastUsedAt"]) > timestamps.parse(value):
                return False
    for name, field in (("id", "ID"), ("type", "Type"), ("description", "Description")):
        if name in filters and record[field] not in filters.get(name):
            return False
    if "parent" in filters and not set(record["Parents"] or ()) & set(filters.get("parent")):
        return False
    if filters.flag("inuse") or (filters.flag("shared") is not None and filters.flag("shared") != record["Shared"]):
        return False
    return filters.flag("private") in (None, not record["Shared"])
