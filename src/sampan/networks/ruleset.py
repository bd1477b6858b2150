"""Which rules does the packet filter follow for containers?

All rules are here, as data, and none of them is about one container or one network: those are elements of sets, which
come and go (`firewall.py`). So a packet passes the same few rules whether one port is published or ten thousand.

    table inet sampan
      guard        before anything: nobody outside the host speaks to, or as, 127.0.0.1
      prerouting   from elsewhere to an address of this host: is the port published? (map)
      output       the same from this host itself
      forward      `user` first, then: connections that exist; published ports; who may speak to whom
      postrouting  who leaves gets the host's address; who comes back to its own bridge gets the bridge's
      user         the administrator's own: never changed by the engine, and asked before everything in forward
    table bridge sampan
      spoof        each port of a bridge speaks with its own addresses only, and announces no routes (IPv6 RA)

What dockerd's DOCKER-USER is, `nft add rule inet sampan user …` is here: `drop` is final, and so is `accept`.
"""

import struct
from collections.abc import Sequence

from sampan.linux.nft_expressions import (
    DNAT_STATUS,
    ESTABLISHED_OR_RELATED,
    IPPROTO_ICMPV6,
    Header,
    Meta,
    Verdict,
    compare,
    destination_nat,
    is_connection_in,
    is_ethernet_type,
    is_for_this_host,
    is_protocol,
    lookup,
    mask,
    masquerade,
    meta,
    payload,
    source_nat,
    verdict,
    was_connection,
)
from sampan.linux.nftables import Batch, Family, Set, Type

TABLE = "sampan"
USER = "user"

PREROUTING, FORWARD, OUTPUT, POSTROUTING = 0, 2, 3, 4
RAW, DSTNAT, FILTER, SRCNAT = -300, -100, 0, 100
IP, IPV6, ARP = 0x0800, 0x86DD, 0x0806
LOOPBACK6 = bytes(15) + b"\1"
ROUTER_ADVERTISEMENT, REDIRECT = 134, 137

_IF, _A4, _A6, _MAC, _PORT, _PROTO = Type.IFNAME, Type.IPV4, Type.IPV6, Type.ETHER, Type.PORT, Type.PROTOCOL

SETS: Sequence[Set] = (
    Set("bridges", (_IF,)),  # every bridge of ours
    Set("own", (_IF, _IF)),  # each bridge with itself
    Set("internal", (_IF,)),  # bridges without a way out
    Set("quiet", (_IF,)),  # bridges whose containers do not speak to each other
    Set("open", (_IF,)),  # bridges that others may reach without publishing
    Set("masquerade4", (_IF,)),  # bridges whose containers leave with the host's address
    Set("masquerade6", (_IF,)),
    Set("source4", (_IF,), (_A4,)),  # … or with this one
    Set("any4", (_PROTO, _PORT), (_A4, _PORT)),  # published on every address of the host
    Set("at4", (_PROTO, _A4, _PORT), (_A4, _PORT)),  # published on one
    Set("any6", (_PROTO, _PORT), (_A6, _PORT)),
    Set("at6", (_PROTO, _A6, _PORT), (_A6, _PORT)),
    Set("self4", (_A4, _A4)),  # each container with published ports, with itself
    Set("self6", (_A6, _A6)),
    Set("reachable4", (_PROTO, _A4, _PORT)),  # container ports that others may reach by the container's address
    Set("reachable6", (_PROTO, _A6, _PORT)),
    Set("closed", (_PROTO,)),  # IP versions (NFPROTO) that the host forwards for containers only
)
PORT_SETS: Sequence[Set] = (
    Set("guarded", (_IF,)),  # ports of bridges, and what each may call itself
    Set("macs", (_IF, _MAC)),
    Set("addresses4", (_IF, _A4)),
    Set("speakers4", (_IF, _MAC, _A4)),
    Set("speakers6", (_IF, _MAC, _A6)),
)


def inet() -> Batch:
    """The whole table for IP, its sets empty; chains and sets that are there are emptied."""
    batch = Batch(Family.INET, TABLE)
    batch.add_table()
    batch.add_chain(USER)
    batch.add_chain("publish")
    for name, kind, hook, priority in (
        ("guard", "filter", PREROUTING, RAW),
        ("prerouting", "nat", PREROUTING, DSTNAT),
        ("output", "nat", OUTPUT, DSTNAT),
        ("forward", "filter", FORWARD, FILTER),
        ("postrouting", "nat", POSTROUTING, SRCNAT),
    ):
        batch.add_chain(name, kind=kind, hook=hook, priority=priority)
    for chain in ("guard", "prerouting", "output", "forward", "postrouting", "publish"):
        batch.flush_chain(chain)
    for identity, made in enumerate(SETS, 1):
        batch.add_set(made, identity)
        batch.flush_set(made.name)
    _guard(batch)
    _publish(batch)
    _forward(batch)
    _postrouting(batch)
    return batch


def bridge() -> Batch:
    """The whole table for bridges, its sets empty."""
    batch = Batch(Family.BRIDGE, TABLE)
    batch.add_table()
    batch.add_chain("spoof", kind="filter", hook=PREROUTING, priority=RAW)
    batch.flush_chain("spoof")
    for identity, made in enumerate(PORT_SETS, len(SETS) + 1):
        batch.add_set(made, identity)
        batch.flush_set(made.name)
    _spoof(batch)
    return batch


_FROM = meta(Meta.IIFNAME)
_TO = meta(Meta.OIFNAME)
_FROM_TO = meta(Meta.IIFNAME) + meta(Meta.OIFNAME, register=4)
_NOT_FROM_BRIDGE, _NOT_TO_BRIDGE = (
    meta(kind) + compare(b"bridge".ljust(16, b"\0"), equal=False) for kind in (Meta.IIFKIND, Meta.OIFKIND)
)
_DROP, _ACCEPT, _RETURN = (verdict(kind) for kind in (Verdict.DROP, Verdict.ACCEPT, Verdict.RETURN))
_DNATTED = was_connection(DNAT_STATUS)


def _loopback(offset: int) -> bytes:
    """The IPv4 source (offset 12) or destination (16) is in 127.0.0.0/8."""
    address = payload(Header.NETWORK, offset, 4)
    return is_protocol(Family.IPV4) + address + mask(b"\xff\0\0\0") + compare(b"\x7f\0\0\0")


def _guard(batch: Batch) -> None:
    # A bridge routes 127.0.0.1 to containers while a port is published there (route_localnet), never the other way.
    for offset in (12, 16):
        batch.add_rule("guard", _loopback(offset), _FROM, lookup("bridges"), _DROP)


def _publish(batch: Batch) -> None:
    # What others send to 127.0.0.1 is not for us, whatever the host's sysctls let in.
    batch.add_rule("prerouting", _loopback(16), _RETURN)
    # Nor can the kernel send what comes from ::1 anywhere else: that is the proxy's.
    batch.add_rule("output", is_protocol(Family.IPV6), payload(Header.NETWORK, 24, 16), compare(LOOPBACK6), _RETURN)
    for chain in ("prerouting", "output"):
        # Only what is sent to this host: what it merely forwards keeps its destination.
        batch.add_rule(chain, is_for_this_host(), verdict(Verdict.JUMP, "publish"))
    for family, version, offset, words in ((Family.IPV4, "4", 16, 1), (Family.IPV6, "6", 24, 4)):
        address = payload(Header.NETWORK, offset, words * 4, register=1)
        after = payload(Header.TRANSPORT, 2, 2, register=1 + words)
        send = destination_nat(family, address=8, port=8 + words)
        protocol = meta(Meta.L4PROTO)
        exact = lookup(f"at{version}", into=8)
        anywhere = lookup(f"any{version}", into=8)
        batch.add_rule("publish", is_protocol(family), protocol, address, after, exact, send)
        batch.add_rule(
            "publish", is_protocol(family), protocol, payload(Header.TRANSPORT, 2, 2, register=1), anywhere, send
        )


def _forward(batch: Batch) -> None:
    to_ours = _TO + lookup("bridges")
    from_ours = _FROM + lookup("bridges")
    rules: Sequence[bytes] = (
        verdict(Verdict.JUMP, USER),
        is_connection_in(ESTABLISHED_OR_RELATED) + _ACCEPT,
        _FROM + lookup("internal") + _FROM_TO + lookup("own", inverted=True) + _DROP,
        _TO + lookup("internal") + _FROM_TO + lookup("own", inverted=True) + _DROP,
        _DNATTED + to_ours + _ACCEPT,
        _FROM + lookup("quiet") + _FROM_TO + lookup("own") + _DROP,
        _FROM_TO + lookup("own") + _ACCEPT,
        *(_reachable(family) + to_ours + _ACCEPT for family in (Family.IPV4, Family.IPV6)),
        from_ours + to_ours + _DROP,
        _TO + lookup("open") + _ACCEPT,
        to_ours + _DROP,
        # The host was no router before there were containers, and is none for others now. Bridges of other engines and
        # of virtual machines are those engines' business.
        _NOT_FROM_BRIDGE + _NOT_TO_BRIDGE + meta(Meta.NFPROTO) + lookup("closed") + _DROP,
    )
    for rule in rules:
        batch.add_rule("forward", rule)


def _reachable(family: Family) -> bytes:
    version, offset, words = ("4", 16, 1) if family == Family.IPV4 else ("6", 24, 4)
    return (
        is_protocol(family)
        + meta(Meta.L4PROTO)
        + payload(Header.NETWORK, offset, words * 4, register=1)
        + payload(Header.TRANSPORT, 2, 2, register=1 + words)
        + lookup(f"reachable{version}")
    )


def _postrouting(batch: Batch) -> None:
    not_to_ours = _TO + lookup("bridges", inverted=True)
    rules: Sequence[bytes] = (
        _loopback(12) + _TO + lookup("bridges") + masquerade(),
        _DNATTED + _FROM_TO + lookup("own") + masquerade(),
        # A host whose bridges ask IP's rules (br_netfilter) does not know here where a packet came from.
        _DNATTED + is_protocol(Family.IPV4) + payload(Header.NETWORK, 12, 8) + lookup("self4") + masquerade(),
        _DNATTED + is_protocol(Family.IPV6) + payload(Header.NETWORK, 8, 32) + lookup("self6") + masquerade(),
        is_protocol(Family.IPV4) + not_to_ours + _FROM + lookup("source4", into=8) + source_nat(2, address=8),
        is_protocol(Family.IPV4) + _FROM + lookup("masquerade4") + not_to_ours + masquerade(),
        is_protocol(Family.IPV6) + _FROM + lookup("masquerade6") + not_to_ours + masquerade(),
    )
    for rule in rules:
        batch.add_rule("postrouting", rule)


def _spoof(batch: Batch) -> None:
    hardware = payload(Header.LINK, 6, 6, register=4)
    sender_hardware = payload(Header.NETWORK, 8, 6, register=4)
    sender = payload(Header.NETWORK, 14, 4, register=4)
    source4 = payload(Header.NETWORK, 12, 4, register=6)
    source6 = payload(Header.NETWORK, 8, 16, register=6)
    kind = payload(Header.TRANSPORT, 0, 1)
    icmp = is_ethernet_type(IPV6) + meta(Meta.L4PROTO) + compare(bytes((IPPROTO_ICMPV6,)))
    link_local = payload(Header.NETWORK, 8, 4) + mask(b"\xff\xc0\0\0") + compare(b"\xfe\x80\0\0")
    unspecified = payload(Header.NETWORK, 8, 16) + compare(bytes(16))
    probe = payload(Header.NETWORK, 14, 4) + compare(bytes(4))
    rules: Sequence[bytes] = (
        # Nearly everything ends here: one look for a packet of data.
        is_ethernet_type(IP) + _FROM + hardware + source4 + lookup("speakers4") + _RETURN,
        *(
            icmp + kind + compare(bytes((banned,))) + _FROM + lookup("guarded") + _DROP
            for banned in (ROUTER_ADVERTISEMENT, REDIRECT)
        ),
        is_ethernet_type(IPV6) + _FROM + hardware + source6 + lookup("speakers6") + _RETURN,
        _FROM + lookup("guarded", inverted=True) + _RETURN,
        _FROM + hardware + lookup("macs", inverted=True) + _DROP,
        is_ethernet_type(ARP) + _FROM + sender_hardware + lookup("macs", inverted=True) + _DROP,
        is_ethernet_type(ARP) + probe + _RETURN,
        is_ethernet_type(ARP) + _FROM + sender + lookup("addresses4", inverted=True) + _DROP,
        is_ethernet_type(IP) + _DROP,
        is_ethernet_type(IPV6) + link_local + _RETURN,
        is_ethernet_type(IPV6) + unspecified + _RETURN,
        is_ethernet_type(IPV6) + _DROP,
    )
    for rule in rules:
        batch.add_rule("spoof", rule)


def port_key(protocol: int, number: int) -> bytes:
    """A key of `any4` and `any6`."""
    return struct.pack(">B3xH2x", protocol, number)


def place_key(protocol: int, address: bytes, number: int) -> bytes:
    """A key of `at4`, `at6` and `reachable…`."""
    return struct.pack(">B3x", protocol) + address + struct.pack(">H2x", number)


def place_data(address: bytes, number: int) -> bytes:
    """Where a published port leads."""
    return address + struct.pack(">H2x", number)
