"""What do the verbs act on?

One value that every verb gets: the rows, the packages below, and what is alive in this daemon's memory. It decides
nothing; each verb's story is in the file named after it.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sampan.containers.health_rows import HealthRows
from sampan.containers.host import Host, Options
from sampan.containers.model import Container
from sampan.containers.needs import ImageStore, Process, Runtime, Snapshots
from sampan.containers.parked import Parked
from sampan.containers.rows import Rows
from sampan.containers.waits import Waits
from sampan.errors import NotFound
from sampan.events import Events
from sampan.networks.model import Network
from sampan.networks.resolvers import Resolvers
from sampan.networks.store import Networks
from sampan.volumes.store import Volumes

if TYPE_CHECKING:
    from sampan.containers.exec import Exec

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Engine:
    """The things that verbs need.

    `resolvers`: the running containers' 127.0.0.11. `processes`: the running containers. `locks`: held while a
    container changes from one status to another; never while waiting for its program. `execs`: by id, of running
    containers. `restarting`: ids of containers that stay, even with --rm, when they end. `start_again`: what to do with
    a container that its policy will start again, `restart_unhealthy`: with one that is to be restarted when unhealthy.
    `watches`: the tasks that check containers. `changes`: what is not to be left half done. `counts`: how often what
    was done. `in_use`: volume -> ids of the containers that run with it.
    """

    rows: Rows
    health: HealthRows
    images: ImageStore
    snapshots: Snapshots
    networks: Networks
    volumes: Volumes
    runtime: Runtime
    events: Events
    host: Host
    options: Options
    resolvers: Resolvers = field(default_factory=Resolvers)
    processes: dict[str, Process] = field(default_factory=dict)
    execs: "dict[str, Exec]" = field(default_factory=dict)
    waits: Waits = field(default_factory=Waits)
    parked: Parked = field(default_factory=Parked)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    changes: set[asyncio.Task[None]] = field(default_factory=set)
    locks: dict[str, asyncio.Lock] = field(default_factory=dict)
    restarting: set[str] = field(default_factory=set)
    watches: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    start_again: Callable[[Container], None] = lambda container: None
    restart_unhealthy: Callable[[Container], None] = lambda container: None
    in_use: dict[str, set[str]] = field(default_factory=dict)

    def lock(self, container_id: str) -> asyncio.Lock:
        """The container's lock, made when first asked for and forgotten with the container."""
        return self.locks.setdefault(container_id, asyncio.Lock())

    def current(self, container_id: str, reference: str = "") -> Container:
        """The container as it is now; to be asked again after each wait. Raises NotFound when it is gone."""
        container = self.rows.get(container_id)
        if container is None:
            raise NotFound(f"No such container: {reference or container_id}")
        return container

    def directory(self, container_id: str) -> Path:
        """Where the engine keeps this container's files and log."""
        return self.options.directory / container_id

    def publish(self, container: Container, action: str, extra: Mapping[str, str] | None = None) -> None:
        """Tell subscribers, in Docker's words: labels, image and name go along as attributes."""
        attributes = {
            **(container.config.labels or {}),
            "image": container.config.image,
            "name": container.name,
            **(extra or {}),
        }
        self.events.publish("container", action, container.id, attributes)

    def publish_network(self, container: Container, action: str) -> None:
        """Tell subscribers that the container was joined to its networks, or left them."""
        for name in self.networks.endpoints(container.id):
            self.publish_joined(container, self.networks.find(name), action)

    def publish_joined(self, container: Container, network: Network, action: str) -> None:
        """Tell subscribers that the container was joined to one network, or left it."""
        attributes = {"container": container.id, "name": network.name, "type": network.driver}
        self.events.publish("network", action, network.id, attributes)

    def drop_execs(self, container_id: str) -> None:
        """Forget the execs of a container whose run is over."""
        for exec_id in [each.id for each in self.execs.values() if each.container_id == container_id]:
            del self.execs[exec_id]

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run `work` beside the requests; what it raises is logged, and `close` ends it."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self.tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("%s failed", task.get_name(), exc_info=task.exception())

    async def to_its_end(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work`, which changes a container: whoever asked for it may be cancelled, it is not."""
        task = asyncio.get_running_loop().create_task(work)
        self.changes.add(task)
        task.add_done_callback(self.changes.discard)
        await asyncio.shield(task)

    async def close(self) -> None:
        """Stop watching; containers go on. Those that have just ended are buried, and with --rm removed, first."""
        await self._cancel(*self.tasks, *self.watches.values())
        await asyncio.gather(*self.changes, return_exceptions=True)
        await self._cancel(*self.tasks)  # a burial may have planned a restart, which is the next daemon's now

    async def _cancel(self, *tasks: asyncio.Task[None]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
