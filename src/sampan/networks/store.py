"""Which networks are there, and who is joined to them?

The predefined networks keep their ids over restarts, derived from the data root's own id, so that two engines on a
machine differ. All others have rows, and so have endpoints whose addresses were granted. What is remembered changes
before the kernel does; how a container joins and leaves is told in `joins.py`.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from sampan.errors import Conflict, Forbidden, NotFound, SampanError
from sampan.events import Events
from sampan.networks import configuration, create, host_routes, ipam, predefined
from sampan.networks.create import Settings
from sampan.networks.driver import Driver
from sampan.networks.ipam import Subnet
from sampan.networks.joins import Joins
from sampan.networks.model import Endpoint, Network, NetworkCreate, PublishedPort, Sandbox, Wishes
from sampan.networks.options import BRIDGE_NAME
from sampan.networks.ports import Ports
from sampan.networks.rows import Rows
from sampan.wire import timestamps
from sampan.wire.filters import Filters

log = logging.getLogger(__name__)

MOST = 10_000
"""Networks that one engine makes."""


class Networks:
    """All networks, their drivers, and the endpoints of running containers."""

    def __init__(
        self,
        engine_id: str,
        created_ns: int = 0,
        *,
        default: str = "bridge",
        rows: Rows | None = None,
        drivers: Iterable[Driver] = (),
        settings: Settings | None = None,
        events: Events | None = None,
        ports: Ports | None = None,
        routed: Callable[[Iterable[str]], list[Subnet]] = lambda besides: host_routes.routed(tuple(besides)),
    ) -> None:
        """`engine_id` tells this engine from others; `default` is what NetworkMode "default" means."""
        self.default = default
        self.settings = settings or Settings()
        self._engine_id = engine_id
        self._created_ns = created_ns
        self._rows = rows or Rows()
        self._events = events
        self._routed = routed
        self._drivers = {driver.name: driver for driver in (predefined.none(), predefined.host(), *drivers)}
        self._networks = {
            name: Network(
                id=_derived_id(engine_id, name), name=name, driver=driver, created_ns=created_ns, predefined=True
            )
            for name, driver in (("none", "null"), ("host", "host"))
        }
        for network in self._rows.networks():
            if network.driver in self._drivers:
                self._networks[network.name] = network
        self._making: set[str] = set()
        self._joins = Joins(self._rows, self, ports or Ports(default_ip=self.settings.ip))
        if default == "bridge" and "bridge" in self._drivers:
            self._settle_default_bridge()

    def find(self, reference: str) -> Network:
        """The network with this name, id or unambiguous beginning of an id. Raises NotFound."""
        if reference in self._networks:
            return self._networks[reference]
        found = [network for network in self._networks.values() if reference and network.id.startswith(reference)]
        if len(found) != 1:
            raise NotFound(f"network {reference} not found")
        return found[0]

    def by_id(self, network_id: str) -> Network | None:
        """The network with this full id."""
        return next((network for network in self._networks.values() if network.id == network_id), None)

    def all(self) -> list[Network]:
        """Every network, by name."""
        return sorted(self._networks.values(), key=lambda network: network.name)

    def driver(self, network: Network) -> Driver:
        """The driver that serves `network`."""
        return self._drivers[network.driver]

    @property
    def drivers(self) -> list[str]:
        """The names of the drivers, sorted."""
        return sorted(self._drivers)

    def check(self, name: str, wishes: Wishes) -> None:
        """Can a container be created that will join network `name`? Raises NotFound, InvalidRequest, NotSupported."""
        network = self.find(name)
        self.driver(network).check(network, wishes)

    async def create(self, wanted: NetworkCreate) -> tuple[Network, list[str]]:
        """Make a network; it and warnings. Raises Conflict, Forbidden, InvalidRequest, NotFound.

        Its row is written before anything is made, so that a crash leaves nothing that `network rm` would not remove.
        """
        create.check_name(wanted.name)
        if wanted.name in self._networks or wanted.name in self._making:
            raise Conflict(f"network with name {wanted.name} already exists")
        if len(self._networks) >= MOST:
            raise Forbidden(f"there are {MOST} networks already")
        if wanted.config_only:
            return await self._keep_configuration(wanted), []
        wanted = configuration.filled(wanted, self._networks.values())
        driver = self._drivers.get(wanted.driver)
        if driver is None:
            raise NotFound(f'plugin "{wanted.driver}" not found')
        if not driver.has_addresses:
            raise Forbidden(f'only one instance of "{wanted.driver}" network is allowed')
        used, routed = self._used(), self._routed_elsewhere()
        network = driver.settle(create.plan(wanted, used, routed, self.settings))
        self._making.add(network.name)
        self._networks[network.name] = network  # its subnet is taken from here on
        try:
            await asyncio.to_thread(self._rows.keep_network, network)
            try:
                await driver.prepare(network)
            except BaseException:
                try:
                    await driver.discard(network)
                except (SampanError, OSError) as error:
                    log.warning("leftovers network=%s error=%s", network.id, error)
                await asyncio.to_thread(self._rows.drop_network, network.id)
                raise
        except BaseException:
            self._networks.pop(network.name, None)
            raise
        finally:
            self._making.discard(network.name)
        self._publish(network, "create")
        return network, _overlap_warnings(network, routed)

    async def _keep_configuration(self, wanted: NetworkCreate) -> Network:
        network = configuration.kept(wanted)
        await asyncio.to_thread(self._rows.keep_network, network)
        self._networks[network.name] = network
        self._publish(network, "create")
        return network

    async def remove(self, reference: str) -> Network:
        """Unmake a network that nobody is joined to. Raises NotFound, Forbidden."""
        network = self.find(reference)
        if network.predefined:
            raise Forbidden(f"{network.name} is a pre-defined network and cannot be removed")
        if self.containers_of(network) or network.name in self._making:
            raise Forbidden(
                f"error while removing network: network {network.name} id {network.id} has active endpoints"
            )
        configuration.check_unused(network, self._networks.values())
        self._making.add(network.name)
        try:
            await self.driver(network).discard(network)
            await asyncio.to_thread(self._rows.drop_network, network.id)
            self._networks.pop(network.name, None)
        finally:
            self._making.discard(network.name)
        self._publish(network, "destroy")
        return network

    async def prune(self, filters: Filters) -> list[str]:
        """Remove the networks that users made and nobody is joined to; their names."""
        before = filters.get("until")
        limit_ns = timestamps.parse(before[0]) if before else None
        removed = []
        for network in self.all():
            is_made = not network.predefined and not network.config_only
            is_idle = is_made and not self.containers_of(network) and network.name not in self._making
            is_old = limit_ns is None or network.created_ns < limit_ns
            if is_idle and is_old and filters.labels_match(network.labels):
                await self.remove(network.id)
                removed.append(network.name)
        return removed

    async def join(self, name: str, sandbox: Sandbox, wishes: Wishes) -> Endpoint:
        """Join a container that is being started, or that runs, to a network.

        Raises NotFound, InvalidRequest, Forbidden, Unavailable; then it is not joined.
        """
        network = self.find(name)
        if network.name in self._making:
            raise NotFound(f"network {name} not found")
        configuration.check_joined(network)
        return await self._joins.join(network, sandbox, wishes)

    async def lead(self, sandbox: Sandbox, ports: Iterable[PublishedPort] = ()) -> None:
        """Give the sandbox its way to the outside after joins and leaves; its published ports go with it.

        `ports` are published if none are yet. Raises `ports.CannotPublish`, InvalidRequest.
        """
        await self._joins.lead(sandbox, tuple(ports))

    async def leave(self, container_id: str, name: str, sandbox: Sandbox | None = None) -> None:
        """Undo one join; harmless when there is none. In a `sandbox` that lives on another endpoint takes the lead."""
        network = self.find(name)
        if sandbox is not None:
            await self._joins.hand_over(sandbox, network)
        await self._joins.leave(container_id, network, sandbox)

    async def leave_all(self, container_id: str) -> None:
        """Undo all joins of a container that has ended; harmless when there are none."""
        await self._joins.leave_all(container_id)

    async def reconcile(self) -> None:
        """At start-up, before containers are taken up: have the drivers put the kernel right."""
        found = self.all_endpoints()
        for driver in self._drivers.values():
            await driver.reconcile(found, self.all())

    async def close(self) -> None:
        """The engine ends: finish what was begun. Everything stays as it is."""
        for driver in self._drivers.values():
            await driver.close()

    async def restore(self, sandbox: Sandbox, names: Iterable[str]) -> None:
        """After a restart: make the kernel match what a container that runs on was granted."""
        await self._joins.restore(sandbox, names)

    async def republish(self, sandbox: Sandbox, ports: Iterable[PublishedPort]) -> None:
        """Change which ports of a running container are published: to exactly these. Raises `ports.CannotPublish`."""
        await self._joins.republish(sandbox, tuple(ports))

    def endpoints(self, container_id: str) -> dict[str, Endpoint]:
        """The endpoints of a running container, by network name."""
        found = self._joins.of_container(container_id)
        return {network.name: endpoint for key, endpoint in found.items() if (network := self.by_id(key))}

    def containers_of(self, network: Network) -> Mapping[str, Endpoint]:
        """Container id → endpoint, of all that are joined to a network."""
        return self._joins.of_network(network.id)

    def containers(self) -> list[str]:
        """The ids of all containers that have endpoints."""
        return self._joins.containers()

    def all_endpoints(self) -> list[tuple[Network, Endpoint]]:
        """Every endpoint with its network."""
        return [(network, each) for network in self.all() for each in self.containers_of(network).values()]

    def _used(self) -> list[Subnet]:
        """Subnets of networks."""
        made = [each for each in self._networks.values() if not each.config_only]
        return [ipam.parse_subnet(pool.subnet) for each in made for pool in each.pools]

    def _routed_elsewhere(self) -> list[Subnet]:
        """Subnets that the host reaches otherwise than by a bridge of ours."""
        bridges = {each.options.get(BRIDGE_NAME, "") or f"br-{each.id[:12]}" for each in self._networks.values()}
        return self._routed(bridges)

    def _settle_default_bridge(self) -> None:
        """Keep the network `bridge` as it was, or move it where the host has come to route its subnet elsewhere."""
        known = self._networks.pop("bridge", None)
        used = [*self._used(), *self._routed_elsewhere()]
        driver = self._drivers["bridge"]
        options = self.settings.default_options.get("bridge", {})
        wanted_id = _derived_id(self._engine_id, "bridge")
        used_by = self._joins.of_network(wanted_id)
        if known is not None and (known.chosen_pools or used_by):
            subnets = [ipam.parse_subnet(pool.subnet) for pool in known.pools]
            interface = known.options.get(BRIDGE_NAME, "")
            routed = self._routed([interface])
            is_free = not any(
                one.version == other.version and one.overlaps(other) for one in subnets for other in routed
            )
            same_kind = known.ipv6 == self.settings.ipv6 and not (self.settings.bip or self.settings.fixed_cidr)
            if used_by or (is_free and same_kind):
                made = driver.settle(replace(known, options={**known.options, **options}))
                self._networks["bridge"] = made
                return
        made = create.default_bridge(wanted_id, self._created_ns, used, self.settings, dict(options))
        made = driver.settle(made)
        self._rows.keep_network(made)
        self._networks["bridge"] = made

    def _publish(self, network: Network, action: str) -> None:
        if self._events is not None:
            self._events.publish("network", action, network.id, {"name": network.name, "type": network.driver})


def _overlap_warnings(network: Network, routed: Iterable[Subnet]) -> list[str]:
    subnets = [ipam.parse_subnet(pool.subnet) for pool in network.pools] if network.driver == "bridge" else []
    return [
        f"subnet {subnet} of network {network.name} overlaps {other}, which the host routes elsewhere"
        for subnet in subnets
        for other in routed
        if subnet.version == other.version and subnet.overlaps(other)
    ]


def _derived_id(engine_id: str, name: str) -> str:
    return hashlib.sha256(f"{engine_id}/{name}".encode()).hexdigest()
