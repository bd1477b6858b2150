"""How are the kernel's packet filter rules, sets and maps changed?

nf_tables over nfnetlink (linux/netfilter/nf_tables.h), all of a change in one transaction: either everything in a
`Batch` is in force, or nothing (nft(8)). The messages are packed here: a published port is one set element, and a
thousand of them should cost a millisecond, which a general encoder of netlink attributes does not do.
"""

import errno
import os
import socket
import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from sampan.linux.nlattr import attribute, attributes, nested, text, unpack

NETLINK_NETFILTER = 12
SUBSYSTEM = 10
NFNLGRP_NFTABLES = 7
BATCH_BEGIN, BATCH_END = 0x10, 0x11
REQUEST, ACK, CREATE, DUMP = 0x1, 0x4, 0x400, 0x300
CHUNK = 500
"""Elements in one message: an attribute has at most 64 KiB."""

_MESSAGE = struct.Struct("=IHHII")
_FAMILY = struct.Struct(">BBH")


class Family(IntEnum):
    """NFPROTO_* of linux/netfilter.h."""

    INET = 1
    IPV4 = 2
    BRIDGE = 7
    IPV6 = 10


class Message(IntEnum):
    """NFT_MSG_*: what is asked."""

    NEWTABLE = 0
    GETTABLE = 1
    GETRULE = 7
    DELTABLE = 2
    NEWCHAIN = 3
    NEWRULE = 6
    DELRULE = 8
    NEWSET = 9
    NEWSETELEM = 12
    GETSETELEM = 13
    DELSETELEM = 14


class Type(IntEnum):
    """Data types as nft(8) numbers them (nftables' datatype.h): it shows elements by them."""

    VERDICT = 1
    IPV4 = 7
    IPV6 = 8
    ETHER = 9
    PROTOCOL = 12
    PORT = 13
    IFNAME = 41


LENGTH = {Type.IPV4: 4, Type.IPV6: 16, Type.ETHER: 6, Type.PROTOCOL: 1, Type.PORT: 2, Type.IFNAME: 16}
MAP = 0x8


def number(kind: int, value: int) -> bytes:
    """An attribute that is a number: nf_tables has them in network order."""
    return attribute(kind, struct.pack(">I", value & 0xFFFFFFFF))


def padded(data: bytes) -> bytes:
    """A value as registers hold it, in whole 32-bit words."""
    return data + bytes(-len(data) % 4)


def interface_key(name: str) -> bytes:
    """An interface's name as a key."""
    return name.encode().ljust(16, b"\0")


@dataclass(frozen=True, slots=True)
class Set:
    """A set, or with `data` a map, of concatenated values."""

    name: str
    key: Sequence[Type]
    data: Sequence[Type] = ()


class Batch:
    """Changes to one table, collected and then made at once."""

    def __init__(self, family: Family, table: str) -> None:
        self._family = family
        self._table = table
        self._messages: list[tuple[int, int, int, bytes]] = []
        self._rules: Counter[str] = Counter()

    @property
    def rules_count(self) -> dict[str, int]:
        """How many rules the batch adds to each chain."""
        return dict(self._rules)

    @property
    def parts(self) -> list[tuple[int, int, int, bytes]]:
        """(family, message, flags, attributes) in order."""
        return self._messages

    def add_table(self) -> None:
        """Make the table, if it is not there."""
        self._put(Message.NEWTABLE, CREATE, text(1, self._table))

    def delete_table(self) -> None:
        """Remove the table and everything in it. ENOENT."""
        self._put(Message.DELTABLE, 0, text(1, self._table))

    def add_chain(self, name: str, *, kind: str = "", hook: int = 0, priority: int = 0) -> None:
        """Make a chain, if it is not there; with `kind` (filter, nat) one that the kernel calls at `hook`."""
        body = text(1, self._table) + text(3, name)
        if kind:
            body += nested(4, number(1, hook), number(2, priority)) + number(5, 1) + text(7, kind)
        self._put(Message.NEWCHAIN, CREATE, body)

    def flush_chain(self, name: str) -> None:
        """Remove all rules of a chain that is there."""
        self._put(Message.DELRULE, 0, text(1, self._table) + text(2, name))

    def add_rule(self, chain: str, *expressions: bytes) -> None:
        """Append a rule."""
        self._rules[chain] += 1
        body = text(1, self._table) + text(2, chain) + nested(4, *expressions)
        self._put(Message.NEWRULE, CREATE | 0x800, body)

    def add_set(self, made: Set, identity: int) -> None:
        """Make a set, if it is not there; `identity` is a number that is unique within the batch."""
        body = text(1, self._table) + text(2, made.name) + number(3, MAP if made.data else 0)
        body += number(4, _type_number(made.key)) + number(5, _length(made.key))
        if made.data:
            body += number(6, _type_number(made.data)) + number(7, _length(made.data))
        if tuple(made.key) == (Type.IFNAME,):
            # Only for nft(8), which would print names backwards: NFTNL_UDATA_SET_KEYBYTEORDER, the host's.
            body += attribute(13, struct.pack("=BBI", 0, 4, 1))
        self._put(Message.NEWSET, CREATE, body + number(10, identity))

    def flush_set(self, name: str) -> None:
        """Remove all elements of a set that is there."""
        self._put(Message.DELSETELEM, 0, text(1, self._table) + text(2, name))

    def add_elements(self, name: str, elements: Iterable[tuple[bytes, bytes]]) -> None:
        """Add (key, data) pairs; data is b"" in a set. EEXIST when a key of a map has other data already."""
        self._elements(Message.NEWSETELEM, CREATE, name, elements)

    def delete_elements(self, name: str, keys: Iterable[bytes]) -> None:
        """Remove elements by key. ENOENT when one is not there."""
        self._elements(Message.DELSETELEM, 0, name, ((key, b"") for key in keys))

    def _elements(self, message: Message, flags: int, name: str, elements: Iterable[tuple[bytes, bytes]]) -> None:
        packed = [
            nested(1, nested(1, attribute(1, key)), nested(2, attribute(1, data)) if data else b"")
            for key, data in elements
        ]
        for start in range(0, len(packed), CHUNK):
            body = text(1, self._table) + text(2, name) + nested(3, *packed[start : start + CHUNK])
            self._put(message, flags, body)

    def _put(self, message: Message, flags: int, body: bytes) -> None:
        self._messages.append((self._family, message, flags, body))


def commit(*batches: Batch) -> None:
    """Put everything in force in one transaction. Raises OSError with the kernel's number; then nothing has changed."""
    parts = [part for batch in batches for part in batch.parts]
    if not parts:
        return
    frames = [_frame(BATCH_BEGIN, REQUEST, 0, 0, SUBSYSTEM, b"")]
    for sequence, (family, message, flags, body) in enumerate(parts, 1):
        frames.append(_frame(SUBSYSTEM << 8 | message, REQUEST | flags, sequence, family, 0, body))
    # An answer to the last message comes after those to all before it: failures are told in order.
    frames.append(_frame(BATCH_END, REQUEST | ACK, len(parts) + 1, 0, SUBSYSTEM, b""))
    with _talk() as talk:
        sent = b"".join(frames)
        talk.setsockopt(socket.SOL_SOCKET, 32, max(1 << 20, 2 * len(sent)))  # SO_SNDBUFFORCE: one message, one send
        talk.send(sent)
        while True:
            for kind, sequence, payload in _received(talk):
                if kind == 2:  # NLMSG_ERROR
                    code = -struct.unpack_from("=i", payload)[0]
                    if code:
                        raise OSError(code, os.strerror(code), f"nftables message {sequence} of {len(parts)}")
                    if sequence == len(parts) + 1:
                        return


def elements(family: Family, table: str, name: str) -> list[tuple[bytes, bytes]]:
    """Every (key, data) of a set. ENOENT when there is no such set."""
    body = text(1, table) + text(2, name)
    found: list[tuple[bytes, bytes]] = []
    with _talk() as talk:
        talk.send(_frame(SUBSYSTEM << 8 | Message.GETSETELEM, REQUEST | DUMP, 1, family, 0, body))
        while True:
            for kind, _, payload in _received(talk):
                if kind == 3:  # NLMSG_DONE
                    return found
                if kind == 2:
                    code = -struct.unpack_from("=i", payload)[0]
                    raise OSError(code, os.strerror(code), name)
                for _, element in attributes(unpack(payload[4:]).get(3, b"")):
                    fields = unpack(element)
                    data = unpack(fields.get(2, b"")).get(1, b"")
                    found.append((unpack(fields[1])[1], data))


def count_rules(family: Family, table: str) -> dict[str, int]:
    """How many rules each chain of a table has; chains without any are left out."""
    found: dict[str, int] = {}
    with _talk() as talk:
        talk.send(_frame(SUBSYSTEM << 8 | Message.GETRULE, REQUEST | DUMP, 1, family, 0, text(1, table)))
        while True:
            for kind, _, payload in _received(talk):
                if kind == 3:
                    return found
                if kind == 2:
                    return {}  # no such table
                fields = unpack(payload[4:])
                if fields.get(1, b"").rstrip(b"\0") == table.encode():
                    chain = fields.get(2, b"").rstrip(b"\0").decode()
                    found[chain] = found.get(chain, 0) + 1


def has_table(family: Family, table: str) -> bool:
    """Whether a table is there."""
    with _talk() as talk:
        talk.send(_frame(SUBSYSTEM << 8 | Message.GETTABLE, REQUEST | ACK, 1, family, 0, text(1, table)))
        for kind, _, payload in _received(talk):
            if kind == 2:
                code = -struct.unpack_from("=i", payload)[0]
                if code not in (0, errno.ENOENT):
                    raise OSError(code, os.strerror(code), table)
                return bool(code == 0)
            return True
    return False


def listen() -> socket.socket:
    """A socket that becomes readable when anybody changes any rule, in the namespace of the calling thread."""
    talk = _talk()
    talk.setsockopt(270, 1, NFNLGRP_NFTABLES)  # SOL_NETLINK, NETLINK_ADD_MEMBERSHIP
    talk.setblocking(False)
    return talk


def deletes_table(data: bytes, table: str) -> bool:
    """Whether what `listen` received tells of something in `table` being deleted: the table, a chain, rule or set."""
    deletions = {SUBSYSTEM << 8 | number for number in (2, 5, 8, 11)}
    # Every such message begins with the table's name, attribute 1.
    return any(
        kind in deletions and unpack(payload[4:]).get(1, b"").rstrip(b"\0") == table.encode()
        for kind, _, payload in _messages(data)
    )


def _talk() -> socket.socket:
    talk = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
    talk.bind((0, 0))
    talk.settimeout(30)
    return talk


def _frame(kind: int, flags: int, sequence: int, family: int, resource: int, body: bytes) -> bytes:
    data = _FAMILY.pack(family, 0, resource) + body
    return _MESSAGE.pack(len(data) + 16, kind, flags, sequence, 0) + data


def _received(talk: socket.socket) -> list[tuple[int, int, bytes]]:
    return _messages(talk.recv(1 << 18))


def _messages(data: bytes) -> list[tuple[int, int, bytes]]:
    found = []
    offset = 0
    while offset + 16 <= len(data):
        length, kind, _, sequence, _ = _MESSAGE.unpack_from(data, offset)
        if length < 16:
            break
        found.append((kind, sequence, data[offset + 16 : offset + length]))
        offset += (length + 3) & ~3
    return found


def _type_number(types: Sequence[Type]) -> int:
    """The type of a concatenation: six bits each (nftables' TYPE_BITS)."""
    result = 0
    for each in types:
        result = result << 6 | each
    return result


def _length(types: Sequence[Type]) -> int:
    """Bytes of a concatenation, each part in whole words; one value alone is as long as it is."""
    if len(types) == 1:
        return LENGTH[types[0]]
    return sum((LENGTH[each] + 3) & ~3 for each in types)
