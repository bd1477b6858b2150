"""How does the driver `bridge` work?

A network is a bridge of the kernel with the gateway's address on it; an endpoint is a cable into it (`endpoint.py`).
Who may speak to whom is in the packet filter, and always before the interface comes up. Containers that may not speak
to each other are kept apart by the bridge itself (isolated ports), whatever happens to the packet filter.
"""

import asyncio
import functools
import logging
import os
import socket
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from sampan.errors import Forbidden, InvalidRequest, NotSupported
from sampan.linux import netlink, netns
from sampan.linux.nftables import interface_key
from sampan.networks import endpoint as endpoints
from sampan.networks import forwarding, limits, options, predefined, publish
from sampan.networks.create import Settings
from sampan.networks.endpoint import Cable
from sampan.networks.firewall import Element, Firewall
from sampan.networks.model import Endpoint, Network, Sandbox, Stack, Wishes
from sampan.networks.options import BridgeOptions
from sampan.networks.proxy import Proxies
from sampan.networks.refused import explained

DEFAULT_BRIDGE = "sampan0"
PREFIX = "spn"
"""What the host's ends of cables are called: this and the beginning of the endpoint's id."""

LOCK = "\0sampan/networks"
T = TypeVar("T")

log = logging.getLogger(__name__)


class Bridge:
    """The driver of the network `bridge` and of those that users make without saying more."""

    name = "bridge"
    stack = Stack.NEW
    has_addresses = True
    publishes = True

    def __init__(self, settings: Settings, firewall: Firewall, proxies: Proxies) -> None:
        self._settings = settings
        self._firewall = firewall
        self._proxies = proxies
        self._ready: dict[str, asyncio.Lock] = {}
        self._made: set[str] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._lock: socket.socket | None = None

    def settle(self, network: Network) -> Network:
        """Judge the options, and fill in those of the default bridge."""
        given = dict(network.options)
        if network.predefined:
            given = {
                "com.docker.network.bridge.default_bridge": "true",
                options.ICC: str(self._settings.icc).lower(),
                options.MASQUERADE: str(self._settings.ip_masq).lower(),
                options.HOST_BINDING: self._settings.ip or "0.0.0.0",
                options.BRIDGE_NAME: DEFAULT_BRIDGE,
                options.MTU: str(self._settings.mtu or 1500),
                **given,
            }
        elif given.get(options.BRIDGE_NAME) and endpoints.exists(given[options.BRIDGE_NAME]):
            given[options.EXISTING] = "true"
        options.read(network.id, given, internal=network.internal)
        if max(_count(network, 4), _count(network, 6)) > 1:
            raise Forbidden("bridge driver doesn't support multiple subnets")
        return replace(network, options=given)

    def check(self, network: Network, wishes: Wishes) -> None:
        """Names and addresses are for networks that users made."""
        if network.predefined:
            predefined.refuse_names_and_addresses(wishes)
        elif (wishes.ipv4_address or wishes.ipv6_address) and network.chosen_pools:
            raise InvalidRequest(
                "user specified IP address is supported only when connecting to networks with user configured subnets"
            )
        endpoints.read_sysctls(wishes.driver_options.get(options.SYSCTLS, ""), "eth0")
        options.check_publish(wishes.driver_options)
        limits.read(wishes.driver_options)

    async def prepare(self, network: Network) -> None:
        """Make the bridge, and say in the packet filter who may pass."""
        async with self._ready.setdefault(network.id, asyncio.Lock()):
            if network.id not in self._made:
                await asyncio.to_thread(explained, functools.partial(self._prepare, network))
                self._made.add(network.id)

    def _prepare(self, network: Network) -> None:
        self._claim()
        read = options.read(network.id, network.options, internal=network.internal)
        self._firewall.own(f"network {network.id}", elements(network, read))
        self._forward(network)
        with netlink.links() as links:
            if not links.index(read.bridge):
                links.add_bridge(read.bridge, mac="02:42:" + bytes.fromhex(network.id[:8]).hex(":"), mtu=read.mtu)
            endpoints.quiet_ipv6(read.bridge, wanted=network.ipv6)
            wanted = _gateways(network, read)
            if not read.existing:
                for other in set(links.addresses(read.bridge)) - set(wanted):
                    if not other.startswith("fe80:"):
                        links.delete_address(read.bridge, other)
            for address in wanted:
                links.add_address(read.bridge, address)
            links.set_up(read.bridge)

    def _forward(self, network: Network) -> None:
        """Let the host forward packets, where the network leads out."""
        if not self._settings.ip_forward or network.internal:
            return
        for version, wanted in ((4, network.ipv4), (6, network.ipv6)):
            if wanted:
                forwarding.turn_on(version, self._firewall, closed=not self._settings.forward_for_all)

    def _claim(self) -> None:
        """Two engines in one network namespace would undo each other's work: the second is told. Dies with us."""
        if self._lock is not None:
            return
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            claim.bind(LOCK)
        except OSError:
            claim.close()
            raise NotSupported(
                "another sampan engine has the bridge networks of this machine: "
                "use --network none or host, or run that engine with --bridge none"
            ) from None
        self._lock = claim

    async def discard(self, network: Network) -> None:
        """Remove the bridge, unless it was there before."""
        read = options.read(network.id, network.options, internal=network.internal)

        def work() -> None:
            if not read.existing:
                with netlink.links() as links:
                    links.delete(read.bridge)
            self._firewall.own(f"network {network.id}", ())

        await asyncio.to_thread(explained, work)
        self._made.discard(network.id)
        self._ready.pop(network.id, None)

    def grant(self, network: Network, endpoint: Endpoint) -> Endpoint:
        """Name the cable's ends, and the gateways."""
        read = options.read(network.id, network.options, internal=network.internal)
        gateways = {4: "", 6: ""}
        for pool in network.pools if not network.internal else ():
            gateways[6 if ":" in pool.subnet else 4] = pool.gateway
        name = endpoint.driver_options.get(options.INTERFACE_NAME, "") or endpoint.interface
        if read.prefix != "eth" and name == endpoint.interface:
            name = read.prefix + name.removeprefix("eth")
        if not options.is_interface_name(name):
            raise InvalidRequest(f"invalid interface name: {name!r}")
        return replace(
            endpoint,
            interface=name,
            host_interface=PREFIX + endpoint.id[:11],
            ipv4_gateway=gateways[4],
            ipv6_gateway=gateways[6],
        )

    async def join(self, network: Network, sandbox: Sandbox, endpoint: Endpoint) -> None:
        """Plug the cable in; its rules first."""
        await self.prepare(network)
        read = options.read(network.id, network.options, internal=network.internal)
        cable = Cable(endpoint=endpoint, bridge=read.bridge, mtu=read.mtu, is_isolated=not read.icc)

        def work() -> None:
            self._firewall.own(f"endpoint {endpoint.id}", pins(endpoint, read))
            with namespace_of(sandbox) as namespace:
                endpoints.plug(namespace, cable)
            limits.apply(endpoint)

        await asyncio.to_thread(explained, work)

    async def lead(self, network: Network, sandbox: Sandbox, endpoint: Endpoint, outside: bool) -> None:
        """Set or remove the default route, and publish the ports or not."""
        read = options.read(network.id, network.options, internal=network.internal)

        def work() -> None:
            published = publish.elements(endpoint, read) if outside else []
            self._firewall.own(f"endpoint {endpoint.id}", [*pins(endpoint, read), *published])
            if outside and publish.needs_loopback(endpoint.ports):
                # Only for this bridge, and what comes from it to 127.0.0.1 is dropped first of all: chain `guard`.
                endpoints.write_sysctl(f"net/ipv4/conf/{read.bridge}/route_localnet", "1")
            publish.forget_flows(endpoint)
            if outside and endpoint.ports:
                endpoints.reflect(endpoint)
            with namespace_of(sandbox) as namespace:
                endpoints.route(namespace, endpoint, outside=outside)

        await asyncio.to_thread(explained, work)
        await self._proxies.serve(endpoint.id, publish.proxied(endpoint) if outside else [])

    async def leave(
        self, network: Network, endpoint: Endpoint, sandbox: Sandbox | None = None, *, gone: bool = False
    ) -> None:
        """Unpublish at once, and pull the cable; in the background where its other end is going anyway."""
        await self._proxies.serve(endpoint.id, [])
        owner = f"endpoint {endpoint.id}"
        read = options.read(network.id, network.options, internal=network.internal)

        def unpublish() -> None:
            self._firewall.own(owner, pins(endpoint, read))
            publish.forget_flows(endpoint)

        def unplug() -> None:
            # What the cable may say is limited as long as it is there: another container may be in that namespace.
            limits.remove(endpoint)
            endpoints.unplug(endpoint.host_interface)
            self._firewall.own(owner, ())

        if endpoint.ports:
            await asyncio.to_thread(unpublish)
        unplugging = asyncio.ensure_future(asyncio.to_thread(unplug))
        if not gone:
            await unplugging
            return
        self._ending.add(unplugging)
        unplugging.add_done_callback(self._ending.discard)

    async def restore(self, network: Network, endpoint: Endpoint, sandbox: Sandbox) -> bool:
        """Put back what is missing of a running container's cable; one that is whole is not touched."""
        await self.prepare(network)
        read = options.read(network.id, network.options, internal=network.internal)
        if not await asyncio.to_thread(endpoints.exists, endpoint.host_interface):
            log.warning("cable was gone and is plugged in again container=%s", endpoint.container_id)
            await self.join(network, sandbox, endpoint)
            return True
        held = [*pins(endpoint, read), *publish.elements(endpoint, read)]
        await asyncio.to_thread(self._firewall.own, f"endpoint {endpoint.id}", held)
        await self._proxies.serve(endpoint.id, publish.proxied(endpoint))
        return False

    async def reconcile(self, found: Sequence[tuple[Network, Endpoint]], networks: Sequence[Network]) -> None:
        """At start-up, before anything is restored: remember every row's rules, make them so, remove stray cables."""
        names = {name for _, name in endpoints.if_names()}
        mine = [network for network in networks if network.driver == self.name]
        reads = {each.id: options.read(each.id, each.options, internal=each.internal) for each in mine}
        if not any(read.bridge in names for read in reads.values()):
            return  # nothing was ever made here
        for network in mine:
            if reads[network.id].bridge in names:
                self._firewall.remember(f"network {network.id}", elements(network, reads[network.id]))
        for network, endpoint in found:
            if network.id in reads:
                held = [*pins(endpoint, reads[network.id]), *publish.elements(endpoint, reads[network.id])]
                self._firewall.remember(f"endpoint {endpoint.id}", held)

        def work() -> None:
            self._claim()
            forwarding.remember(self._firewall)
            self._firewall.put_all()
            for name in endpoints.strays(PREFIX, (endpoint.host_interface for _, endpoint in found)):
                endpoints.unplug(name)

        await asyncio.to_thread(work)

    async def close(self) -> None:
        """Finish what is being pulled."""
        await asyncio.gather(*self._ending, return_exceptions=True)
        if self._lock is not None:
            self._lock.close()


def elements(network: Network, read: BridgeOptions) -> list[Element]:
    """What the packet filter knows of a network."""
    key = interface_key(read.bridge)
    found: list[Element] = [("bridges", key, b""), ("own", key * 2, b"")]
    if network.internal:
        return [*found, ("internal", key, b""), *([] if read.icc else [("quiet", key, b"")])]
    if not read.icc:
        found.append(("quiet", key, b""))
    for version in (4, 6):
        mode = read.gateway_mode(version)
        if mode.startswith("nat") and read.masquerade:
            if version == 4 and read.source:
                found.append(("source4", key, publish.packed(read.source)))
            else:
                found.append((f"masquerade{version}", key, b""))
        if mode == "nat-unprotected":
            found.append(("open", key, b""))
    return found


def pins(endpoint: Endpoint, read: BridgeOptions) -> list[Element]:
    """The addresses that a cable may speak with."""
    if not read.spoof_check:
        return []
    port = interface_key(endpoint.host_interface)
    mac = bytes.fromhex(endpoint.mac_address.replace(":", ""))
    found: list[Element] = [("guarded", port, b""), ("macs", port + mac + b"\0\0", b"")]
    for address in (endpoint.ipv4_address, endpoint.ipv6_address, *endpoint.link_local):
        if data := publish.packed(address):
            found.append((f"speakers{4 if len(data) == 4 else 6}", port + mac + b"\0\0" + data, b""))
            if len(data) == 4:
                found.append(("addresses4", port + data, b""))
    return found


class namespace_of:
    """A descriptor of a sandbox's namespace, for a `with` block."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._path = sandbox.namespace

    def __enter__(self) -> int:
        self._fd = netns.open_of(self._path)
        return self._fd

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def _gateways(network: Network, read: BridgeOptions) -> list[str]:
    """The addresses of the bridge itself, with prefix lengths."""
    return [
        f"{pool.gateway}/{pool.subnet.partition('/')[2]}"
        for pool in network.pools
        if pool.gateway and read.gateway_mode(6 if ":" in pool.subnet else 4) != "isolated"
    ]


def _count(network: Network, version: int) -> int:
    return sum((":" in pool.subnet) == (version == 6) for pool in network.pools)
