"""Which networks does a client see? Engine API 1.51, "Network"; for now the ones that no driver has to make."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sampan.api import reply
from sampan.api.call import Call
from sampan.errors import Forbidden
from sampan.networks.model import Network
from sampan.wire import timestamps
from sampan.wire.filters import Filters

if TYPE_CHECKING:
    from sampan.api.app import Engine

FILTERS = frozenset(("dangling", "driver", "id", "label", "name", "scope", "type"))


async def listing(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /networks`."""
    filters = call.filters()
    filters.check(FILTERS)
    found = [_body(network) for network in engine.networks.all() if _wanted(network, filters)]
    return reply.json(found)


async def inspect(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /networks/{id}`."""
    return reply.json(_body(engine.networks.find(call.name)))


async def remove(engine: "Engine", call: Call) -> web.StreamResponse:
    """`DELETE /networks/{id}`: what is predefined stays."""
    network = engine.networks.find(call.name)
    raise Forbidden(f"{network.name} is a pre-defined network and cannot be removed")


async def prune(engine: "Engine", call: Call) -> web.StreamResponse:
    """`POST /networks/prune`: there is nothing but predefined networks."""
    call.filters().check(("label", "label!", "until"))
    return reply.json({"NetworksDeleted": None})


def _wanted(network: Network, filters: Filters) -> bool:
    checks: dict[str, Callable[[str], bool]] = {
        "driver": lambda value: value == network.driver,
        "id": lambda value: network.id.startswith(value),
        "name": lambda value: value in network.name,
        "scope": lambda value: value == network.scope,
        "type": lambda value: value == "builtin",
        "dangling": lambda value: value in ("false", "0"),
    }
    return filters.labels_match(network.labels) and all(
        any(check(value) for value in filters.get(key)) for key, check in checks.items() if key in filters
    )


def _body(network: Network) -> dict[str, Any]:
    return {
        "Name": network.name,
        "Id": network.id,
        "Created": timestamps.rfc3339_nano(network.created_ns),
        "Scope": network.scope,
        "Driver": network.driver,
        "EnableIPv4": network.ipv4,
        "EnableIPv6": network.ipv6,
        "IPAM": {"Driver": "default", "Options": None, "Config": None},
        "Internal": network.internal,
        "Attachable": network.attachable,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {},
        "Options": dict(network.options),
        "Labels": dict(network.labels),
    }
