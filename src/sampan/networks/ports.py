"""Which port of the host is free for a container's, and how is it kept free?

Each published port is held by a socket of the engine that is bound to it and does nothing else, as long as the port is
published: no program of the host can take it meanwhile, and one that has it already is found before anything is
started. NAT sees packets before sockets do, so nothing ever arrives there.
"""

import errno
import ipaddress
import os
import socket
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from sampan.errors import InvalidRequest, SampanError
from sampan.networks.model import PublishedPort

ANY4, ANY6 = "0.0.0.0", "::"
MOST = 65536
"""Ports that one container may publish."""

_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_RANGE = "/proc/sys/net/ipv4/ip_local_port_range"

Held = tuple[str, str, int]


class CannotPublish(SampanError):
    """A port of the host is taken, or is none of this host's; HTTP 500, as dockerd has it."""


class Ports:
    """The host's ports that containers have."""

    def __init__(self, *, default_ip: str = "") -> None:
        self._default_ip = default_ip
        self._held: dict[Held, socket.socket | None] = {}
        self._addresses: dict[tuple[str, int], set[str]] = {}
        self._next = 0

    def grant(self, wanted: Sequence[PublishedPort], default_ip: str = "") -> tuple[PublishedPort, ...]:
        """Take a place on the host for each port, or none at all. Raises CannotPublish, InvalidRequest.

        A port without a host address is published on `default_ip`; if that is empty or 0.0.0.0, on every address of
        both families.
        """
        if len(wanted) > MOST:
            raise InvalidRequest(f"a container can publish at most {MOST} ports")
        granted: list[PublishedPort] = []
        with ExitStack() as undo:
            # Who insists on a port comes before those who take any.
            order = sorted(range(len(wanted)), key=lambda place: not wanted[place].host_port)
            found: dict[int, Sequence[PublishedPort]] = {}
            default = default_ip or self._default_ip
            default = "" if default == ANY4 else default
            everywhere = [ANY4, ANY6] if any(not port.host_ip for port in wanted) and _has_ipv6() else [ANY4]
            for place in order:
                addresses = _addresses(wanted[place].host_ip or default, everywhere)
                found[place] = self._grant_one(wanted[place], addresses)
                undo.callback(self.release, found[place])
            granted += [port for place in sorted(found) for port in found[place]]
            undo.pop_all()
        return tuple(granted)

    def hold_again(self, granted: Iterable[PublishedPort]) -> list[PublishedPort]:
        """Take the ports of a container that runs already; those that somebody else has got meanwhile are returned."""
        lost = []
        for port in granted:
            try:
                self._hold(port.protocol, port.host_ip, port.host_port)
            except CannotPublish:
                self._note(_key(port), None)
                lost.append(port)
        return lost

    def release(self, granted: Iterable[PublishedPort]) -> None:
        """Give ports back; harmless for those that are not held."""
        for port in granted:
            key = _key(port)
            held = self._held.pop(key, None)
            if held is not None:
                held.close()
            addresses = self._addresses.get((port.protocol, port.host_port), set())
            addresses.discard(port.host_ip)
            if not addresses:
                self._addresses.pop((port.protocol, port.host_port), None)

    def socket_of(self, port: PublishedPort) -> socket.socket | None:
        """The bound socket that holds a port, if there is one."""
        return self._held.get(_key(port))

    def _grant_one(self, wanted: PublishedPort, addresses: Sequence[str]) -> Sequence[PublishedPort]:
        problem: CannotPublish | None = None
        for number in self._candidates(wanted):
            with ExitStack() as undo:
                try:
                    places = []
                    for address in addresses:
                        place = replace(wanted, host_ip=address, host_port=number, host_port_end=0)
                        self._hold(wanted.protocol, address, number)
                        undo.callback(self.release, [place])
                        places.append(place)
                except CannotPublish as error:
                    problem = problem or error
                    continue
                undo.pop_all()
                return places
        if problem is not None and wanted.host_port and not wanted.host_port_end:
            raise problem
        if wanted.host_port:
            raise CannotPublish(f"Bind for {addresses[0]}:{wanted.host_port} failed: all ports are allocated")
        raise CannotPublish("all ports are allocated")

    def _candidates(self, wanted: PublishedPort) -> Iterable[int]:
        if wanted.host_port:
            return range(wanted.host_port, max(wanted.host_port, wanted.host_port_end) + 1)
        return self._ephemeral()

    def _ephemeral(self) -> Iterable[int]:
        """The host's ephemeral ports in turn, so that one that was just given back is not given out at once."""
        try:
            first, last = (int(word) for word in Path(_RANGE).read_text().split())
        except (OSError, ValueError):
            first, last = 32768, 60999
        for _ in range(first, last + 1):
            self._next = self._next + 1 if first <= self._next < last else first
            yield self._next

    def _hold(self, protocol: str, address: str, number: int) -> None:
        family = _family(address)
        shown = f"[{address}]:{number}" if family == socket.AF_INET6 else f"{address}:{number}"
        rivals = {other for other in self._addresses.get((protocol, number), ()) if _family(other) == family}
        if rivals & {address, ANY4, ANY6} or (rivals and address in (ANY4, ANY6)):
            raise CannotPublish(f"Bind for {shown} failed: port is already allocated")
        self._note((protocol, address, number), _bound(protocol, family, address, number, shown))

    def _note(self, key: Held, held: socket.socket | None) -> None:
        self._held[key] = held
        self._addresses.setdefault((key[0], key[2]), set()).add(key[1])


def _bound(protocol: str, family: socket.AddressFamily, address: str, number: int, shown: str) -> socket.socket | None:
    """A socket bound there; None where the kernel has no sockets of this protocol (SCTP is a module)."""
    kind = _KINDS.get(protocol)
    if kind is None:
        return None
    made = socket.socket(family, kind | socket.SOCK_CLOEXEC)
    try:
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # For the moment of binding, so that what is left of closed connections does not count; nobody may share later.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, protocol == "tcp")
        made.bind((address, number))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    except OSError as error:
        made.close()
        reason = os.strerror(error.errno or errno.EINVAL).lower()
        raise CannotPublish(f"failed to bind host port for {shown}/{protocol}: {reason}") from None
    return made


def _addresses(host_ip: str, everywhere: Sequence[str]) -> Sequence[str]:
    return [str(ipaddress.ip_address(host_ip))] if host_ip else everywhere


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _key(port: PublishedPort) -> Held:
    return port.protocol, port.host_ip, port.host_port
