"""How does a rule change a packet's port without tracking its connection?

Two more expressions of nf_tables: a value into a register, and a register into the packet. The kernel mends the
checksum (nft(8), "payload statement").
"""

import struct

from sampan.linux.nft_expressions import Header
from sampan.linux.nftables import number
from sampan.linux.nlattr import attribute, nested, text

FIRST_REGISTER = 8  # NFT_REG32_00
INET_CHECKSUM = 1
CHECKSUM_AT = {6: 16, 17: 6}  # TCP, UDP


def write_port(protocol: int, offset: int, port: int) -> bytes:
    """Set a port of a TCP or UDP header: the source at offset 0, the destination at 2."""
    value = attribute(1, struct.pack(">H", port))
    load = _expression("immediate", number(1, FIRST_REGISTER), nested(2, value))
    store = _expression(
        "payload",
        number(5, FIRST_REGISTER),
        number(2, Header.TRANSPORT),
        number(3, offset),
        number(4, 2),
        number(6, INET_CHECKSUM),
        number(7, CHECKSUM_AT[protocol]),
    )
    return load + store


def _expression(name: str, *parts: bytes) -> bytes:
    return nested(1, text(1, name), nested(2, *parts))
