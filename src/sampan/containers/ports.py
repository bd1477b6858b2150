"""Which of a container's ports are to be published where?

HostConfig.PortBindings and PublishAllPorts with Config.ExposedPorts, taken apart into one value for each port. Pure;
which port of the host it will be is decided at the start.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence

from sampan.errors import InvalidRequest
from sampan.networks.model import PublishedPort
from sampan.wire.containers import ContainerConfig, HostConfig, PortBinding

PORT = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/(tcp|udp|sctp))?")
HIGHEST = 65535


def published(config: ContainerConfig, host: HostConfig) -> tuple[PublishedPort, ...]:
    """Every port that is to be published. Raises InvalidRequest."""
    bindings = dict(host.port_bindings or {})
    found = [port for key, places in bindings.items() for port in _of_key(key, places)]
    if host.publish_all_ports:
        named = {(port.container_port, port.protocol) for port in found}
        found += [
            PublishedPort(container_port=number, protocol=protocol)
            for number, protocol in exposed(config, {})
            if (number, protocol) not in named
        ]
    return tuple(dict.fromkeys(found))


def exposed(
    config: ContainerConfig, bindings: Mapping[str, Sequence[PortBinding] | None]
) -> tuple[tuple[int, str], ...]:
    """(port, protocol) of every port that the image or the request exposes or publishes, in order."""
    found = {
        (number, protocol)
        for key in (*(config.exposed_ports or ()), *bindings)
        for first, last, protocol in [parse(key)]
        for number in range(first, last + 1)
    }
    return tuple(sorted(found, key=lambda port: (port[1], port[0])))


def parse(text: str) -> tuple[int, int, str]:
    """(first, last, protocol) of `80`, `80/tcp`, `8000-8010/udp`. Raises InvalidRequest."""
    match = PORT.fullmatch(text)
    first = int(match[1]) if match else 0
    last = int(match[2] or first) if match else 0
    if match is None or not first <= last <= HIGHEST:
        raise InvalidRequest(f'invalid port specification: "{text}"')
    return first, last, match[3] or "tcp"


def _of_key(key: str, places: Sequence[PortBinding] | None) -> list[PublishedPort]:
    first, last, protocol = parse(key)
    if not first:
        raise InvalidRequest(f'invalid port specification: "{key}"')
    return [
        port
        for number in range(first, last + 1)
        for place in places or [PortBinding()]
        for port in [_of_place(number, first, last, protocol, place)]
    ]


def _of_place(number: int, first: int, last: int, protocol: str, place: PortBinding) -> PublishedPort:
    if place.host_ip:
        try:
            ipaddress.ip_address(place.host_ip)
        except ValueError:
            raise InvalidRequest(f"invalid IP address: {place.host_ip}") from None
    host_first, host_last = _host_range(place.host_port)
    if last > first and host_last - host_first == last - first:
        # A range onto a range of the same length: one to one.
        host_first = host_last = host_first + number - first
    return PublishedPort(
        container_port=number,
        protocol=protocol,
        host_ip=place.host_ip,
        host_port=host_first,
        host_port_end=host_last if host_last > host_first else 0,
    )


def _host_range(text: str) -> tuple[int, int]:
    if not text:
        return 0, 0
    first, last, _ = parse(text)
    return first, last
