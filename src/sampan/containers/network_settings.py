"""What does inspect tell of a container's networks?

Docker's NetworkSettings (Engine API 1.51): the ports, each network that the container is joined to or will be when it
starts, and again the fields of the old default network on top.
"""

from collections.abc import Mapping
from typing import Any

from sampan.containers import bindings
from sampan.containers.engine import Engine
from sampan.containers.model import Container
from sampan.containers.resolve import names_on
from sampan.errors import NotFound
from sampan.networks.model import Endpoint
from sampan.wire.bodies import to_dict
from sampan.wire.containers import EndpointSettings

BRIDGE = "bridge"


def network_settings(engine: Engine, container: Container) -> dict[str, Any]:
    """The whole of it."""
    pid = container.state.pid
    granted = engine.networks.endpoints(container.id)
    return {
        "Bridge": "",
        "SandboxID": container.id if pid else "",
        "SandboxKey": f"/proc/{pid}/ns/net" if pid else "",
        "Ports": bindings.shown(container.config, granted.values()) if pid else {},
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        **_address_fields(granted.get(BRIDGE)),
        "Networks": networks(engine, container),
    }


def networks(engine: Engine, container: Container) -> dict[str, dict[str, Any]]:
    """Docker's EndpointSettings of each network."""
    granted = engine.networks.endpoints(container.id)
    return {
        name: _endpoint(engine, container, name, settings, granted.get(name))
        for name, settings in container.networks.items()
    }


def _endpoint(
    engine: Engine, container: Container, name: str, settings: EndpointSettings, granted: Endpoint | None
) -> dict[str, Any]:
    try:
        network = engine.networks.find(name)
    except NotFound:
        network = None  # it was removed while the container did not run
    has_names = network is not None and network.is_user_defined
    addresses = settings.ipam_config
    return {
        "IPAMConfig": _filled(to_dict(addresses)) if addresses is not None else None,
        "Links": settings.links,
        "Aliases": settings.aliases,
        "DriverOpts": settings.driver_opts,
        "GwPriority": settings.gw_priority,
        "NetworkID": network.id if network and (granted or has_names) else "",
        **_address_fields(granted),
        "MacAddress": granted.mac_address if granted else settings.mac_address,
        "DNSNames": list(names_on(container, settings)) if has_names else None,
    }


def _filled(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}


def _address_fields(endpoint: Endpoint | None) -> dict[str, Any]:
    address, _, length = (endpoint.ipv4_address if endpoint else "").partition("/")
    address_6, _, length_6 = (endpoint.ipv6_address if endpoint else "").partition("/")
    return {
        "EndpointID": endpoint.id if endpoint else "",
        "Gateway": endpoint.ipv4_gateway if endpoint else "",
        "IPAddress": address,
        "IPPrefixLen": int(length or 0),
        "IPv6Gateway": endpoint.ipv6_gateway if endpoint else "",
        "GlobalIPv6Address": address_6,
        "GlobalIPv6PrefixLen": int(length_6 or 0),
        "MacAddress": endpoint.mac_address if endpoint else "",
    }
