"""What can be done with networks over HTTP? Engine API 1.51, "Network"."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sampan.api import reply
from sampan.api.call import Call
from sampan.errors import InvalidRequest, NotFound
from sampan.networks.model import Network, NetworkCreate, Pool
from sampan.wire import timestamps
from sampan.wire.containers import EndpointSettings
from sampan.wire.filters import Filters
from sampan.wire.networks import IPAM, NetworkConnectBody, NetworkCreateBody, NetworkDisconnectBody

if TYPE_CHECKING:
    from sampan.api.app import Engine

FILTERS = frozenset(("dangling", "driver", "id", "label", "name", "scope", "type"))
TYPES = ("builtin", "custom")


async def listing(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /networks`."""
    filters = call.filters()
    filters.check(FILTERS)
    wanted = _wanted(engine, filters)
    return reply.json([body(network) for network in engine.networks.all() if wanted(network)])


async def inspect(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /networks/{id}`; `verbose` asks for what only a swarm has."""
    network = engine.networks.find(call.name)
    if (scope := call.text("scope")) and scope != network.scope:
        raise NotFound(f"network {call.name} not found")
    return reply.json(body(network) | {"Containers": _members(engine, network)})


async def create(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /networks/create`."""
    network, warnings = await engine.networks.create(_wish(await call.body(NetworkCreateBody)))
    return reply.json({"Id": network.id, "Warning": " ".join(warnings)}, status=201)


async def remove(engine: "Engine", call: Call) -> web.StreamResponse:
    """`DELETE /networks/{id}`."""
    await engine.networks.remove(call.name)
    return reply.empty()


async def prune(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /networks/prune`."""
    filters = call.filters()
    filters.check(("label", "label!", "until"))
    removed = await engine.networks.prune(filters)
    engine.events.publish("network", "prune", "", {"reclaimed": "0"})
    return reply.json({"NetworksDeleted": removed or None})


async def connect(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /networks/{id}/connect`."""
    asked = await call.body(NetworkConnectBody)
    await engine.containers.connect(call.name, asked.container, asked.endpoint_config or EndpointSettings())
    return reply.empty(200)


async def disconnect(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /networks/{id}/disconnect`."""
    asked = await call.body(NetworkDisconnectBody)
    await engine.containers.disconnect(call.name, asked.container, force=asked.force)
    return reply.empty(200)


def _wish(asked: NetworkCreateBody) -> NetworkCreate:
    ipam = asked.ipam or IPAM()
    return NetworkCreate(
        name=asked.name,
        driver=asked.driver or "bridge",
        scope=asked.scope,
        internal=asked.internal,
        attachable=asked.attachable,
        ingress=asked.ingress,
        ipv4=asked.enable_ipv4 is not False,
        ipv6=bool(asked.enable_ipv6),
        pools=tuple(
            Pool(
                subnet=each.subnet,
                gateway=each.gateway,
                ip_range=each.ip_range,
                auxiliary=each.auxiliary_addresses or {},
            )
            for each in ipam.config or ()
        ),
        ipam_driver=ipam.driver or "default",
        ipam_options=ipam.options,
        options=asked.options or {},
        labels=asked.labels or {},
        config_only=asked.config_only,
        config_from=asked.config_from.network if asked.config_from else "",
    )


def _wanted(engine: "Engine", filters: Filters) -> Callable[[Network], bool]:
    dangling = filters.flag("dangling")
    for kind in filters.get("type"):
        if kind not in TYPES:
            raise InvalidRequest(f"invalid filter: 'type'='{kind}'")
    checks: dict[str, Callable[[Network, str], bool]] = {
        "driver": lambda network, value: value == network.driver,
        "id": lambda network, value: value in network.id,
        "name": lambda network, value: value in network.name,
        "scope": lambda network, value: value == network.scope,
        "type": lambda network, value: value == TYPES[network.is_user_defined],
    }

    def wanted(network: Network) -> bool:
        if dangling is not None:
            is_dangling = network.is_user_defined and not engine.networks.containers_of(network)
            if is_dangling != dangling:
                return False
        return filters.labels_match(network.labels) and all(
            any(check(network, value) for value in filters.get(key)) for key, check in checks.items() if key in filters
        )

    return wanted


def body(network: Network) -> dict[str, Any]:
    """Docker's NetworkResource, without its containers."""
    return {
        "Name": network.name,
        "Id": network.id,
        "Created": timestamps.rfc3339_nano(network.created_ns),
        "Scope": network.scope,
        "Driver": network.driver,
        "EnableIPv4": network.ipv4,
        "EnableIPv6": network.ipv6,
        "IPAM": {
            "Driver": network.ipam_driver,
            "Options": network.ipam_options,
            "Config": [_pool(pool) for pool in network.pools] or (None if network.predefined else []),
        },
        "Internal": network.internal,
        "Attachable": network.attachable,
        "Ingress": False,
        "ConfigFrom": {"Network": network.config_from},
        "ConfigOnly": network.config_only,
        "Containers": {},
        "Options": dict(network.options),
        "Labels": dict(network.labels),
    }


def _pool(pool: Pool) -> dict[str, Any]:
    fields = {
        "Subnet": pool.subnet,
        "IPRange": pool.ip_range,
        "Gateway": pool.gateway,
        "AuxiliaryAddresses": dict(pool.auxiliary),
    }
    return {name: value for name, value in fields.items() if value}


def _members(engine: "Engine", network: Network) -> dict[str, dict[str, str]]:
    """Docker's EndpointResource of each container that is joined."""
    names = engine.containers.names()
    return {
        container_id: {
            "Name": names.get(container_id, ""),
            "EndpointID": endpoint.id,
            "MacAddress": endpoint.mac_address,
            "IPv4Address": endpoint.ipv4_address,
            "IPv6Address": endpoint.ipv6_address,
        }
        for container_id, endpoint in engine.networks.containers_of(network).items()
    }
