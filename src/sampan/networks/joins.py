"""How does a container come to be on a network, and how does it leave?

    addresses are granted → the row is written → the driver makes the endpoint → one endpoint leads to the outside

and back in the opposite order. Each step can be undone without knowing whether it was finished.
"""

import logging
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from sampan.errors import Forbidden
from sampan.networks import ipam
from sampan.networks.driver import Driver
from sampan.networks.model import Endpoint, Network, PublishedPort, Sandbox, Wishes
from sampan.networks.options import HOST_BINDING, OBEY, PUBLISH
from sampan.networks.ports import CannotPublish, Ports
from sampan.networks.rows import Rows

log = logging.getLogger(__name__)


class Known(Protocol):
    """What is asked about networks here."""

    def by_id(self, network_id: str) -> Network | None: ...
    def find(self, reference: str) -> Network: ...
    def driver(self, network: Network) -> Driver: ...


class Joins:
    """The endpoints of all running containers: by container id, then by network id."""

    def __init__(self, rows: Rows, networks: Known, ports: Ports) -> None:
        self._rows = rows
        self._networks = networks
        self._ports = ports
        self._endpoints: dict[str, dict[str, Endpoint]] = {}
        self._members: dict[str, dict[str, Endpoint]] = {}
        self._leaders: dict[str, str] = {}
        for endpoint in rows.endpoints():
            self._note(endpoint)

    def of_container(self, container_id: str) -> Mapping[str, Endpoint]:
        """Network id → endpoint."""
        return self._endpoints.get(container_id, {})

    def of_network(self, network_id: str) -> Mapping[str, Endpoint]:
        """Container id → endpoint."""
        return self._members.get(network_id, {})

    def containers(self) -> list[str]:
        """Containers that have endpoints."""
        return list(self._endpoints)

    async def join(self, network: Network, sandbox: Sandbox, wishes: Wishes) -> Endpoint:
        """Grant, record, make. Raises what the steps raise; then nothing is left."""
        driver = self._networks.driver(network)
        if sandbox.container_id in self.of_network(network.id):
            raise Forbidden(
                f"endpoint with name {sandbox.name or sandbox.container_id} already exists in network {network.name}"
            )
        driver.check(network, wishes)
        endpoint = driver.grant(network, self._granted(driver, network, sandbox, wishes))
        self._note(endpoint)
        if driver.has_addresses:
            self._rows.keep_endpoint(endpoint)
        try:
            await driver.join(network, sandbox, endpoint)
        except BaseException:
            await self.leave(sandbox.container_id, network)
            raise
        return endpoint

    async def hand_over(self, sandbox: Sandbox, network: Network) -> None:
        """Let another endpoint lead than the one in `network`, which is about to leave."""
        await self.lead(sandbox, (), besides=network.id)

    async def lead(self, sandbox: Sandbox, ports: tuple[PublishedPort, ...], *, besides: str = "") -> None:
        """Let the endpoint that should lead do so; not one in the network `besides`."""
        container_id = sandbox.container_id
        chosen = self._leader(container_id, besides)
        current = self.of_container(container_id).get(self._leaders.get(container_id, ""))
        if current is not None and chosen is not None and current.id == chosen.id:
            return
        moved = tuple(port for each in self.of_container(container_id).values() for port in each.ports)
        if current is not None:
            await self._lead(sandbox, current, False)
            self._change(replace(current, ports=()))
        self._leaders.pop(container_id, None)
        if chosen is None:
            self._ports.release(moved)
            return
        network = self._network(chosen)
        if moved or not self._networks.driver(network).publishes:
            granted = moved
        else:
            granted = self._grant_ports(network, chosen, sandbox, ports)
        chosen = self._change(replace(chosen, ports=granted))
        self._leaders[container_id] = network.id
        await self._lead(sandbox, chosen, True)

    async def republish(self, sandbox: Sandbox, ports: tuple[PublishedPort, ...]) -> None:
        """Change the leading endpoint's ports to these; those that stay are not interrupted."""
        leading = self.of_container(sandbox.container_id).get(self._leaders.get(sandbox.container_id, ""))
        if leading is None:
            return
        network = self._network(leading)
        kept, fresh = _sorted_out(leading.ports, ports)
        granted = self._grant_ports(network, leading, sandbox, fresh)
        gone = [port for port in leading.ports if port not in kept]
        changed = self._change(replace(leading, ports=(*kept, *granted)))
        await self._lead(sandbox, changed, True)
        self._ports.release(gone)

    async def leave(
        self, container_id: str, network: Network, sandbox: Sandbox | None = None, *, gone: bool = False
    ) -> None:
        """Undo a join, finished or not."""
        endpoint = self.of_network(network.id).get(container_id)
        if endpoint is None:
            return
        await self._networks.driver(network).leave(network, endpoint, sandbox, gone=gone)
        self._forget(endpoint)

    async def leave_all(self, container_id: str) -> None:
        """Undo all joins of a container."""
        for endpoint in list(self.of_container(container_id).values()):
            network = self._networks.by_id(endpoint.network_id)
            if network is None:
                self._forget(endpoint)
            else:
                await self.leave(container_id, network, gone=True)

    async def restore(self, sandbox: Sandbox, names: Iterable[str]) -> None:
        """Take up what a running container was granted before the engine was restarted."""
        container_id = sandbox.container_id
        for name in names:
            network = self._networks.find(name)
            driver = self._networks.driver(network)
            if not driver.has_addresses and container_id not in self.of_network(network.id):
                bare = Endpoint(id="", network_id=network.id, container_id=container_id)
                self._note(driver.grant(network, bare))
        leader = self._leader(container_id)
        remade: set[str] = set()
        for endpoint in list(self.of_container(container_id).values()):
            network = self._network(endpoint)
            if endpoint.ports:
                leader = endpoint
                for port in self._ports.hold_again(endpoint.ports):
                    log.warning("port taken by another program container=%s port=%s", container_id, port)
            if await self._networks.driver(network).restore(network, endpoint, sandbox):
                remade.add(endpoint.id)
        if leader is not None:
            self._leaders[container_id] = leader.network_id
            if leader.id in remade:
                await self._lead(sandbox, leader, True)

    def _granted(self, driver: Driver, network: Network, sandbox: Sandbox, wishes: Wishes) -> Endpoint:
        endpoint_id = secrets.token_hex(32)
        if not driver.has_addresses:
            return Endpoint(id=endpoint_id, network_id=network.id, container_id=sandbox.container_id)
        ipv4 = self._address(network, 4, wishes.ipv4_address) if network.ipv4 else ""
        ipv6 = self._address(network, 6, wishes.ipv6_address) if network.ipv6 else ""
        return Endpoint(
            id=endpoint_id,
            network_id=network.id,
            container_id=sandbox.container_id,
            mac_address=wishes.mac_address.lower() or ipam.mac_of(ipv4, endpoint_id),
            ipv4_address=ipv4,
            ipv6_address=ipv6,
            interface=self._free_interface(sandbox.container_id),
            names=wishes.aliases,
            links=wishes.links,
            link_local=wishes.link_local,
            exposed=wishes.exposed,
            driver_options=wishes.driver_options,
            gw_priority=wishes.gw_priority,
        )

    def _address(self, network: Network, version: int, wanted: str) -> str:
        members = self.of_network(network.id).values()
        granted = [each.ipv4_address if version == 4 else each.ipv6_address for each in members]
        taken = {address.partition("/")[0] for address in granted if address}
        if wanted:
            return ipam.grant_exact(network.pools, wanted, taken)
        return ipam.grant(network.pools, version, taken, f"{network.name} ({network.id})")

    def _free_interface(self, container_id: str) -> str:
        taken = {endpoint.interface for endpoint in self.of_container(container_id).values()}
        return next(name for number in range(len(taken) + 1) if (name := f"eth{number}") not in taken)

    def _leader(self, container_id: str, besides: str = "") -> Endpoint | None:
        """Of the networks that lead outside: the highest priority, then the first by name, as dockerd has it."""
        found = [
            (-endpoint.gw_priority, network.name, endpoint)
            for endpoint in self.of_container(container_id).values()
            if (network := self._networks.by_id(endpoint.network_id)) is not None
            and self._networks.driver(network).has_addresses
            and not network.internal
            and network.id != besides
        ]
        return min(found, key=lambda each: each[:2])[2] if found else None

    def _grant_ports(
        self, network: Network, endpoint: Endpoint, sandbox: Sandbox, ports: tuple[PublishedPort, ...]
    ) -> tuple[PublishedPort, ...]:
        mode = endpoint.driver_options.get(PUBLISH, "") or network.options.get(PUBLISH, "")
        ports = tuple(replace(port, obey_firewall=mode == OBEY) for port in ports)
        try:
            return self._ports.grant(ports, network.options.get(HOST_BINDING, "")) if ports else ()
        except CannotPublish as error:
            raise CannotPublish(
                "driver failed programming external connectivity on endpoint "
                f"{sandbox.name or sandbox.container_id} ({endpoint.id}): {error}"
            ) from None

    async def _lead(self, sandbox: Sandbox, endpoint: Endpoint, outside: bool) -> None:
        network = self._network(endpoint)
        await self._networks.driver(network).lead(network, sandbox, endpoint, outside)

    def _network(self, endpoint: Endpoint) -> Network:
        return self._networks.find(endpoint.network_id)

    def _note(self, endpoint: Endpoint) -> None:
        self._endpoints.setdefault(endpoint.container_id, {})[endpoint.network_id] = endpoint
        self._members.setdefault(endpoint.network_id, {})[endpoint.container_id] = endpoint

    def _change(self, endpoint: Endpoint) -> Endpoint:
        if self.of_container(endpoint.container_id).get(endpoint.network_id) != endpoint:
            self._rows.keep_endpoint(endpoint)
            self._note(endpoint)
        return endpoint

    def _forget(self, endpoint: Endpoint) -> None:
        self._rows.drop_endpoint(endpoint.id)
        self._ports.release(endpoint.ports)
        for groups, outer, inner in (
            (self._endpoints, endpoint.container_id, endpoint.network_id),
            (self._members, endpoint.network_id, endpoint.container_id),
        ):
            group = groups.get(outer, {})
            group.pop(inner, None)
            if not group:
                groups.pop(outer, None)
        if self._leaders.get(endpoint.container_id) == endpoint.network_id:
            del self._leaders[endpoint.container_id]


def _sorted_out(
    granted: Iterable[PublishedPort], wanted: Iterable[PublishedPort]
) -> tuple[list[PublishedPort], tuple[PublishedPort, ...]]:
    """Granted ports that are still wanted, and wanted ones that are not granted yet."""
    kept: list[PublishedPort] = []
    fresh: list[PublishedPort] = []
    granted = list(granted)
    for port in wanted:
        same = [each for each in granted if _is_for(each, port)]
        kept += [each for each in same if each not in kept]
        if not same:
            fresh.append(port)
    return kept, tuple(fresh)


def _is_for(granted: PublishedPort, wanted: PublishedPort) -> bool:
    last = max(wanted.host_port, wanted.host_port_end)
    return (
        (granted.container_port, granted.protocol) == (wanted.container_port, wanted.protocol)
        and wanted.host_ip in ("", granted.host_ip)
        and (not wanted.host_port or wanted.host_port <= granted.host_port <= last)
    )
