"""What is a rule of the packet filter made of?

The expressions of nf_tables (linux/netfilter/nf_tables.h, enum nft_*_attributes) that the engine's rules need, packed.
Values pass between them in registers of 32 bits, here numbered from 0; `nft --debug=netlink` shows rules in this form.
"""

import struct
from enum import IntEnum

from sampan.linux.nftables import number, padded
from sampan.linux.nlattr import attribute, nested, text

EQUAL, NOT_EQUAL = 0, 1
SOURCE_NAT, DESTINATION_NAT = 0, 1
IPPROTO_ICMP, IPPROTO_ICMPV6 = 1, 58
LOCAL = 2  # RTN_LOCAL
ESTABLISHED_OR_RELATED = 0x2 | 0x4  # NF_CT_STATE_BIT
DNAT_STATUS = 0x20  # IPS_DST_NAT


class Meta(IntEnum):
    """NFT_META_*: what is known of a packet beside its bytes."""

    PROTOCOL = 1
    MARK = 3
    IIFNAME = 6
    OIFNAME = 7
    NFPROTO = 15
    L4PROTO = 16
    IIFKIND = 26
    OIFKIND = 27


class Header(IntEnum):
    """NFT_PAYLOAD_*_HEADER: where an offset is counted from."""

    LINK = 0
    NETWORK = 1
    TRANSPORT = 2


class Verdict(IntEnum):
    """What becomes of the packet."""

    DROP = 0
    ACCEPT = 1
    JUMP = -3
    RETURN = -5


def meta(key: Meta, register: int = 0) -> bytes:
    """Load a property of the packet."""
    return _expression("meta", number(1, _register(register)), number(2, key))


def payload(base: Header, offset: int, length: int, register: int = 0) -> bytes:
    """Load bytes of the packet."""
    return _expression("payload", number(1, _register(register)), number(2, base), number(3, offset), number(4, length))


def compare(value: bytes, *, equal: bool = True, register: int = 0) -> bytes:
    """Go on only if the register holds the value, or does not."""
    data = nested(3, attribute(1, value))
    return _expression("cmp", number(1, _register(register)), number(2, EQUAL if equal else NOT_EQUAL), data)


def mask(value: bytes, register: int = 0) -> bytes:
    """Keep only these bits of a register."""
    where = _register(register)
    zero = nested(5, attribute(1, bytes(len(value))))
    return _expression(
        "bitwise", number(1, where), number(2, where), number(3, len(value)), nested(4, attribute(1, value)), zero
    )


def lookup(name: str, *, register: int = 0, inverted: bool = False, into: int | None = None) -> bytes:
    """Go on only if the set has the registers' value (or has not); of a map, load what it is mapped to."""
    parts = [text(1, name), number(2, _register(register))]
    if into is not None:
        parts.append(number(3, _register(into)))
    if inverted:
        parts.append(number(5, 1))
    return _expression("lookup", *parts)


def destination_nat(family: int, *, address: int, port: int) -> bytes:
    """Send the packet to the address and port in these registers instead."""
    return _expression(
        "nat", number(1, DESTINATION_NAT), number(2, family), number(3, _register(address)), number(5, _register(port))
    )


def source_nat(family: int, *, address: int) -> bytes:
    """Let the packet come from the address in this register."""
    return _expression("nat", number(1, SOURCE_NAT), number(2, family), number(3, _register(address)))


def masquerade() -> bytes:
    """Let the packet come from the address of the interface that it leaves by."""
    return _expression("masq")


def is_for_this_host() -> bytes:
    """Go on only if the destination is an address of this host (nft(8), `fib daddr type local`)."""
    kind = _expression("fib", number(1, _register(0)), number(2, 3), number(3, 0x2))
    return kind + compare(struct.pack("=I", LOCAL))


def is_connection_in(states: int) -> bytes:
    """Go on only if the packet's connection is in one of these states."""
    return _any_bit(_expression("ct", number(1, _register(0)), number(2, 0)), states)


def was_connection(status: int) -> bytes:
    """Go on only if this was done to the packet's connection."""
    return _any_bit(_expression("ct", number(1, _register(0)), number(2, 2)), status)


def verdict(kind: Verdict, chain: str = "") -> bytes:
    """Decide."""
    target = text(2, chain) if chain else b""
    return _expression("immediate", number(1, 0), nested(2, nested(2, number(1, kind), target)))


def is_protocol(value: int) -> bytes:
    """Go on only for packets of one NFPROTO."""
    return meta(Meta.NFPROTO) + compare(bytes((value,)))


def is_ethernet_type(value: int) -> bytes:
    """Go on only for frames of one kind."""
    return meta(Meta.PROTOCOL) + compare(struct.pack(">H", value))


def _any_bit(load: bytes, bits: int) -> bytes:
    value = struct.pack("=I", bits)
    return load + mask(value) + compare(padded(b"\0"), equal=False)


def _expression(name: str, *parts: bytes) -> bytes:
    return nested(1, text(1, name), nested(2, *parts))


def _register(which: int) -> int:
    return 8 + which  # NFT_REG32_00
