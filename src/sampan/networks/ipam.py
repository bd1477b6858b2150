"""Which subnets and addresses does a network get?

Pure arithmetic: what is taken goes in, what is granted comes out; `rows.py` remembers it. Subnets that nobody asked for
are /24s out of Docker's default ranges, so that thousands of networks fit, and never one that overlaps what the host
routes elsewhere. Addresses are granted lowest first.
"""

import ipaddress
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from sampan.errors import Forbidden, InvalidRequest, NotFound, Unavailable
from sampan.networks.model import Pool

Subnet = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

OVERLAP = "Pool overlaps with other one on this address space"
TAKEN = "Address already in use"


@dataclass(frozen=True, slots=True)
class Base:
    """A range to cut subnets with prefixes of `size` bits from; dockerd's `default-address-pools`."""

    base: Subnet
    size: int


def bases(*words: tuple[str, int]) -> tuple[Base, ...]:
    """Bases from (CIDR, size) pairs."""
    return tuple(Base(ipaddress.ip_network(cidr), size) for cidr, size in words)


DEFAULT_BRIDGE_BASES = bases(*((f"172.{number}.0.0/16", 16) for number in range(17, 32)), ("192.168.0.0/16", 20))
DEFAULT_BASES = bases(
    ("172.18.0.0/15", 24),
    ("172.20.0.0/14", 24),
    ("172.24.0.0/14", 24),
    ("172.28.0.0/14", 24),
    ("192.168.0.0/16", 24),
    ("172.17.0.0/16", 24),
)


def parse_base(text: str) -> Base:
    """`base=10.10.0.0/16,size=24`. Raises InvalidRequest."""
    fields = dict(part.strip().partition("=")[::2] for part in text.split(","))
    try:
        base, size = ipaddress.ip_network(fields.pop("base")), int(fields.pop("size"))
    except (KeyError, ValueError) as error:
        raise InvalidRequest(f"invalid default address pool {text!r}: {error}") from None
    if fields or not base.prefixlen <= size <= base.max_prefixlen - 2:
        raise InvalidRequest(f"invalid default address pool {text!r}: base=CIDR,size=PREFIX-LENGTH is expected")
    return Base(base, size)


def choose_subnet(offered: Iterable[Base], used: Collection[Subnet], version: int = 4) -> Subnet:
    """The first subnet of the offered bases that overlaps nothing used. Raises NotFound, as dockerd does."""
    taken = sorted((int(each.network_address), int(each.broadcast_address)) for each in used if each.version == version)
    for offer in offered:
        if offer.base.version != version:
            continue
        size = 1 << (offer.base.max_prefixlen - offer.size)
        first, last = int(offer.base.network_address), int(offer.base.broadcast_address)
        for begin, end in taken:
            if end < first:
                continue
            if begin > first + size - 1:
                break
            first = (end // size + 1) * size
        if first + size - 1 <= last:
            return type(offer.base)((first, offer.size))
    raise NotFound(
        f"could not find an available, non-overlapping IPv{version} address pool among the defaults "
        "to assign to the network"
    )


def settle(pool: Pool, used: Collection[Subnet]) -> Pool:
    """The asked-for pool, checked and with its gateway. Raises InvalidRequest, Forbidden with dockerd's sentences."""
    subnet = parse_subnet(pool.subnet)
    if any(subnet.version == other.version and subnet.overlaps(other) for other in used):
        raise Forbidden(OVERLAP)
    if subnet.num_addresses < 2:
        raise InvalidRequest(f"invalid subnet {pool.subnet}: it has no room for a gateway and a container")
    if pool.ip_range:
        within = parse_subnet(pool.ip_range, "ip-range")
        if within.version != subnet.version or not within.subnet_of(subnet):  # type: ignore[arg-type]
            raise InvalidRequest(f"invalid ip-range {pool.ip_range}: it is not within the subnet {subnet}")
    for name, address in pool.auxiliary.items():
        if _parse_address(address, "auxiliary address") not in subnet:
            raise Forbidden(f"auxiliary address: ({name}:{address}) must belong to the master pool: {subnet}")
    gateway = _gateway(pool, subnet)
    return replace(pool, subnet=str(subnet), gateway=str(gateway))


def _gateway(pool: Pool, subnet: Subnet) -> Address:
    auxiliary = {ipaddress.ip_address(address) for address in pool.auxiliary.values()}
    if pool.gateway:
        gateway = _parse_address(pool.gateway.partition("/")[0], "gateway address")
        if gateway not in subnet:
            raise InvalidRequest(f"failed to allocate gateway ({gateway}): Requested address is out of range")
        if gateway in auxiliary:
            raise Forbidden(f"failed to allocate gateway ({gateway}): {TAKEN}")
        return gateway
    first, last = _bounds(subnet)
    return next(each for number in range(first, last + 1) if (each := _address(subnet, number)) not in auxiliary)


def grant(pools: Sequence[Pool], version: int, taken: Collection[str], label: str) -> str:
    """The lowest free address (with prefix length) of the network's pools of this IP version.

    `taken`: addresses of endpoints, without prefix lengths. Raises Unavailable when there is none.
    """
    for pool in pools:
        subnet = ipaddress.ip_network(pool.subnet)
        if subnet.version != version:
            continue
        kept = {int(ipaddress.ip_address(each)) for each in (pool.gateway, *pool.auxiliary.values()) if each}
        kept |= {int(address) for each in taken if (address := ipaddress.ip_address(each)).version == version}
        inside = ipaddress.ip_network(pool.ip_range, strict=False) if pool.ip_range else subnet
        lowest, highest = _bounds(subnet)
        first, last = max(lowest, int(inside.network_address)), min(highest, int(inside.broadcast_address))
        number = first
        while number in kept:
            number += 1
        if number <= last:
            return f"{_address(subnet, number)}/{subnet.prefixlen}"
    raise Unavailable(f"no available IPv{version} addresses on this network's address pools: {label}")


def grant_exact(pools: Sequence[Pool], wanted: str, taken: Collection[str]) -> str:
    """An address that was asked for, with prefix length. Raises InvalidRequest, Forbidden."""
    address = _parse_address(wanted, "IP address")
    for pool in pools:
        subnet = ipaddress.ip_network(pool.subnet)
        if address not in subnet:
            continue
        kept = {ipaddress.ip_address(each) for each in (pool.gateway, *pool.auxiliary.values()) if each}
        lowest, highest = _bounds(subnet)
        if str(address) in taken or address in kept or not lowest <= int(address) <= highest:
            raise Forbidden(TAKEN)
        return f"{address}/{subnet.prefixlen}"
    raise InvalidRequest(f"Invalid address {address}: It does not belong to any of this network's subnets")


def parse_subnet(text: str, what: str = "subnet") -> Subnet:
    """The network of a CIDR text; bits of a host are dropped, as dockerd does. Raises InvalidRequest."""
    try:
        if "/" not in text:
            raise ValueError
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise InvalidRequest(f"Invalid {what} {text} : invalid CIDR address: {text}") from None


def mac_of(ipv4_address: str, endpoint_id: str) -> str:
    """The hardware address of an endpoint: Docker's, made of the IPv4 address, or of the id where there is none."""
    if ipv4_address:
        rest = ipaddress.IPv4Address(ipv4_address.partition("/")[0]).packed
    else:
        rest = bytes.fromhex(endpoint_id[:8])
    return "02:42:" + rest.hex(":")


def _bounds(subnet: Subnet) -> tuple[int, int]:
    """The lowest and highest address that a host may have."""
    first, last = int(subnet.network_address), int(subnet.broadcast_address)
    if subnet.num_addresses <= 2:
        return first, last
    return first + 1, last - (subnet.version == 4)


def _address(subnet: Subnet, number: int) -> Address:
    return ipaddress.IPv4Address(number) if subnet.version == 4 else ipaddress.IPv6Address(number)


def _parse_address(text: str, what: str) -> Address:
    try:
        if "%" in text:
            raise ValueError
        return ipaddress.ip_address(text)
    except ValueError:
        raise InvalidRequest(f"invalid {what}: {text}") from None
