"""Which builds were there lately, how long did they take, and what became of them?

A row for each, the last KEPT of them; no argument's value, no secret and no file name is in it.
"""

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sampan.db import Database
from sampan.images.moment import rfc3339

SCHEMA = """
CREATE TABLE IF NOT EXISTS builds (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    target TEXT NOT NULL,
    image TEXT NOT NULL DEFAULT '',
    status TEXT NOT NULL,
    error TEXT NOT NULL DEFAULT '',
    steps INTEGER NOT NULL DEFAULT 0,
    cached INTEGER NOT NULL DEFAULT 0,
    started_ns INTEGER NOT NULL,
    ended_ns INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS builds_by_start ON builds (started_ns);
"""
KEPT = 200
ERROR_MAX = 400
RUNNING, COMPLETED, FAILED, CANCELLED, LOST = "Running", "Completed", "Error", "Canceled", "Lost"


@dataclass(slots=True)
class Record:
    """One build on its way; whoever builds fills it in."""

    id: str
    image: str = ""
    steps: int = 0
    cached: int = 0


class History:
    """The builds of this engine; may be used from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.transaction(durable=False) as cursor:  # those that the last daemon did not see end
            cursor.execute("UPDATE builds SET status = ? WHERE status = ?", (LOST, RUNNING))

    @contextmanager
    def record(self, name: str, target: str) -> Iterator[Record]:
        """Note a build while the block runs, and how the block ended."""
        found = Record(secrets.token_hex(12))
        self._begin(found, name, target)
        status, error = COMPLETED, ""
        try:
            yield found
        except Exception as failure:
            status, error = FAILED, str(failure).partition("\n")[0][:ERROR_MAX]
            raise
        except BaseException:
            status = CANCELLED
            raise
        finally:
            self._end(found, status, error)

    def list(self) -> Sequence[dict[str, Any]]:
        """The latest first."""
        rows = self._database.query("SELECT * FROM builds ORDER BY started_ns DESC")
        return [
            {
                "ID": row["id"],
                "Name": row["name"],
                "Target": row["target"],
                "Image": row["image"],
                "Status": row["status"],
                "Error": row["error"],
                "Steps": row["steps"],
                "CachedSteps": row["cached"],
                "CreatedAt": rfc3339(row["started_ns"]),
                "DurationNs": max(0, (row["ended_ns"] or time.time_ns()) - row["started_ns"]),
            }
            for row in rows
        ]

    def _begin(self, record: Record, name: str, target: str) -> None:
        with self._database.transaction(durable=False) as cursor:
            cursor.execute(
                "INSERT INTO builds (id, name, target, status, started_ns) VALUES (?, ?, ?, ?, ?)",
                (record.id, name, target, RUNNING, time.time_ns()),
            )
            cursor.execute(
                "DELETE FROM builds WHERE id NOT IN (SELECT id FROM builds ORDER BY started_ns DESC LIMIT ?)", (KEPT,)
            )

    def _end(self, record: Record, status: str, error: str) -> None:
        with self._database.transaction(durable=False) as cursor:
            cursor.execute(
                "UPDATE builds SET status = ?, error = ?, image = ?, steps = ?, cached = ?, ended_ns = ? WHERE id = ?",
                (status, error, record.image, record.steps, record.cached, time.time_ns(), record.id),
            )
