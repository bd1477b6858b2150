"""Where are containers kept, and how is one found?

Every container is held in memory and in SQLite; memory is read, both are written, SQLite first. Two kinds of write:

    add, rename, discard, save_durably    before the user is told: survive power loss
    save                                  "running", "exited": survive kill -9; a reboot makes them false anyway

A name is unique: by an index in SQLite, and reserved in memory while its container is still being made.
"""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import msgspec

from sampan.containers import names
from sampan.containers.model import Container, State
from sampan.containers.mounts import MountPoint
from sampan.db import Database
from sampan.errors import Conflict
from sampan.wire.containers import ContainerConfig, EndpointSettings, HostConfig

SCHEMA = """
CREATE TABLE IF NOT EXISTS container (
    id       TEXT PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE,
    settings TEXT NOT NULL,  -- JSON: what was asked for; changes by update only
    state    TEXT NOT NULL   -- JSON: where it is in its life
) STRICT, WITHOUT ROWID;
"""


class Rows:
    """The rows of all containers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._containers = {row["id"]: _from_row(row) for row in database.query("SELECT * FROM container")}
        self._ids_by_name = {container.name: container.id for container in self._containers.values()}
        self._reserved: set[str] = set()

    def find(self, reference: str) -> Container:
        """The container meant by an id, a name or the beginning of an id. Raises NotFound or InvalidRequest."""
        return self._containers[names.resolve(reference, self._ids_by_name, self._containers)]

    def get(self, container_id: str) -> Container | None:
        """The container with this full id."""
        return self._containers.get(container_id)

    def all(self) -> list[Container]:
        """Every container, in no order."""
        return list(self._containers.values())

    @contextmanager
    def reserved(self, name: str | None, container_id: str) -> Iterator[str]:
        """Hold `name`, or an invented one, against others while the block makes its container."""
        chosen = names.invent(self._is_taken, container_id) if not name else names.check(name)
        if self._is_taken(chosen):
            raise self._name_conflict(chosen)
        self._reserved.add(chosen)
        try:
            yield chosen
        finally:
            self._reserved.discard(chosen)

    async def add(self, container: Container) -> None:
        """Keep a new container. Raises Conflict when its name is in use."""
        await asyncio.to_thread(self._insert, container)
        self._containers[container.id] = container
        self._ids_by_name[container.name] = container.id

    async def rename(self, container: Container, name: str) -> Container:
        """Give the container another name. Raises Conflict when that is in use."""
        renamed = replace(container, name=name)
        await asyncio.to_thread(self._update, renamed, True)
        del self._ids_by_name[container.name]
        self._ids_by_name[name] = container.id
        self._containers[container.id] = renamed
        return renamed

    def save(self, container: Container) -> Container:
        """Note what a crash of the daemon must not forget; without waiting for the disk."""
        self._update(container, False)
        self._containers[container.id] = container
        return container

    async def save_durably(self, container: Container) -> Container:
        """Note what the user will be told is done."""
        await asyncio.to_thread(self._update, container, True)
        self._containers[container.id] = container
        return container

    def set_aside(self, container: Container) -> None:
        """Show a status that is not worth a row, such as "removing"."""
        self._containers[container.id] = container

    async def discard(self, container: Container, *, durable: bool = True) -> None:
        """Forget the container: from here on it does not exist, and what is left of its files is rubbish."""
        await asyncio.to_thread(self._delete, container.id, durable)
        self._containers.pop(container.id, None)
        self._ids_by_name.pop(container.name, None)

    def _is_taken(self, name: str) -> bool:
        return name in self._ids_by_name or name in self._reserved

    def _name_conflict(self, name: str) -> Conflict:
        owner = self._ids_by_name.get(name)
        by = f'container "{owner}"' if owner else "a container that is being created"
        return Conflict(
            f'Conflict. The container name "/{name}" is already in use by {by}. '
            "You have to remove (or rename) that container to be able to reuse that name."
        )

    def _insert(self, container: Container) -> None:
        try:
            with self._database.transaction(durable=True) as cursor:
                cursor.execute(
                    "INSERT INTO container (id, name, settings, state) VALUES (?, ?, ?, ?)",
                    (container.id, container.name, _settings_json(container), _state_json(container.state)),
                )
        except sqlite3.IntegrityError:
            raise self._name_conflict(container.name) from None

    def _update(self, container: Container, durable: bool) -> None:
        try:
            with self._database.transaction(durable=durable) as cursor:
                cursor.execute(
                    "UPDATE container SET name = ?, settings = ?, state = ? WHERE id = ?",
                    (container.name, _settings_json(container), _state_json(container.state), container.id),
                )
        except sqlite3.IntegrityError:
            raise self._name_conflict(container.name) from None

    def _delete(self, container_id: str, durable: bool) -> None:
        with self._database.transaction(durable=durable) as cursor:
            cursor.execute("DELETE FROM container WHERE id = ?", (container_id,))


class _Settings(msgspec.Struct, kw_only=True):
    """The JSON of the column `settings`."""

    created_ns: int
    image_id: str
    diff_ids: tuple[str, ...]
    config: ContainerConfig
    host: HostConfig
    networks: dict[str, EndpointSettings]
    platform: str
    mounts: tuple[MountPoint, ...] | None = None


def _settings_json(container: Container) -> str:
    fields = {name: getattr(container, name) for name in _Settings.__struct_fields__}
    fields["networks"] = dict(container.networks)
    return msgspec.json.encode(_Settings(**fields)).decode()


def _state_json(state: State) -> str:
    return msgspec.json.encode(state).decode()


def _from_row(row: sqlite3.Row) -> Container:
    settings = msgspec.json.decode(row["settings"], type=_Settings)
    fields = {name: getattr(settings, name) for name in _Settings.__struct_fields__}
    state = msgspec.json.decode(row["state"], type=State)
    return Container(id=row["id"], name=row["name"], state=state, **fields)
