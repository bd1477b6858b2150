"""Which connections does the packet filter remember, and how is one forgotten?

ctnetlink (linux/netfilter/nfnetlink_conntrack.h). A datagram follows what is remembered of the ones before it, whatever
the rules say by now: when a port starts or stops leading somewhere, what is remembered of it must go.
Calls wait for the kernel, and speak to the network namespace of the thread.
"""

import errno
import os
import socket
import struct
from collections.abc import Callable, Iterator

from sampan.linux.nlattr import attribute, unpack

NETLINK_NETFILTER = 12
SUBSYSTEM = 1
GET, DELETE = 1, 2
REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
ORIGINAL, REPLY = 1, 2  # CTA_TUPLE_*
_MESSAGE = struct.Struct("=IHHII")


class Flow:
    """One remembered connection: protocol, the address and port it was sent to, and who answers."""

    def __init__(self, family: int, payload: bytes) -> None:
        fields = unpack(payload)
        self.family = family
        self.original = fields.get(ORIGINAL, b"")
        self.protocol, self.to, self.port = _tuple(self.original, address=1, port=3)
        _, self.answerer, _ = _tuple(fields.get(REPLY, b""), address=0, port=2)


def forget(family: int, is_meant: Callable[[Flow], bool]) -> int:
    """Forget the connections of a family (AF_INET, AF_INET6) that are meant; how many. Raises OSError."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER) as talk:
        talk.bind((0, 0))
        talk.settimeout(30)
        found = [flow for flow in _all(talk, family) if is_meant(flow)]
        for flow in found:
            body = struct.pack("=BBH", family, 0, 0) + attribute(ORIGINAL | 0x8000, flow.original)
            _send(talk, DELETE, ACK, body)
            for kind, payload in _received(talk):
                code = -struct.unpack_from("=i", payload)[0] if kind == 2 else 0
                if code not in (0, errno.ENOENT):
                    raise OSError(code, os.strerror(code), "conntrack")
        return len(found)


def _all(talk: socket.socket, family: int) -> Iterator[Flow]:
    _send(talk, GET, DUMP, struct.pack("=BBH", family, 0, 0))
    while True:
        for kind, payload in _received(talk):
            if kind in (2, 3):
                return
            yield Flow(family, payload[4:])


def _tuple(data: bytes, *, address: int, port: int) -> tuple[int, bytes, int]:
    """(protocol, address, port) of a tuple: its source (0, 2) or its destination (1, 3)."""
    fields = unpack(data)
    addresses, ends = unpack(fields.get(1, b"")), unpack(fields.get(2, b""))
    # CTA_IP_V4_SRC, _DST, CTA_IP_V6_SRC, _DST; CTA_PROTO_NUM, _SRC_PORT, _DST_PORT
    packed = addresses.get(1 + address) or addresses.get(3 + address) or b""
    number = ends.get(port, b"\0\0")
    return ends.get(1, b"\0")[0], packed, struct.unpack(">H", number)[0]


def _send(talk: socket.socket, kind: int, flags: int, body: bytes) -> None:
    talk.send(_MESSAGE.pack(len(body) + 16, SUBSYSTEM << 8 | kind, REQUEST | flags, 1, 0) + body)


def _received(talk: socket.socket) -> Iterator[tuple[int, bytes]]:
    data = talk.recv(1 << 18)
    offset = 0
    while offset + 16 <= len(data):
        length, kind, *_ = _MESSAGE.unpack_from(data, offset)
        if length < 16:
            return
        yield kind, data[offset + 16 : offset + length]
        offset += (length + 3) & ~3
