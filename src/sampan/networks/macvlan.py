"""How does the driver `macvlan` work?

Containers appear on the wire of an interface of the host as machines of their own (ip-link(8), `macvlan`). Modes say
whether they see each other: bridge (directly), vepa (by way of the switch), private (never), passthru (one container
has the interface to itself). The parent may be a VLAN of an interface, `eth0.10`, which is made when first needed and
goes with its last network; without a parent it is an interface that leads nowhere, and only containers meet.
"""

import asyncio
import errno
import functools
import re
import time
from collections.abc import Sequence
from dataclasses import replace

from sampan.errors import InvalidRequest
from sampan.linux import netlink, netns
from sampan.networks import endpoint as endpoints
from sampan.networks import options
from sampan.networks.bridge import namespace_of
from sampan.networks.model import Endpoint, Network, Sandbox, Stack, Wishes
from sampan.networks.refused import as_said, explained

MODE, PARENT = "macvlan_mode", "parent"
MADE_PARENT = "com.sampan.network.macvlan.made_parent"
BUSY = (errno.EADDRINUSE, errno.EBUSY, errno.EINVAL)
PREDECESSOR_SECONDS = 2.0
VLAN = re.compile(r"([^\s/.]{1,12})\.([0-9]{1,4})")


class Macvlan:
    """Containers on a wire of the host's."""

    name = "macvlan"
    stack = Stack.NEW
    has_addresses = True
    publishes = False

    def settle(self, network: Network) -> Network:
        """Judge mode and parent."""
        given = dict(network.options)
        mode = given.get(MODE, "") or "bridge"
        if mode not in netlink.MACVLAN_MODES:
            raise InvalidRequest(
                f"requested macvlan mode '{mode}' is not valid, 'bridge' mode is the macvlan driver default"
            )
        parent = given.get(PARENT, "")
        if not parent or network.internal:
            parent = given[PARENT] = f"dm-{network.id[:12]}"
            given[MADE_PARENT] = "true"
        elif not endpoints.exists(parent):
            match = VLAN.fullmatch(parent)
            if match is None or not endpoints.exists(match[1]) or not 1 <= int(match[2]) <= 4094:
                raise InvalidRequest(f"invalid subinterface vlan name {parent}, example formatting is eth0.10")
            given[MADE_PARENT] = "true"
        options.mtu(given)
        return replace(network, options=given)

    def check(self, network: Network, wishes: Wishes) -> None:
        """An address can be asked for where the subnet was."""
        if (wishes.ipv4_address or wishes.ipv6_address) and network.chosen_pools:
            raise InvalidRequest(
                "user specified IP address is supported only when connecting to networks with user configured subnets"
            )
        endpoints.read_sysctls(wishes.driver_options.get(options.SYSCTLS, ""), "eth0")

    async def prepare(self, network: Network) -> None:
        """Make the parent, if it is ours to make."""
        await asyncio.to_thread(explained, functools.partial(_prepare, network))

    async def discard(self, network: Network) -> None:
        """Remove the parent if it was made here."""
        if network.options.get(MADE_PARENT) == "true":
            await asyncio.to_thread(endpoints.unplug, network.options[PARENT])

    def grant(self, network: Network, endpoint: Endpoint) -> Endpoint:
        """The gateway is a machine on the wire, if one was named or chosen."""
        gateways = {4: "", 6: ""}
        for pool in network.pools if not network.internal else ():
            gateways[6 if ":" in pool.subnet else 4] = pool.gateway
        return replace(endpoint, ipv4_gateway=gateways[4], ipv6_gateway=gateways[6])

    async def join(self, network: Network, sandbox: Sandbox, endpoint: Endpoint) -> None:
        """Make the interface in the container's namespace."""
        await self.prepare(network)

        deadline = time.monotonic() + PREDECESSOR_SECONDS
        while True:
            try:
                await asyncio.to_thread(_make, network, sandbox, endpoint)
                return
            except OSError as error:
                # The kernel takes its time to remove the namespace of a container that has just ended, and with it an
                # interface that has this address, or the whole parent.
                if error.errno not in BUSY or time.monotonic() > deadline:
                    raise as_said(error) from error
            await asyncio.sleep(0.05)

    async def lead(self, network: Network, sandbox: Sandbox, endpoint: Endpoint, outside: bool) -> None:
        """Set or remove the default route. Nothing is published: the container is on the wire itself."""

        def work() -> None:
            with namespace_of(sandbox) as namespace:
                endpoints.route(namespace, endpoint, outside=outside)

        await asyncio.to_thread(explained, work)

    async def leave(
        self, network: Network, endpoint: Endpoint, sandbox: Sandbox | None = None, *, gone: bool = False
    ) -> None:
        """The interface goes with the container's namespace; from one that lives on it is removed."""

        def work(living: Sandbox) -> None:
            with namespace_of(living) as namespace:
                netns.inside(namespace, lambda: endpoints.unplug(endpoint.interface))

        if sandbox is not None:
            await asyncio.to_thread(explained, functools.partial(work, sandbox))

    async def reconcile(self, found: Sequence[tuple[Network, Endpoint]], networks: Sequence[Network]) -> None:
        """Interfaces are in namespaces that live and die with their containers: nothing can be left on the host."""

    async def restore(self, network: Network, endpoint: Endpoint, sandbox: Sandbox) -> bool:
        """What a running container has nobody has taken away."""
        return False

    async def close(self) -> None:
        """Nothing is under way."""


def _make(network: Network, sandbox: Sandbox, endpoint: Endpoint) -> None:
    def configure() -> None:
        try:
            endpoints.configure(endpoint)
        except OSError:
            endpoints.unplug(endpoint.interface)
            raise

    with namespace_of(sandbox) as namespace:
        with netlink.links() as links:
            links.add_macvlan(
                endpoint.interface, network.options[PARENT], mode=network.options.get(MODE, "") or "bridge",
                namespace=namespace, mac=endpoint.mac_address, mtu=options.mtu(network.options),
            )  # fmt: skip
        netns.inside(namespace, configure)


def _add_nowhere(links: netlink.Links, name: str, network_id: str) -> None:
    try:
        links.add_dummy(name)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        # A kernel without dummy interfaces: a cable with nobody at its other end leads nowhere as well.
        links.add_pair(name, f"dp-{network_id[:12]}")


def _prepare(network: Network) -> None:
    parent = network.options[PARENT]
    if network.options.get(MADE_PARENT) != "true" or endpoints.exists(parent):
        return
    with netlink.links() as links:
        match = VLAN.fullmatch(parent)
        if match is not None:
            links.add_vlan(parent, match[1], int(match[2]))
        else:
            _add_nowhere(links, parent, network.id)
        links.set_up(parent)
