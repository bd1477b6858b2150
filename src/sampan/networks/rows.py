"""Which rows make a network, and how are they read and written?

    network     one for each network but `none` and `host`, which follow from the engine's id
    endpoint    one for each place that a container holds in a network: its addresses, its ports

An endpoint's row is written before the kernel is changed and removed after: whatever a crash leaves in the kernel, the
row says how to undo it. A reboot makes all endpoints untrue, so their rows do not wait for the disk.
"""

import sqlite3

import msgspec

from sampan.db import Database
from sampan.errors import Conflict
from sampan.networks.model import Endpoint, Network

SCHEMA = """
CREATE TABLE IF NOT EXISTS network (
    id       TEXT PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE,
    settings TEXT NOT NULL   -- JSON
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS endpoint (
    id        TEXT PRIMARY KEY,
    network   TEXT NOT NULL,
    container TEXT NOT NULL,
    settings  TEXT NOT NULL, -- JSON
    UNIQUE (container, network)
) STRICT, WITHOUT ROWID;
"""


class Rows:
    """The rows of networks and endpoints; without a database they last as long as this object."""

    def __init__(self, database: Database | None = None) -> None:
        self._database = database

    def networks(self) -> list[Network]:
        """Every network that has a row."""
        if self._database is None:
            return []
        return [
            msgspec.json.decode(row["settings"], type=Network)
            for row in self._database.query("SELECT settings FROM network")
        ]

    def endpoints(self) -> list[Endpoint]:
        """Every endpoint that has a row."""
        if self._database is None:
            return []
        return [
            msgspec.json.decode(row["settings"], type=Endpoint)
            for row in self._database.query("SELECT settings FROM endpoint")
        ]

    def keep_network(self, network: Network) -> None:
        """Write a network, new or changed; safe when it returns. Raises Conflict when its name is in use."""
        if self._database is None:
            return
        try:
            with self._database.transaction(durable=True) as cursor:
                cursor.execute(
                    "INSERT INTO network (id, name, settings) VALUES (?, ?, ?) "
                    "ON CONFLICT (id) DO UPDATE SET name = excluded.name, settings = excluded.settings",
                    (network.id, network.name, msgspec.json.encode(network).decode()),
                )
        except sqlite3.IntegrityError:
            raise Conflict(f"network with name {network.name} already exists") from None

    def drop_network(self, network_id: str) -> None:
        """Forget a network; safe when it returns."""
        if self._database is not None:
            with self._database.transaction(durable=True) as cursor:
                cursor.execute("DELETE FROM network WHERE id = ?", (network_id,))

    def keep_endpoint(self, endpoint: Endpoint) -> None:
        """Write an endpoint, new or changed."""
        if self._database is not None:
            with self._database.transaction(durable=False) as cursor:
                cursor.execute(
                    "INSERT OR REPLACE INTO endpoint (id, network, container, settings) VALUES (?, ?, ?, ?)",
                    (endpoint.id, endpoint.network_id, endpoint.container_id, msgspec.json.encode(endpoint).decode()),
                )

    def drop_endpoint(self, endpoint_id: str) -> None:
        """Forget an endpoint."""
        if self._database is not None:
            with self._database.transaction(durable=False) as cursor:
                cursor.execute("DELETE FROM endpoint WHERE id = ?", (endpoint_id,))
