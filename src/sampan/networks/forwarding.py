"""How does the host come to forward packets for containers, without becoming a router for everybody?

Forwarding is a switch of the whole host. Where the engine turns it on, the packet filter drops what is forwarded
between two interfaces that are no bridges (set `closed`), as dockerd does with a policy. With IPv6, a host that
forwards stops listening to router advertisements unless told otherwise: interfaces that live by them are (accept_ra).
"""

import socket
from pathlib import Path

from sampan.linux import nftables
from sampan.linux.nftables import Family
from sampan.networks.endpoint import read_sysctl, write_sysctl
from sampan.networks.firewall import Firewall
from sampan.networks.ruleset import TABLE

SWITCHES = {4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding"}
PROTOCOLS = {4: bytes((Family.IPV4,)), 6: bytes((Family.IPV6,))}
RTF_ADDRCONF = 0x40000
"""A route that an advertisement has brought (linux/ipv6_route.h)."""


def turn_on(version: int, firewall: Firewall, *, closed: bool = True) -> None:
    """Let the host forward packets of an IP version; `closed`: for bridges only, if it has not done so before.

    Raises OSError.
    """
    if read_sysctl(SWITCHES[version]) != "0":
        return
    if closed:
        firewall.own(_owner(version), [("closed", PROTOCOLS[version], b"")])
    if version == 6:
        _keep_listening()
    write_sysctl(SWITCHES[version], "1")


def remember(firewall: Firewall) -> None:
    """Take over what an earlier engine turned on, as the kernel has it; nothing where there are no tables of ours."""
    try:
        found = {key[:1] for key, _ in nftables.elements(Family.INET, TABLE, "closed")}
    except OSError:
        return
    for version, protocol in PROTOCOLS.items():
        if protocol in found:
            firewall.remember(_owner(version), [("closed", protocol, b"")])


def _owner(version: int) -> str:
    return f"forwarding {version}"


def _keep_listening() -> None:
    """Let interfaces that got a route from an advertisement go on listening when the host forwards (accept_ra=2)."""
    try:
        lines = Path("/proc/net/ipv6_route").read_text().splitlines()
    except OSError:
        return
    told = {words[9] for line in lines if int((words := line.split())[8], 16) & RTF_ADDRCONF}
    for _, name in socket.if_nameindex():
        if name in told and read_sysctl(f"net/ipv6/conf/{name}/accept_ra") == "1":
            write_sysctl(f"net/ipv6/conf/{name}/accept_ra", "2")
