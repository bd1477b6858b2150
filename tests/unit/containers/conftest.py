"""An engine over stand-ins, in a directory of its own."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.unit.containers import fakes

from sampan.containers.host import LIMITS, SYSCTLS, Host, Options
from sampan.containers.store import SCHEMA, Containers
from sampan.db import Database, open_database
from sampan.events import Events
from sampan.linux.capability import CAPABILITIES
from sampan.networks.store import Networks
from sampan.volumes.store import SCHEMA as VOLUMES_SCHEMA
from sampan.volumes.store import Volumes
from sampan.wire.containers import ContainerCreate, decode_create

T = TypeVar("T")

HOST = Host(
    cpu_count=2,
    cpus="0-1",
    memory_nodes="0",
    cgroups="hybrid",
    limits=frozenset(LIMITS),
    capabilities=frozenset(CAPABILITIES),
    hostname="machine",
    sysctls=frozenset(SYSCTLS),
)


class World:
    """One data root: daemons come and go on it, shims and trees stay."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.runtime = fakes.Runtime()
        self.snapshots = fakes.Snapshots()
        self.images = fakes.Images(
            {
                "busybox": fakes.image(Cmd=["sh"], Env=["PATH=/bin"]),
                "web": fakes.image(Entrypoint=["/web"], Cmd=["-v"], User="www", Labels={"made": "here"}),
            }
        )
        self.events = Events()
        self.databases: list[Database] = []

    def daemon(self, **options: Any) -> Containers:
        """A daemon that begins now. The one before is taken to have been killed."""
        database = open_database(self.root / "sampan.db", [SCHEMA, VOLUMES_SCHEMA])
        self.databases.append(database)
        return Containers(
            database,
            self.images,
            self.snapshots,
            Networks("engine", default=options.pop("network", "bridge")),
            self.runtime,
            self.events,
            volumes=Volumes(database, self.root / "volumes", self.root / "run", events=self.events),
            host=options.pop("host", HOST),
            options=Options(directory=self.root / "containers", **options),
        )

    def actions(self) -> list[str]:
        """What was published so far."""
        return [event.action for event in self.events._ring if event.type == "container"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    for database in made.databases:
        database.close()


def run(story: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine function to its end, with a limit on its time."""

    async def limited() -> T:
        async with asyncio.timeout(20):
            return await story()

    return asyncio.run(limited())


def request(
    host: dict[str, Any] | None = None, networking: dict[str, Any] | None = None, **config: Any
) -> ContainerCreate:
    """A create request as a client would send it; without anything said: busybox, `sleep 100`, no network."""
    import json

    body = {
        "Image": "busybox",
        "Cmd": ["sleep", "100"],
        **config,
        "HostConfig": {"NetworkMode": "none", **(host or {})},
    }
    if networking is not None:
        body["NetworkingConfig"] = networking
    return decode_create(json.dumps(body).encode())


async def settle(containers: Containers) -> None:
    """Wait until all that ended is buried: each container that runs has one task that watches it, and no more."""
    engine = containers.engine
    while len(engine.tasks) > sum(
        not process.ended.done()  # type: ignore[attr-defined]
        for process in (*engine.processes.values(), *_exec_processes(containers))
    ):
        await asyncio.to_thread(lambda: None)


def _exec_processes(containers: Containers) -> list[Any]:
    return [each.process for each in containers.engine.execs.values() if each.process is not None]
