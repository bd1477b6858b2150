"""How is port 53 of 127.0.0.11 ours while a container may bind port 53 of every address?

A container with a name server of its own binds 0.0.0.0:53, which would fail if 127.0.0.11:53 were taken. So the
resolver listens on ports that the kernel picks, and two rules in the container's namespace rewrite the port on the way
there and back. Without connection tracking: ten thousand questions a second would fill its table.
"""

import socket
import struct

from sampan.linux.nft_expressions import Header, Meta, compare, meta, payload
from sampan.linux.nft_rewrite import write_port
from sampan.linux.nftables import Batch, Family, commit

TABLE = "sampan_resolver"
CHAIN = "ports"
LOCAL_OUT = 3  # NF_INET_LOCAL_OUT
RAW = -300  # before a connection would be tracked
SOURCE, DESTINATION = 12, 16  # addresses in an IPv4 header


def redirect(address: str, port: int, *, udp: int, tcp: int) -> None:
    """Send what goes to `address`, `port` to these ports instead, in the namespace of the calling thread.

    Rules of an earlier resolver are replaced. Raises OSError where the kernel has no nf_tables.
    """
    batch = Batch(Family.IPV4, TABLE)
    batch.add_table()
    batch.add_chain(CHAIN, kind="filter", hook=LOCAL_OUT, priority=RAW)
    batch.flush_chain(CHAIN)
    host = socket.inet_aton(address)
    for protocol, instead in ((socket.IPPROTO_UDP, udp), (socket.IPPROTO_TCP, tcp)):
        is_protocol = meta(Meta.L4PROTO) + compare(bytes((protocol,)))
        there = payload(Header.NETWORK, DESTINATION, 4) + compare(host) + _port_is(2, port)
        back = payload(Header.NETWORK, SOURCE, 4) + compare(host) + _port_is(0, instead)
        batch.add_rule(CHAIN, is_protocol, there, write_port(protocol, 2, instead))
        batch.add_rule(CHAIN, is_protocol, back, write_port(protocol, 0, port))
    commit(batch)


def _port_is(offset: int, port: int) -> bytes:
    return payload(Header.TRANSPORT, offset, 2) + compare(struct.pack(">H", port))
