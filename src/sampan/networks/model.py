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
    """One network. `id` is 64 hex digits; `created_ns` Unix nanoseconds.

    `predefined`: the engine made it, and nobody removes it. `chosen_pools`: IPAM chose the subnets, the user none.
    `config_only`: nothing but settings that others are made from (`config_from`).
    """

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
    ipam_driver: str = "default"
    ipam_options: Mapping[str, str] | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    predefined: bool = False
    chosen_pools: bool = False
    config_only: bool = False
    config_from: str = ""

    @property
    def is_user_defined(self) -> bool:
        """Made by a user: its containers have names there, and may ask for addresses."""
        return not self.predefined


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkCreate:
    """What a user asks for with `network create`; `pools` without a subnet ask IPAM to choose one."""

    name: str
    driver: str = "bridge"
    scope: str = ""
    internal: bool = False
    attachable: bool = False
    ingress: bool = False
    ipv4: bool = True
    ipv6: bool = False
    pools: tuple[Pool, ...] = ()
    ipam_driver: str = "default"
    ipam_options: Mapping[str, str] | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    config_only: bool = False
    config_from: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedPort:
    """A container's port and the place on the host where it is to be reached; host port 0: the engine picks one.

    With `host_port_end` any free one from `host_port` up to it will do. `obey_firewall`: the host's own firewall
    decides who gets through, as for a program of the host. Once granted, `host_ip` and `host_port` are exact.
    """

    container_port: int
    protocol: str = "tcp"
    host_ip: str = ""
    host_port: int = 0
    host_port_end: int = 0
    obey_firewall: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What is asked of an endpoint; a driver that cannot grant a wish refuses it when the container is created.

    `links` are `CONTAINER:ALIAS`; `exposed` are (port, protocol) that other hosts may reach without publishing where
    the network is routed; of the networks with the highest `gw_priority` one leads to the outside. Limits of
    bandwidth are driver options (`limits.py`).
    """

    ipv4_address: str = ""
    ipv6_address: str = ""
    mac_address: str = ""
    aliases: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    link_local: tuple[str, ...] = ()
    ports: tuple[PublishedPort, ...] = ()
    exposed: tuple[tuple[int, str], ...] = ()
    driver_options: Mapping[str, str] = field(default_factory=dict)
    gw_priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A container's network stack.

    `namespace` is the path of its network namespace ("" for the host's): before the container runs, of a descriptor
    that the engine holds; from then on /proc/PID/ns/net. `name` is the container's, for messages.
    """

    container_id: str
    namespace: str = ""
    hostname: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A sandbox's place in a network, as it was granted. Addresses with prefix length, "" for none.

    `interface` is its name inside, `host_interface` that of its other end. `details` are the driver's own.
    """

    id: str
    network_id: str
    container_id: str
    mac_address: str = ""
    ipv4_address: str = ""
    ipv6_address: str = ""
    ipv4_gateway: str = ""
    ipv6_gateway: str = ""
    interface: str = ""
    host_interface: str = ""
    names: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    link_local: tuple[str, ...] = ()
    ports: tuple[PublishedPort, ...] = ()
    exposed: tuple[tuple[int, str], ...] = ()
    driver_options: Mapping[str, str] = field(default_factory=dict)
    gw_priority: int = 0
    details: Mapping[str, str] = field(default_factory=dict)
