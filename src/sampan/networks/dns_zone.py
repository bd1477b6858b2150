"""Which names are there on each network, and what does one of them mean to one container?

A network's zone is made of its endpoints: each brings its names (the container's, its short id, its host name, its
aliases) and its addresses; a name that several endpoints share has the addresses of all. A container sees the zones of
the networks that it is on, in their order, and no others; `web.front` is `web` on the network `front`. Names are kept
in lower case, as DNS compares them (RFC 1034, 3.1). Pure: nothing here waits or talks.
"""

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

NAME_LIMIT = 253
LABEL_LIMIT = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One endpoint, as its neighbours see it. `names[0]` answers for its addresses; ports are (number, protocol)."""

    endpoint_id: str
    names: tuple[str, ...]
    addresses: tuple[str, ...] = ()
    ports: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A container's place on one network: `links` are names that it alone has for others there."""

    network_id: str
    network_name: str
    internal: bool = False
    links: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Service:
    """A port of a named endpoint, for SRV: the full name of the host, and its addresses."""

    port: int
    host: str
    addresses: tuple[str, ...]


class Zones:
    """The names of all networks."""

    def __init__(self) -> None:
        self._generations: dict[str, int] = {}
        self._entries: dict[str, dict[str, Entry]] = {}
        self._by_name: dict[str, dict[str, list[Entry]]] = {}
        self._by_address: dict[str, dict[str, Entry]] = {}

    def add(self, network_id: str, entry: Entry) -> None:
        """Make an endpoint known on its network, or known anew."""
        self.remove(network_id, entry.endpoint_id)
        self._entries.setdefault(network_id, {})[entry.endpoint_id] = entry
        names = self._by_name.setdefault(network_id, {})
        for name in dict.fromkeys(name.lower() for name in entry.names if name):
            names.setdefault(name, []).append(entry)
        addresses = self._by_address.setdefault(network_id, {})
        addresses.update(dict.fromkeys(entry.addresses, entry))

    def remove(self, network_id: str, endpoint_id: str) -> None:
        """Forget an endpoint; harmless when nobody knows it."""
        self._generations[network_id] = self._generations.get(network_id, 0) + 1
        entry = self._entries.get(network_id, {}).pop(endpoint_id, None)
        if entry is None:
            return
        names, addresses = self._by_name[network_id], self._by_address[network_id]
        for name in dict.fromkeys(name.lower() for name in entry.names if name):
            names[name].remove(entry)
            if not names[name]:
                del names[name]
        for address in entry.addresses:
            if addresses.get(address) is entry:
                del addresses[address]
        if not self._entries[network_id]:
            for kept in (self._entries, self._by_name, self._by_address):
                kept.pop(network_id, None)

    def generation(self, seats: Iterable[Seat]) -> int:
        """A number that grows whenever an answer to who is in these seats may change."""
        return sum(self._generations.get(seat.network_id, 0) for seat in seats)

    def look_up(self, seats: Iterable[Seat], name: str) -> tuple[str, ...] | None:
        """All addresses of a name, for a container in these seats; None when nobody there has it."""
        found = self._find(seats, name)
        if found is None:
            return None
        return tuple(dict.fromkeys(address for entry in found[1] for address in entry.addresses))

    def reverse(self, seats: Iterable[Seat], address: str) -> str | None:
        """The name of an address, with its network's name behind it."""
        for seat in seats:
            entry = self._by_address.get(seat.network_id, {}).get(address)
            if entry is not None:
                return f"{entry.names[0]}.{seat.network_name}"
        return None

    def services(self, seats: Iterable[Seat], name: str) -> tuple[Service, ...] | None:
        """The exposed ports that `_http._tcp.web` or `_8080._udp.web` name (RFC 2782); None for an unknown host."""
        port_label, _, rest = name.partition(".")
        protocol_label, _, host = rest.partition(".")
        if not (port_label.startswith("_") and protocol_label in ("_tcp", "_udp", "_sctp") and host):
            return None
        found = self._find(seats, host)
        if found is None:
            return None
        seat, entries = found
        port = _port(port_label[1:], protocol_label[1:])
        return tuple(
            Service(port, f"{entry.names[0]}.{seat.network_name}", entry.addresses)
            for entry in entries
            if (port, protocol_label[1:]) in entry.ports
        )

    def _find(self, seats: Iterable[Seat], name: str) -> tuple[Seat, list[Entry]] | None:
        # As dockerd: the whole name on every network first, then ever shorter ones on the network that the rest names.
        name = name.lower()
        seats = tuple(seats)
        cuts = [(name, "")]
        at = name.rfind(".")
        while at > 0:
            cuts.append((name[:at], name[at + 1 :]))
            at = name.rfind(".", 0, at)
        for host, network_name in cuts:
            for seat in seats:
                if network_name and network_name != seat.network_name.lower():
                    continue
                names = self._by_name.get(seat.network_id, {})
                entries = names.get(seat.links.get(host, "").lower()) or names.get(host)
                if entries:
                    return seat, entries
        return None


def _port(label: str, protocol: str) -> int:
    if label.isascii() and label.isdigit() and len(label) <= 5:
        return int(label)
    try:
        return socket.getservbyname(label, protocol)
    except OSError:
        return 0


def is_usable(name: str) -> bool:
    """Whether a name can be asked for at all: labels of 1 to 63 bytes, 253 in all (RFC 1035, 2.3.4)."""
    labels = name.rstrip(".").split(".")
    return len(name) <= NAME_LIMIT and all(0 < len(label.encode()) <= LABEL_LIMIT for label in labels)


def of_family(addresses: Iterable[str], version: int) -> list[str]:
    """Those addresses that are IPv4 (4) or IPv6 (6)."""
    return [address for address in addresses if ip_address(address).version == version]
