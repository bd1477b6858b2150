"""How are interfaces, addresses and routes made?

rtnetlink(7). A container's start asks for a dozen of these, which is why they are packed here: pyroute2 takes a fifth
of a second to import, ten megabytes, and a third of a millisecond for each request (docs/decisions has the figures).
What is asked rarely and is hard to pack, queues that limit bandwidth, is left to it: `netqueue.py`.

Calls wait for the kernel's answer. A `Links` speaks to the network namespace of the thread that opened it, see
`netns.py`. Failures are OSErrors with the kernel's number. Names and addresses are texts.
"""

import errno
import ipaddress
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from sampan.linux.netdevice import IFNAMSIZ
from sampan.linux.nlattr import attribute, nested, text, unpack

MACVLAN_MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}

NEWLINK, DELLINK, SETLINK, NEWADDR, DELADDR, GETADDR, NEWROUTE, DELROUTE = 16, 17, 19, 20, 21, 22, 24, 25
REQUEST, ACK, REPLACE, EXCL, CREATE, DUMP = 0x1, 0x4, 0x100, 0x200, 0x400, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
IFF_UP = 1
NODAD = 0x02
AF_BRIDGE = 7
SCOPE_LINK = 253
MAIN_TABLE, STATIC = 254, 4

_MESSAGE = struct.Struct("=IHHII")
_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBI")
_ROUTE = struct.Struct("=BBBBBBBBI")


class Links:
    """An open conversation about the interfaces of one network namespace."""

    def __init__(self, talk: socket.socket) -> None:
        self._talk = talk
        self._sequence = 0

    def index(self, name: str) -> int:
        """The number of an interface, 0 when there is none of this name."""
        try:
            return socket.if_nametoindex(_checked(name))
        except OSError:
            return 0

    def have(self, name: str) -> int:
        """The number of an interface. ENODEV when there is none of this name."""
        index = self.index(name)
        if not index:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), name)
        return index

    def add_bridge(self, name: str, *, mac: str, mtu: int = 0) -> None:
        """A bridge that is down. EEXIST."""
        self._add(name, "bridge", attribute(1, _mac(mac)) + _mtu(mtu))

    def add_veth(self, name: str, peer: str, *, namespace: int, mac: str, master: str, mtu: int = 0) -> None:
        """A pair of interfaces: `name` here, in the bridge `master`, and up; `peer` in another namespace, and down."""
        there = text(3, _checked(peer)) + _number(28, namespace) + attribute(1, _mac(mac)) + _mtu(mtu)
        data = nested(1, _LINK.pack(0, 0, 0, 0, 0) + there)
        self._add(name, "veth", _number(10, self.have(master)) + _mtu(mtu), data=data, up=True)

    def add_pair(self, name: str, peer: str) -> None:
        """A pair of interfaces, both here and up."""
        there = text(3, _checked(peer))
        self._add(name, "veth", data=nested(1, _LINK.pack(0, 0, 0, 0, 0) + there), up=True)
        self.set_up(peer)

    def add_wire(self, name: str, peer: str, *, namespace: int) -> None:
        """A pair of interfaces, one of them in another namespace, both down."""
        there = text(3, _checked(peer)) + _number(28, namespace)
        self._add(name, "veth", data=nested(1, _LINK.pack(0, 0, 0, 0, 0) + there))

    def add_macvlan(self, name: str, parent: str, *, mode: str, namespace: int, mac: str, mtu: int = 0) -> None:
        """A further interface on `parent`'s wire, made in another namespace. `mode`: one of MACVLAN_MODES."""
        address = b"" if mode == "passthru" else attribute(1, _mac(mac))
        extra = _number(5, self.have(parent)) + _number(28, namespace) + address + _mtu(mtu)
        self._add(name, "macvlan", extra, data=_number(1, MACVLAN_MODES[mode]))

    def add_vlan(self, name: str, parent: str, tag: int) -> None:
        """A sub-interface for one VLAN of `parent`."""
        self._add(name, "vlan", _number(5, self.have(parent)), data=attribute(1, struct.pack("=H", tag)))

    def add_dummy(self, name: str) -> None:
        """An interface that leads nowhere."""
        self._add(name, "dummy")

    def add_ifb(self, name: str) -> None:
        """A queue for what comes in elsewhere (tc-mirred(8)), and up."""
        self._add(name, "ifb", up=True)

    def delete(self, name: str) -> bool:
        """Remove an interface, and its peer with it; False when there was none."""
        index = self.index(name)
        if not index:
            return False
        try:
            self._ask(DELLINK, 0, _LINK.pack(0, 0, index, 0, 0), name)
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise
        return True

    def set_up(self, name: str) -> None:
        """Bring an interface up."""
        self._ask(NEWLINK, 0, _LINK.pack(0, 0, self.have(name), IFF_UP, IFF_UP), name)

    def isolate_port(self, name: str) -> None:
        """Keep a bridge's port from talking to the bridge's other isolated ports (bridge(8), `isolated`)."""
        self._port(name, 33)

    def reflect(self, name: str) -> None:
        """Let a bridge's port get back what came in there (bridge(8), `hairpin`)."""
        self._port(name, 4)

    def add_address(self, name: str, address: str, *, scope: int = 0) -> None:
        """Give an interface an address (with prefix length); one that it has already is no failure."""
        parsed = ipaddress.ip_interface(address)
        body = attribute(2, parsed.packed) + attribute(1, parsed.packed)
        if parsed.version == 4 and parsed.network.prefixlen < 31:
            body += attribute(4, parsed.network.broadcast_address.packed)
        if parsed.version == 6:
            # It was granted to nobody else: no need to wait a second for a neighbour to object.
            body += _number(8, NODAD)
        try:
            self._ask(NEWADDR, CREATE | EXCL, self._address(name, parsed, scope) + body, f"{name} {address}")
        except OSError as error:
            if error.errno != errno.EEXIST:
                raise

    def delete_address(self, name: str, address: str) -> None:
        """Take an address from an interface."""
        parsed = ipaddress.ip_interface(address)
        body = attribute(2, parsed.packed) + attribute(1, parsed.packed)
        self._ask(DELADDR, 0, self._address(name, parsed, 0) + body, f"{name} {address}")

    def addresses(self, name: str) -> list[str]:
        """The addresses of an interface, with prefix lengths."""
        index = self.have(name)
        found = []
        for payload in self._dump(GETADDR, _ADDRESS.pack(0, 0, 0, 0, 0)):
            _, length, _, _, of = _ADDRESS.unpack_from(payload)
            address = unpack(payload[_ADDRESS.size :]).get(1)
            if of == index and address is not None:
                found.append(f"{ipaddress.ip_address(address)}/{length}")
        return found

    def route_outside(self, name: str, gateway: str = "", *, version: int = 4) -> None:
        """Make an interface the way to everywhere, by a gateway if it has one; in place of another if there is."""
        way = _number(4, self.have(name))
        if gateway:
            way += attribute(5, ipaddress.ip_address(gateway).packed)
        head = _ROUTE.pack(_family(version), 0, 0, 0, MAIN_TABLE, STATIC, 0 if gateway else SCOPE_LINK, 1, 0)
        if version == 6:
            # IPv6 would keep both: what is replaced there is a route with the same gateway.
            self.unroute_outside(version=6)
        self._ask(NEWROUTE, CREATE | REPLACE, head + way, f"{name} {gateway}")

    def unroute_outside(self, *, version: int = 4) -> None:
        """Have no way to everywhere; harmless when there is none."""
        head = _ROUTE.pack(_family(version), 0, 0, 0, MAIN_TABLE, 0, 255, 0, 0)
        try:
            self._ask(DELROUTE, 0, head, "default")
        except OSError as error:
            if error.errno not in (errno.ESRCH, errno.ENOENT):
                raise

    def _add(self, name: str, kind: str, extra: bytes = b"", *, data: bytes = b"", up: bool = False) -> None:
        info = nested(18, text(1, kind), nested(2, data) if data else b"")
        flags = IFF_UP if up else 0
        head = _LINK.pack(0, 0, 0, flags, flags)
        self._ask(NEWLINK, CREATE | EXCL, head + text(3, _checked(name)) + extra + info, name)

    def _port(self, name: str, setting: int) -> None:
        head = _LINK.pack(AF_BRIDGE, 0, self.have(name), 0, 0)
        self._ask(SETLINK, 0, head + nested(12, attribute(setting, b"\1")), name)

    def _address(self, name: str, parsed: ipaddress.IPv4Interface | ipaddress.IPv6Interface, scope: int) -> bytes:
        length = parsed.network.prefixlen
        return _ADDRESS.pack(_family(parsed.version), length, 0, scope, self.have(name))

    def _ask(self, kind: int, flags: int, body: bytes, about: str) -> None:
        """Send a request, and wait until it is done."""
        self._send(kind, REQUEST | ACK | flags, body)
        while True:
            for found, sequence, payload in _messages(self._talk.recv(1 << 16)):
                if found == NLMSG_ERROR and sequence == self._sequence:
                    code = -struct.unpack_from("=i", payload)[0]
                    if code:
                        raise OSError(code, os.strerror(code), about)
                    return

    def _dump(self, kind: int, body: bytes) -> Iterator[bytes]:
        self._send(kind, REQUEST | DUMP, body)
        while True:
            for found, sequence, payload in _messages(self._talk.recv(1 << 18)):
                if sequence != self._sequence:
                    continue
                if found in (NLMSG_DONE, NLMSG_ERROR):
                    return
                yield payload

    def _send(self, kind: int, flags: int, body: bytes) -> None:
        self._sequence += 1
        self._talk.send(_MESSAGE.pack(len(body) + _MESSAGE.size, kind, flags, self._sequence, 0) + body)


@contextmanager
def links() -> Iterator[Links]:
    """A conversation with the network namespace that this thread is in now."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as talk:
        talk.bind((0, 0))
        talk.settimeout(30)
        yield Links(talk)


def _messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    offset = 0
    while offset + _MESSAGE.size <= len(data):
        length, kind, _, sequence, _ = _MESSAGE.unpack_from(data, offset)
        if length < _MESSAGE.size:
            return
        yield kind, sequence, data[offset + _MESSAGE.size : offset + length]
        offset += (length + 3) & ~3


def _family(version: int) -> int:
    return socket.AF_INET if version == 4 else socket.AF_INET6


def _number(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=I", value))


def _mtu(size: int) -> bytes:
    return _number(4, size) if size else b""


def _mac(address: str) -> bytes:
    return bytes.fromhex(address.replace(":", ""))


def _checked(name: str) -> str:
    if not 0 < len(name.encode()) < IFNAMSIZ or "/" in name or name in (".", "..") or not name.isprintable():
        raise OSError(errno.ERANGE, os.strerror(errno.ERANGE), name)
    return name
