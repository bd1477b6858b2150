"""Which servers are asked for an image, and over what?

The registry that the name says, after its mirrors when something is pulled. https always; http, and https without
checking certificates, only for loopback and for what the configuration lists as insecure, as dockerd has it.
"""

import ipaddress
import socket
from dataclasses import dataclass

from sampan.oci.reference import DEFAULT_DOMAIN
from sampan.registry.settings import Settings

HUB = "registry-1.docker.io"
HUB_NAMES = frozenset({DEFAULT_DOMAIN, HUB, "index.docker.io"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One server of the distribution API. `bases` are the URLs to try, first come first; `registry` is its name."""

    registry: str
    bases: tuple[str, ...]
    verify: bool = True
    is_mirror: bool = False


def endpoints(domain: str, settings: Settings, *, mirrors: bool = True) -> tuple[Endpoint, ...]:
    """The servers that have the repositories of `domain`, in the order in which they are asked.

    May look up names, and then blocks: where the configuration lists CIDR blocks as insecure.
    """
    found = []
    if mirrors:
        listed = settings.host(domain).mirrors + (settings.mirrors if domain == DEFAULT_DOMAIN else ())
        found = [_mirror(url, settings) for url in listed]
    host = HUB if domain == DEFAULT_DOMAIN else domain
    return (*found, _endpoint(domain, host, settings))


def _endpoint(name: str, host: str, settings: Settings) -> Endpoint:
    if is_insecure(host, settings):
        return Endpoint(name, (f"https://{host}", f"http://{host}"), verify=False)
    return Endpoint(name, (f"https://{host}",))


def _mirror(url: str, settings: Settings) -> Endpoint:
    # The configuration names the scheme: http is what somebody wanted, so it is not tried any other way.
    host = url.partition("://")[2].partition("/")[0]
    return Endpoint(host, (url,), verify=not is_insecure(host, settings), is_mirror=True)


def is_insecure(host: str, settings: Settings, *, look_up: bool = True) -> bool:
    """Whether plain http and unchecked certificates are good enough for `host` ("name" or "name:port").

    With `look_up` a name is in a listed CIDR block when its address is; that blocks.
    """
    if host in settings.insecure or settings.host(host).insecure:
        return True
    name = host_name(host)
    if name in settings.insecure:
        return True
    address = as_address(name)
    if name == "localhost" or (address and address.is_loopback):
        return True
    blocks = [block for text in settings.insecure if "/" in text and (block := _as_network(text))]
    if not blocks:
        return False
    addresses = [address] if address else _look_up(name) if look_up else []
    return any(each in block for each in addresses for block in blocks if each.version == block.version)


def host_name(host: str) -> str:
    """`host` without its port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def as_address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address that `name` is, if it is one."""
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _as_network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _look_up(name: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [ipaddress.ip_address(str(address[0]).partition("%")[0]) for *_, address in found]
