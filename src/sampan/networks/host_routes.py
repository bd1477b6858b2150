"""Which addresses does the host route already?

/proc/net/route and /proc/net/ipv6_route (the main table), read without netlink: a network's subnet must not hide an
office, a VPN or another engine's containers. Default routes count for nothing, and routes of our own bridges are left
out by the caller.
"""

import ipaddress
import socket
import struct
from collections.abc import Collection
from pathlib import Path

from sampan.networks.ipam import Subnet

RTF_UP = 0x1


def routed(besides: Collection[str] = ()) -> list[Subnet]:
    """Subnets that have a route over an interface other than `besides`."""
    return [subnet for interface, subnet in (*_ipv4(), *_ipv6()) if interface not in besides and subnet.prefixlen]


def _ipv4() -> list[tuple[str, Subnet]]:
    found: list[tuple[str, Subnet]] = []
    for line in _lines("/proc/net/route")[1:]:
        words = line.split()
        # The kernel prints addresses as numbers of the machine's own byte order.
        destination, mask = (socket.inet_ntoa(struct.pack("=I", int(words[column], 16))) for column in (1, 7))
        if int(words[3], 16) & RTF_UP:
            found.append((words[0], ipaddress.IPv4Network(f"{destination}/{mask}", strict=False)))
    return found


def _ipv6() -> list[tuple[str, Subnet]]:
    found: list[tuple[str, Subnet]] = []
    for line in _lines("/proc/net/ipv6_route"):
        words = line.split()
        address, length = ipaddress.IPv6Address(int(words[0], 16)), int(words[1], 16)
        if not (address.is_link_local or address.is_multicast or address.is_loopback) and int(words[8], 16) & RTF_UP:
            found.append((words[9], ipaddress.IPv6Network((int(address), length), strict=False)))
    return found


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []  # a kernel without IPv6
