"""What can the rest of the daemon do with containers?

One method for each verb; each is one line, and the story is in the verb's own file. References are ids, names or the
unambiguous beginning of an id. All raise the kinds of `sampan.errors` with dockerd's sentences.
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

from sampan.containers import (
    archive,
    attach,
    backup,
    cdi,
    changes,
    commit,
    connect,
    create,
    disconnect,
    exec,
    glob,
    inspect,
    kill,
    listing,
    log_driver,
    logs,
    metrics,
    pause,
    prune,
    publish,
    recover,
    remove,
    rename,
    resize,
    restart,
    start,
    start_again,
    stats,
    stop,
    top,
    tree,
    update,
    wait,
)
from sampan.containers import volumes as held
from sampan.containers.engine import Engine
from sampan.containers.health_rows import SCHEMA as HEALTH_SCHEMA
from sampan.containers.health_rows import HealthRows
from sampan.containers.host import Host, Options
from sampan.containers.needs import ImageStore, Runtime, Snapshots
from sampan.containers.publish import Bindings
from sampan.containers.rows import SCHEMA as CONTAINER_SCHEMA
from sampan.containers.rows import Rows
from sampan.db import Database
from sampan.events import Events
from sampan.layers.stream import Source
from sampan.networks.store import Networks
from sampan.runtime.streams import Stream
from sampan.volumes.store import Volumes
from sampan.wire.containers import ContainerCreate, EndpointSettings, HostConfig
from sampan.wire.exec import ExecCreate
from sampan.wire.filters import Filters
from sampan.wire.metrics import Family

__all__ = ["SCHEMA", "Containers"]

SCHEMA = CONTAINER_SCHEMA + HEALTH_SCHEMA


class Containers:
    """All containers of this engine."""

    def __init__(
        self,
        database: Database,
        images: ImageStore,
        snapshots: Snapshots,
        networks: Networks,
        runtime: Runtime,
        events: Events,
        *,
        volumes: Volumes,
        host: Host,
        options: Options,
    ) -> None:
        self.engine = Engine(
            rows=Rows(database),
            health=HealthRows(database),
            images=images,
            snapshots=snapshots,
            networks=networks,
            volumes=volumes,
            runtime=runtime,
            events=events,
            host=host,
            options=options,
        )
        held.take_up(self.engine)
        self.engine.start_again = partial(start_again.schedule, self.engine)
        self.engine.restart_unhealthy = partial(start_again.restart_unhealthy, self.engine)

    async def recover(self) -> recover.Tally:
        """Make rows, shims and kernel agree after the daemon was gone; before anything else is asked."""
        tally = await recover.recover(self.engine)
        start_again.with_the_daemon(self.engine)
        return tally

    def hear(self, container_id: str, name: str, attributes: Mapping[str, Any]) -> None:
        """What a shim told the runtime without being asked: that the kernel ran out of memory, or a client let go."""
        if name == "exec_die":
            return exec.note_exit(self.engine, attributes["exec_id"], attributes["code"])
        container = self.engine.rows.get(container_id)
        if container is not None and name in ("oom", "detach"):
            self.engine.publish(container, name)
        return None

    async def close(self) -> None:
        """Stop watching; containers go on."""
        await self.engine.close()
        self.engine.resolvers.close_all()

    async def create(self, name: str | None, request: ContainerCreate, platform: str = "") -> tuple[str, Sequence[str]]:
        """Make a container; its id and warnings."""
        return await create.create(self.engine, name, request, platform)

    async def start(self, reference: str, detach_keys: str = "") -> bool:
        """Start it; False when it runs already."""
        return await start.start(self.engine, reference)

    async def stop(self, reference: str, seconds: int | None = None, signal: str = "") -> bool:
        """Stop it; False when it does not run."""
        return await stop.stop(self.engine, reference, seconds, signal)

    async def restart(self, reference: str, seconds: int | None = None, signal: str = "") -> None:
        """Stop it if it runs, and start it."""
        await restart.restart(self.engine, reference, seconds, signal)

    async def kill(self, reference: str, signal: str = "") -> None:
        """Send it a signal, SIGKILL by default."""
        await kill.kill(self.engine, reference, signal)

    async def pause(self, reference: str) -> None:
        """Freeze it."""
        await pause.pause(self.engine, reference)

    async def unpause(self, reference: str) -> None:
        """Thaw it."""
        await pause.unpause(self.engine, reference)

    async def commit(self, reference: str, wish: commit.Wish, make_image: commit.MakeImage) -> str:
        """Make an image of it; the image's ID."""
        return await commit.commit(self.engine, reference, wish, make_image)

    async def rename(self, reference: str, name: str) -> None:
        """Give it another name."""
        await rename.rename(self.engine, reference, name)

    async def remove(self, reference: str, *, force: bool = False, volumes: bool = False, link: bool = False) -> None:
        """Remove it; with `volumes` also the volumes that nobody named and no other container has."""
        await remove.remove(self.engine, reference, force=force, link=link, volumes=volumes)

    async def connect(self, network: str, reference: str, settings: EndpointSettings) -> None:
        """Put it on one more network."""
        await connect.connect(self.engine, network, reference, settings)

    async def disconnect(self, network: str, reference: str, *, force: bool = False) -> None:
        """Take it off a network."""
        await disconnect.disconnect(self.engine, network, reference, force=force)

    async def publish(self, reference: str, ports: Bindings) -> dict[str, Any]:
        """Publish more of its ports; where all of them are to be reached."""
        return await publish.publish(self.engine, reference, ports)

    async def unpublish(self, reference: str, ports: Bindings) -> dict[str, Any]:
        """Publish ports of it no longer; where the others are to be reached."""
        return await publish.unpublish(self.engine, reference, ports)

    async def prune(self, filters: Filters) -> dict[str, Any]:
        """Remove all that do not run."""
        return await prune.prune(self.engine, filters)

    async def update(self, reference: str, asked: HostConfig) -> Sequence[str]:
        """Change its limits; warnings."""
        return await update.update(self.engine, reference, asked)

    async def resize(self, reference: str, rows: int, columns: int) -> None:
        """Set the size of its terminal."""
        await resize.resize(self.engine, reference, rows, columns)

    async def wait(self, reference: str, condition: str = "") -> Awaitable[dict[str, Any]]:
        """Register a wait; what is returned is answered at the end."""
        return wait.wait(self.engine, reference, condition)

    def inspect(self, reference: str, size: bool = False) -> dict[str, Any]:
        """Everything about it."""
        return inspect.inspect(self.engine, reference, size)

    def list(
        self, *, all: bool = False, limit: int = 0, size: bool = False, filters: Filters | None = None
    ) -> Sequence[dict[str, Any]]:
        """Summaries, newest first."""
        wanted = filters or Filters()
        return listing.list_containers(self.engine, all=all, limit=limit, size=size, filters=wanted)

    def counts(self) -> Mapping[str, int]:
        """How many there are, by status."""
        return Counter(container.state.status.value for container in self.engine.rows.all())

    def names(self) -> Mapping[str, str]:
        """Container id → name."""
        return {container.id: container.name for container in self.engine.rows.all()}

    def vendors_devices(self) -> Sequence[str]:
        """What `--device vendor.com/class=name` may name here."""
        return cdi.names(self.engine.options.cdi_spec_dirs)

    def users_of(self, image_id: str) -> Sequence[tuple[str, bool]]:
        """(id, does it run) of the containers that were made from an image."""
        users = [c for c in self.engine.rows.all() if image_id in (c.image_id, *held.images_of(held.points_of(c)))]
        return [(container.id, container.state.is_running) for container in users]

    def stats(self, reference: str, *, stream: bool, one_shot: bool = False) -> AsyncIterator[dict[str, Any]]:
        """What it uses, once or every second."""
        return stats.stats(self.engine, reference, stream=stream, one_shot=one_shot)

    def log_bytes(self) -> int:
        """What the logs of all containers take on disk."""
        return sum(log_driver.bytes_in(self.engine.directory(each.id)) for each in self.engine.rows.all())

    def metrics(self) -> Sequence[Family]:
        """What is counted over time; may be called from any thread."""
        return metrics.families(self.engine)

    def top(self, reference: str, arguments: str = "") -> dict[str, Any]:
        """Its processes."""
        return top.top(self.engine, reference, arguments)

    def tree(self, reference: str, *, of_volume: bool = False) -> AbstractAsyncContextManager[tree.Tree]:
        """Its files, or those of a volume, to be looked into."""
        return tree.opened_volume(self.engine, reference) if of_volume else tree.opened(self.engine, reference)

    async def look_at_path(self, opening: archive.Opening, path: str) -> archive.PathStat:
        """What there is at a path inside."""
        return await archive.look(opening, path)

    def read_path(
        self, opening: archive.Opening, path: str
    ) -> AbstractAsyncContextManager[tuple[archive.PathStat, Iterator[bytes]]]:
        """What there is at a path inside, and a tar of that."""
        return archive.read(self.engine, opening, path)

    async def write_path(
        self,
        opening: archive.Opening,
        path: str,
        source: Source,
        *,
        keeps_kinds: bool = False,
        takes_owner: bool = False,
    ) -> None:
        """Extract a tar into a directory inside."""
        await archive.write(self.engine, opening, path, source, keeps_kinds=keeps_kinds, takes_owner=takes_owner)

    async def glob(self, opening: archive.Opening, pattern: str) -> Sequence[str]:
        """The paths inside that a pattern means."""
        return await glob.glob(opening, pattern)

    async def changes(self, reference: str) -> Sequence[Mapping[str, Any]] | None:
        """What it changed in its filesystem."""
        return await changes.changes(self.engine, reference)

    def export(self, reference: str) -> AbstractAsyncContextManager[Iterator[bytes]]:
        """A tar of its own files."""
        return backup.export(self.engine, reference)

    def export_volume(self, name: str) -> AbstractAsyncContextManager[Iterator[bytes]]:
        """A tar of a volume's files."""
        return backup.export_volume(self.engine, name)

    def attachable(self, reference: str) -> bool:
        """Whether it has a terminal, if it can be attached to."""
        return attach.attachable(self.engine, reference)

    async def attach(self, reference: str, stream: Stream, *, logs: bool = False, live: bool = True) -> None:
        """Give a client's connection to it."""
        await attach.attach(self.engine, reference, stream, with_logs=logs, live=live)

    def logs(
        self,
        reference: str,
        *,
        stdout: bool,
        stderr: bool,
        follow: bool = False,
        since_ns: int | None = None,
        until_ns: int | None = None,
        tail: str = "all",
        timestamps: bool = False,
        details: bool = False,
    ) -> tuple[bool, AsyncIterator[bytes]]:
        """Whether it has a terminal (then the bytes are raw), and what it said."""
        container = self.engine.rows.find(reference)
        logs.directory(self.engine, container)
        wanted = logs.Wanted(
            stdout=stdout,
            stderr=stderr,
            since_ns=since_ns or 0,
            until_ns=until_ns,
            tail=logs.parse_tail(tail),
            timestamps=timestamps,
            details=log_driver.details(container) if details else None,
            framed=not container.config.tty,
        )
        return container.config.tty, logs.logs(self.engine, container, wanted, follow=follow)

    def exec_create(self, reference: str, request: ExecCreate) -> str:
        """Note a further process to run in it; the exec's id."""
        return exec.create(self.engine, reference, request)

    def exec_to_start(self, exec_id: str) -> ExecCreate:
        """What the exec will be like, if it can be started."""
        return exec.to_start(self.engine, exec_id)

    async def exec_start(
        self, exec_id: str, *, streams: Sequence[Stream] = (), console_size: tuple[int, int] | None = None
    ) -> None:
        """Run it."""
        await exec.start(self.engine, exec_id, streams=streams, console_size=console_size)

    async def exec_resize(self, exec_id: str, rows: int, columns: int) -> None:
        """Set the size of its terminal."""
        await exec.resize(self.engine, exec_id, rows, columns)

    def exec_inspect(self, exec_id: str) -> Mapping[str, Any]:
        """Everything about it."""
        return exec.inspect(self.engine, exec_id)
