"""Where is kept how containers are?

In memory and in SQLite, beside the containers' own rows: a result changes every few seconds, what a container is hardly
ever does. Written without waiting for the disk; a reboot makes it false anyway.
"""

from collections.abc import Mapping

import msgspec

from sampan.containers.health_state import Health
from sampan.db import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS container_health (
    id     TEXT PRIMARY KEY REFERENCES container (id) ON DELETE CASCADE,
    health TEXT NOT NULL  -- JSON: verdict, streak and the last results
) STRICT, WITHOUT ROWID;
"""


class HealthRows:
    """What is known of each container that has a health check and was started."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known = {
            row["id"]: msgspec.json.decode(row["health"], type=Health)
            for row in database.query("SELECT id, health FROM container_health")
        }

    def get(self, container_id: str) -> Health | None:
        """What is known; None for a container without a health check, or one that was never started."""
        return self._known.get(container_id)

    def verdicts(self) -> Mapping[str, str]:
        """The verdict on each container, in Docker's word."""
        return {container_id: health.verdict.value for container_id, health in self._known.items()}

    def save(self, container_id: str, health: Health) -> Health:
        """Note what is known now. Raises Unavailable when the disk does not take it."""
        self._known[container_id] = health
        with self._database.transaction(durable=False) as cursor:
            cursor.execute(
                "INSERT INTO container_health (id, health) SELECT id, ? FROM container WHERE id = ? "
                "ON CONFLICT (id) DO UPDATE SET health = excluded.health",
                (msgspec.json.encode(health).decode(), container_id),
            )
        return health

    def forget(self, container_id: str) -> None:
        """The container is gone; its row here went with its own."""
        self._known.pop(container_id, None)
