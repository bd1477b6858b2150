"""How does a test send what no honest program would, and see what comes of it? Ethernet frames by packet(7).

Sockets are opened inside a namespace, as a container with CAP_NET_RAW would; they stay of that namespace.
"""

import ipaddress
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sampan.linux import netns

IP, IPV6, ARP = 0x0800, 0x86DD, 0x0806
ETH_P_ALL = 3
BROADCAST = "ff:ff:ff:ff:ff:ff"


class Wire:
    """A packet socket on one interface of a namespace."""

    def __init__(self, place: int, interface: str) -> None:
        def work() -> tuple[socket.socket, str]:
            made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            made.bind((interface, 0))
            return made, made.getsockname()[4].hex(":")

        self.socket, self.mac = netns.inside(place, work)

    def send(self, frame: bytes) -> None:
        """Put a frame on the wire."""
        self.socket.send(frame)

    def sees(
        self, wanted: Callable[[bytes], bool], *, seconds: float = 1.0, times: Callable[[], object] | None = None
    ) -> bool:
        """Whether a frame like that arrives in time; `times` is done over and over meanwhile."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if times is not None:
                times()
            ready, _, _ = select.select([self.socket], [], [], 0.05)
            while ready:
                if wanted(self.socket.recv(65536)):
                    return True
                ready, _, _ = select.select([self.socket], [], [], 0)
        return False

    def close(self) -> None:
        """Let go of the namespace."""
        self.socket.close()


@contextmanager
def wires(*places: tuple[int, str]) -> Iterator[list[Wire]]:
    """Wires for a `with` block."""
    made = [Wire(*place) for place in places]
    try:
        yield made
    finally:
        for each in made:
            each.close()


def ethernet(to: str, source: str, kind: int, payload: bytes) -> bytes:
    """A frame."""
    return mac(to) + mac(source) + struct.pack(">H", kind) + payload


def mac(text: str) -> bytes:
    """A hardware address."""
    return bytes.fromhex(text.replace(":", ""))


def arp_reply(sender_mac: str, sender: str, to_mac: str, to: str) -> bytes:
    """An answer that nobody asked for: `sender` is at `sender_mac`."""
    return (
        struct.pack(">HHBBH", 1, IP, 6, 4, 2)
        + mac(sender_mac) + socket.inet_aton(sender) + mac(to_mac) + socket.inet_aton(to)
    )  # fmt: skip


def udp(source: str, to: str, port: int, payload: bytes) -> bytes:
    """An IPv4 packet with a datagram without checksum."""
    body = struct.pack(">HHHH", 40000, port, 8 + len(payload), 0) + payload
    return ipv4(source, to, socket.IPPROTO_UDP, body)


def syn(source: str, to: str, port: int) -> bytes:
    """An IPv4 packet that begins a TCP connection."""

    def segment(checksum_: int) -> bytes:
        return struct.pack(">HHIIBBHHH", 40000, port, 1, 0, 5 << 4, 2, 65535, checksum_, 0)

    pseudo = socket.inet_aton(source) + socket.inet_aton(to) + struct.pack(">BBH", 0, socket.IPPROTO_TCP, 20)
    return ipv4(source, to, socket.IPPROTO_TCP, segment(checksum(pseudo + segment(0))))


def ipv4(source: str, to: str, protocol: int, body: bytes) -> bytes:
    """An IPv4 packet."""
    addresses = socket.inet_aton(source) + socket.inet_aton(to)

    def header(checksum_: int) -> bytes:
        return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 7, 0, 64, protocol, checksum_) + addresses

    return header(checksum(header(0))) + body


def router_advertisement(source: str) -> bytes:
    """An IPv6 packet that says: I am the way to everywhere."""
    to = ipaddress.IPv6Address("ff02::1").packed
    origin = ipaddress.IPv6Address(source).packed

    def message(checksum_: int) -> bytes:
        return struct.pack(">BBHBBHII", 134, 0, checksum_, 64, 0, 1800, 0, 0)

    pseudo = origin + to + struct.pack(">II", len(message(0)), socket.IPPROTO_ICMPV6)
    body = message(checksum(pseudo + message(0)))
    return struct.pack(">IHBB", 6 << 28, len(body), socket.IPPROTO_ICMPV6, 255) + origin + to + body


def checksum(data: bytes) -> int:
    """The internet's (RFC 1071)."""
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
