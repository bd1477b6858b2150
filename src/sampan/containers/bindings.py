"""How are a container's ports shown?

Docker has two ways: `NetworkSettings.Ports` of inspect, and the flat list of `ps`. Both tell of every exposed port, and
of the published ones where they are to be reached. What was asked for is `ports.py`'s. Pure.
"""

from collections.abc import Iterable
from typing import Any

from sampan.containers import ports
from sampan.networks.model import Endpoint
from sampan.wire.containers import ContainerConfig


def shown(config: ContainerConfig, endpoints: Iterable[Endpoint]) -> dict[str, list[dict[str, str]] | None]:
    """Port → where it is to be reached, null for a port that is exposed only; nothing without an interface."""
    joined = [endpoint for endpoint in endpoints if endpoint.interface]
    exposed = ports.exposed(config, {}) if joined else ()
    found: dict[tuple[int, str], list[dict[str, str]] | None] = dict.fromkeys(exposed)
    for granted in (port for endpoint in joined for port in endpoint.ports):
        key = (granted.container_port, granted.protocol)
        found[key] = [*(found.get(key) or ()), {"HostIp": granted.host_ip, "HostPort": str(granted.host_port)}]
    return {f"{number}/{protocol}": found[number, protocol] for number, protocol in sorted(found)}


def summary(config: ContainerConfig, endpoints: Iterable[Endpoint]) -> list[dict[str, Any]]:
    """The same as a list with an element for each place."""
    result: list[dict[str, Any]] = []
    for text, places in shown(config, endpoints).items():
        number, _, protocol = text.partition("/")
        private = {"PrivatePort": int(number), "Type": protocol}
        if places is None:
            result.append(private)
        for place in places or ():
            result.append({"IP": place["HostIp"], **private, "PublicPort": int(place["HostPort"])})
    return result
