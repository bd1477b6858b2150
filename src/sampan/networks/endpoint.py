"""How does a cable get into a container?

A pair of interfaces (veth(4)): one end in the bridge on the host, the other in the container's namespace, where it gets
its hardware address, its IP addresses and its settings before it is brought up. Everything here waits for the kernel,
and belongs into a thread.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sampan.errors import InvalidRequest
from sampan.linux import netlink, netns
from sampan.networks.model import Endpoint
from sampan.networks.options import SYSCTLS

SYSCTL_ROOT = "/proc/sys"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cable:
    """What `plug` is to make."""

    endpoint: Endpoint
    bridge: str
    mtu: int = 0
    is_isolated: bool = False


def plug(namespace: int, cable: Cable) -> None:
    """Connect the namespace behind a descriptor to a bridge. Raises OSError."""
    endpoint = cable.endpoint
    with netlink.links() as links:
        links.add_veth(
            endpoint.host_interface,
            endpoint.interface,
            namespace=namespace,
            mac=endpoint.mac_address,
            master=cable.bridge,
            mtu=cable.mtu,
        )
        if cable.is_isolated:
            links.isolate_port(endpoint.host_interface)
    netns.inside(namespace, lambda: configure(endpoint))


def configure(endpoint: Endpoint) -> None:
    """Give an interface of the namespace that this thread is in its settings and addresses, and bring it up."""
    name = endpoint.interface
    quiet_ipv6(name, wanted=bool(endpoint.ipv6_address))
    for key, value in sysctls(endpoint).items():
        write_sysctl(key, value)
    with netlink.links() as links:
        for address in (endpoint.ipv4_address, endpoint.ipv6_address):
            if address:
                links.add_address(name, address)
        for address in endpoint.link_local:
            links.add_address(name, f"{address}/{16 if '.' in address else 64}", scope=253)
        links.set_up(name)


def route(namespace: int, endpoint: Endpoint, *, outside: bool) -> None:
    """Let the namespace's way to everywhere lead over this endpoint, or have none."""

    def work() -> None:
        with netlink.links() as links:
            for version, address, gateway in (
                (4, endpoint.ipv4_address, endpoint.ipv4_gateway),
                (6, endpoint.ipv6_address, endpoint.ipv6_gateway),
            ):
                if outside and address and gateway:
                    links.route_outside(endpoint.interface, gateway, version=version)
                elif not outside or (version == 4 and endpoint.ipv4_address):
                    links.unroute_outside(version=version)

    netns.inside(namespace, work)


def reflect(endpoint: Endpoint) -> None:
    """Let the container reach itself by a published port. Raises OSError.

    Where the host's bridges ask IP's rules (br_netfilter), that goes back through the cable it came from.
    """
    with netlink.links() as links:
        links.reflect(endpoint.host_interface)


def unplug(interface: str) -> None:
    """Remove the host's end, and with it the other; harmless when they are gone."""
    if not interface:
        return
    with netlink.links() as links:
        links.delete(interface)


def quiet_ipv6(name: str, *, wanted: bool) -> None:
    """Where IPv6 was not asked for there is none, not even a link-local address; no neighbour announces routes."""
    base = f"net/ipv6/conf/{name}"
    if not os.path.isdir(f"{SYSCTL_ROOT}/{base}"):
        return  # a kernel without IPv6
    write_sysctl(f"{base}/accept_ra", "0")
    # Addresses here are handed out once: nobody need wait a second for a neighbour to object to one.
    write_sysctl(f"{base}/accept_dad", "0")
    write_sysctl(f"{base}/disable_ipv6", "0" if wanted else "1")


def sysctls(endpoint: Endpoint) -> Mapping[str, str]:
    """The settings that an endpoint's options ask for, as paths below /proc/sys. Raises InvalidRequest."""
    return read_sysctls(endpoint.driver_options.get(SYSCTLS, ""), endpoint.interface)


def read_sysctls(text: str, interface: str) -> dict[str, str]:
    """`net.ipv4.conf.IFNAME.log_martians=1,…`: only settings of this one interface. Raises InvalidRequest."""
    found = {}
    for word in text.split(",") if text else ():
        key, equals, value = word.partition("=")
        parts = key.split(".")
        is_known = len(parts) == 5 and parts[0] == "net" and parts[1] in ("ipv4", "ipv6", "mpls")
        is_plain = parts[-1].replace("_", "").isalnum() and parts[-1].isascii()
        is_own = is_known and parts[2] in ("conf", "neigh", "input") and parts[3].upper() == "IFNAME"
        # docker's client writes the whole option in small letters.
        if not (equals and is_own and is_plain):
            raise InvalidRequest(f"unable to parse {SYSCTLS}: invalid sysctl {word!r}: net.X.Y.IFNAME.Z=value expected")
        found["/".join([*parts[:3], interface, parts[4]])] = value
    return found


def write_sysctl(path: str, value: str) -> None:
    """Write a file below /proc/sys, of this thread's network namespace. Raises OSError."""
    descriptor = os.open(f"{SYSCTL_ROOT}/{path}", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)


def read_sysctl(path: str) -> str:
    """What a file below /proc/sys says, "" when there is none."""
    try:
        with open(f"{SYSCTL_ROOT}/{path}") as file:
            return file.read().strip()
    except OSError:
        return ""


def strays(prefix: str, known: Iterable[str]) -> list[str]:
    """Interfaces whose names begin so and that nobody knows."""
    kept = set(known)
    return [name for _, name in if_names() if name.startswith(prefix) and name not in kept]


def exists(interface: str) -> bool:
    """Whether the host has an interface of this name."""
    return any(name == interface for _, name in if_names())


def if_names() -> list[tuple[int, str]]:
    """(number, name) of every interface, read without netlink."""
    import socket

    return socket.if_nameindex()
