"""How is a container's port reached from outside?

By one element of a map: `protocol . [address .] port → container's address . port`. The rules that ask the map are in
`ruleset.py`; what cannot be translated (::1) goes through `proxy.py`. In a routed network nothing is translated: the
container's own port is opened to others.
"""

import ipaddress
import socket
from collections.abc import Iterable

from sampan.linux import conntrack
from sampan.networks import ruleset
from sampan.networks.firewall import Element
from sampan.networks.model import Endpoint, PublishedPort
from sampan.networks.options import BridgeOptions
from sampan.networks.ports import ANY4, ANY6

NUMBERS = {"tcp": 6, "udp": 17, "sctp": 132}


def elements(endpoint: Endpoint, options: BridgeOptions) -> list[Element]:
    """The map's and sets' elements for all of an endpoint's ports."""
    found: list[Element] = []
    for port in endpoint.ports:
        for version, granted in ((4, endpoint.ipv4_address), (6, endpoint.ipv6_address)):
            address = packed(granted)
            if not address or version != ipaddress.ip_address(port.host_ip).version:
                continue
            if options.gateway_mode(version) == "routed":
                found.append(_reachable(version, address, port.container_port, port.protocol))
            elif not port.obey_firewall:
                found.append(_translated(version, address, port))
    for version, granted in ((4, endpoint.ipv4_address), (6, endpoint.ipv6_address)):
        if options.gateway_mode(version) == "routed" and granted:
            published = {(port.container_port, port.protocol) for port in endpoint.ports}
            found += [_reachable(version, packed(granted), *port) for port in published]
    if endpoint.ports:
        addresses = [(4, packed(endpoint.ipv4_address)), (6, packed(endpoint.ipv6_address))]
        found += [(f"self{version}", address * 2, b"") for version, address in addresses if address]
    return list(dict.fromkeys(found))


def proxied(endpoint: Endpoint) -> list[tuple[PublishedPort, str]]:
    """Ports that a program must serve, each with the container's address.

    Those of IPv6 loopback, of an IP version that the container has not, and that the host's own firewall is to judge.
    """
    found = []
    for port in endpoint.ports:
        address = ipaddress.ip_address(port.host_ip)
        is_6 = address.version == 6
        cannot = is_6 and (not endpoint.ipv6_address or address.is_loopback or port.host_ip == ANY6)
        if port.obey_firewall or cannot or (not is_6 and not endpoint.ipv4_address):
            first, second = endpoint.ipv4_address, endpoint.ipv6_address
            target = (second or first) if is_6 else (first or second)
            if target:
                found.append((port, target.partition("/")[0]))
    return found


def forget_flows(endpoint: Endpoint) -> None:
    """Let datagrams that are under way find their way anew. Raises OSError.

    The kernel sends each where it sent the one before: past a port that is published by now, or to a container that had
    it before. Connections of TCP end by themselves.
    """
    numbers = {port.host_port for port in endpoint.ports if port.protocol == "udp"}
    if not numbers:
        return
    own = {packed(endpoint.ipv4_address), packed(endpoint.ipv6_address)} - {b""}
    for family in (socket.AF_INET, socket.AF_INET6):
        conntrack.forget(
            family, lambda flow: flow.protocol == NUMBERS["udp"] and (flow.port in numbers or flow.answerer in own)
        )


def needs_loopback(ports: Iterable[PublishedPort]) -> bool:
    """Whether any is to be reached by 127.0.0.1."""
    return any(port.host_ip == ANY4 or port.host_ip.startswith("127.") for port in ports if not port.obey_firewall)


def packed(address: str) -> bytes:
    """An address in network order, b"" for none."""
    return ipaddress.ip_address(address.partition("/")[0]).packed if address else b""


def _translated(version: int, address: bytes, port: PublishedPort) -> Element:
    protocol, data = NUMBERS[port.protocol], ruleset.place_data(address, port.container_port)
    if port.host_ip in (ANY4, ANY6):
        return f"any{version}", ruleset.port_key(protocol, port.host_port), data
    key = ruleset.place_key(protocol, packed(port.host_ip), port.host_port)
    return f"at{version}", key, data


def _reachable(version: int, address: bytes, number: int, protocol: str) -> Element:
    return f"reachable{version}", ruleset.place_key(NUMBERS[protocol], address, number), b""
