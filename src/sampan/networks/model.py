"""What is a network, and what joins a container to one?

The words are those of the container network model (libnetwork's docs/design.md): a *sandbox* is a container's network
stack, an *endpoint* joins one sandbox to one network, a *network* is a group of endpoints that can talk, and a *driver*
knows how.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Stack(StrEnum):
    """Where a container's network stack comes from."""

    NEW = "new"
    HOST = "host"
    JOINED = "joined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A range of addresses that a network hands out: CIDR texts, "" where IPAM is to choose."""

    subnet: str = ""
    gateway: str = ""
    ip_range: str = ""
    auxiliary: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """One network. `id` is 64 hex digits; `created_ns` Unix nanoseconds."""

    id: str
    name: str
    driver: str
    scope: str = "local"
    created_ns: int = 0
    internal: bool = False
    attachable: bool = False
    ipv4: bool = False
    ipv6: bool = False
    pools: tuple[Pool, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedPort:
    """A container's port and the place on the host where it is to be reached; host port 0: the driver picks one."""

    container_port: int
    protocol: str = "tcp"
    host_ip: str = ""
    host_port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What is asked of an endpoint; a driver that cannot grant a wish refuses it when the container is created."""

    ipv4_address: str = ""
    ipv6_address: str = ""
    mac_address: str = ""
    aliases: tuple[str, ...] = ()
    ports: tuple[PublishedPort, ...] = ()
    driver_options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A container's network stack.

    `namespace` is the path of its network namespace ("" for the host's): /proc/PID/ns/net, held by the shim for as
    long as the container runs.
    """

    container_id: str
    namespace: str = ""
    hostname: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A sandbox's place in a network, as it was granted. Addresses with prefix length, "" for none."""

    id: str
    network_id: str
    container_id: str
    mac_address: str = ""
    ipv4_address: str = ""
    ipv6_address: str = ""
    ipv4_gateway: str = ""
    ipv6_gateway: str = ""
    names: tuple[str, ...] = ()
    ports: tuple[PublishedPort, ...] = ()
    details: Mapping[str, str] = field(default_factory=dict)
