"""How is the engine put together? Here, and nowhere else: no registry, no singleton, no import that does something.

database ─┬─► images ◄── content, layers ──► snapshots
          └─► containers ◄── images, snapshots, networks, runtime, events
                   └──────────► the API
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sampan.api.app import App, Engine
from sampan.builder.build import Services
from sampan.builder.builder import SCHEMA as BUILDER_SCHEMA
from sampan.builder.builder import Builder
from sampan.builder.cache import Cache
from sampan.builder.context import Workspaces
from sampan.builder.flights import Flights
from sampan.builder.known_contexts import KnownContexts
from sampan.builder.mount_cache import MountCaches
from sampan.builder.needs import Pull
from sampan.containers import host as machine
from sampan.containers import security
from sampan.containers.host import Options
from sampan.containers.step import Steps
from sampan.containers.store import SCHEMA as CONTAINERS_SCHEMA
from sampan.containers.store import Containers
from sampan.content.store import Blobs
from sampan.daemon import host
from sampan.daemon.config import Config
from sampan.db import Database, open_database
from sampan.events import Events
from sampan.images.compressed import SCHEMA as COMPRESSED_SCHEMA
from sampan.images.distribution import Distribution
from sampan.images.images import Images
from sampan.images.rows import SCHEMA as IMAGES_SCHEMA
from sampan.layers.store import Layers
from sampan.networks.bridge import Bridge
from sampan.networks.create import ula
from sampan.networks.firewall import Firewall
from sampan.networks.macvlan import Macvlan
from sampan.networks.ports import Ports
from sampan.networks.proxy import Proxies
from sampan.networks.rows import SCHEMA as NETWORKS_SCHEMA
from sampan.networks.rows import Rows as NetworkRows
from sampan.networks.store import Networks
from sampan.networks.watch import watch
from sampan.registry.client import Registries
from sampan.registry.settings import Settings
from sampan.runtime.client import Runtime
from sampan.snapshots.overlay import Overlay
from sampan.unpacking.process import unpack_confined
from sampan.volumes.store import SCHEMA as VOLUMES_SCHEMA
from sampan.volumes.store import Volumes

_log = logging.getLogger("sampan.daemon")


@dataclass(slots=True)
class Assembled:
    """The parts that have a life of their own."""

    app: App
    containers: Containers
    images: Images
    distribution: Distribution
    runtime: Runtime
    database: Database
    zygote: "asyncio.Task[None]"
    networks: Networks
    firewall_watch: "asyncio.Task[None]"

    def reload(self, config: Config) -> None:
        """Take on what may change without a restart: labels, whether to debug, all about registries."""
        logging.getLogger().setLevel("DEBUG" if config.debug else "INFO")
        engine = self.app.engine
        about = replace(engine.about, labels=config.labels, debug=config.debug, registries=_shown(config.registries))
        self.distribution.reload(config.registries)
        self.app.engine = replace(engine, about=about)
        engine.events.publish("daemon", "reload", about.engine_id, {"name": about.name})

    async def close(self) -> None:
        """Let go of everything; what runs goes on."""
        await self.app.drain()
        self.firewall_watch.cancel()
        await self.distribution.close()
        await self.containers.close()
        await self.networks.close()
        await self.runtime.close()
        self.database.close()


async def assemble(config: Config) -> Assembled:
    """Make the engine that `config` describes, as the last one left it. Raises SampanError, OSError."""
    told: list[Containers] = []  # the runtime is there first, and its news are for the containers

    def hear(container_id: str, name: str, attributes: Mapping[str, Any]) -> None:
        for containers in told:
            containers.hear(container_id, name, attributes)

    runtime = Runtime(config.exec_root, cgroup_parent=config.cgroup_parent, on_event=hear)
    zygote = asyncio.create_task(runtime.ready(), name="start zygote")
    schemas = [IMAGES_SCHEMA, COMPRESSED_SCHEMA, CONTAINERS_SCHEMA, NETWORKS_SCHEMA, VOLUMES_SCHEMA, BUILDER_SCHEMA]
    database = open_database(config.data_root / "sampan.db", schemas)
    events = Events()
    content = Blobs(config.data_root / "content")
    layers = Layers(
        config.data_root / "layers", config.exec_root, backend=config.storage_driver or None, unpacks=unpack_confined
    )
    loop = asyncio.get_running_loop()

    def unmount(target: str) -> None:
        # Layers are removed by threads; the runtime belongs to the loop.
        loop.call_soon_threadsafe(runtime.unmount, [target])

    layers.on_removed = unmount
    images = Images(database, content, layers, events=events)
    distribution = Distribution(images.store, Registries(config.registries), events=events)
    engine_id = host.read_engine_id(config.data_root)
    settings = replace(config.networks, ula=ula(engine_id))
    ports, firewall = Ports(default_ip=settings.ip), Firewall(active=settings.firewall)
    networks = Networks(
        engine_id, host.engine_made_ns(config.data_root), default="none" if config.bridge == "none" else "bridge",
        rows=NetworkRows(database), events=events, ports=ports, settings=settings,
        drivers=[Bridge(settings, firewall, Proxies(ports, active=settings.proxy)), Macvlan()],
    )  # fmt: skip
    volumes = Volumes(database, config.data_root / "volumes", config.exec_root, events=events)
    facts = machine.probe()
    snapshots = Overlay(config.data_root / "snapshots", layers)
    containers = Containers(
        database, images.store, snapshots, networks, runtime, events,
        volumes=volumes, host=facts, options=_options(config, layers.backend),
    )  # fmt: skip
    told.append(containers)
    images.users_of = containers.users_of
    about = host.describe(config, facts, engine_id=engine_id, storage_driver=layers.backend)
    about = replace(about, registries=_shown(config.registries))
    steps = Steps(containers.engine)
    await steps.sweep()
    tally = await containers.recover()
    _log.info("recovered alive=%d ended=%d removed=%d", tally.alive, tally.ended, tally.removed)
    builder = _builder(config, database, images, layers, snapshots, steps, events, distribution.pull)
    app = App(Engine(containers=containers, images=images, networks=networks, volumes=volumes,
                     events=events, about=about, distribution=distribution, builder=builder))  # fmt: skip
    firewall_watch = asyncio.create_task(watch(firewall), name="watch packet filter")
    return Assembled(
        app, containers, images, distribution, runtime, database, zygote, networks, firewall_watch
    )  # fmt: skip


def _builder(
    config: Config, database: Database, images: Images, layers: Layers, snapshots: Overlay, steps: Steps,
    events: Events, pull: Pull,
) -> Builder:  # fmt: skip
    cache = Cache(database, layers)
    images.store.also_kept = cache.keeps
    workspaces = Workspaces(config.data_root / "builds")
    services = Services(
        images=images.store, layers=layers, snapshots=snapshots, steps=steps, cache=cache, flights=Flights(),
        workspaces=workspaces,
        known_contexts=KnownContexts(config.data_root / "contexts", workspaces.disk_bytes),
        mount_caches=MountCaches(config.data_root / "build-cache"),
        secrets_root=config.exec_root / "secrets", pull=pull,
    )  # fmt: skip
    return Builder(services, database, events)


def _shown(settings: Settings) -> Mapping[str, Any]:
    """What `docker info` tells of the registries."""
    return {"mirrors": settings.mirrors, "insecure": settings.insecure}


def _options(config: Config, storage_driver: str) -> Options:
    return Options(
        directory=config.data_root / "containers",
        cgroup_parent=config.cgroup_parent,
        default_runtime=config.default_runtime,
        runtimes=config.runtimes,
        default_shm_size=config.default_shm_size,
        default_ipc_mode=config.default_ipc_mode,
        default_cgroupns_mode=config.default_cgroupns_mode,
        default_ulimits={**machine.default_ulimits(), **config.default_ulimits},
        init=config.init,
        no_new_privileges=config.no_new_privileges,
        storage_driver=storage_driver,
        log_driver=config.log_driver,
        log_opts=config.log_opts,
        dns=config.dns,
        dns_opts=config.dns_opts,
        dns_search=config.dns_search,
        host_gateway_ip=config.host_gateway_ip,
        cdi_spec_dirs=config.cdi_spec_dirs,
        userns_remap=config.userns_remap,
        seccomp_profile=security.read_profile(config.seccomp_profile),
    )
