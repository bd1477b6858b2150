"""What becomes of a request for a network?

Judged in dockerd's order and with its sentences; subnets that were not asked for are chosen. Pure: what exists goes in.
"""

import hashlib
import ipaddress
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from sampan.errors import Forbidden, InvalidRequest, NotFound
from sampan.networks import ipam
from sampan.networks.ipam import Base, Subnet
from sampan.networks.model import Network, NetworkCreate, Pool

PREDEFINED = ("bridge", "host", "none", "default")
LONGEST_NAME = 255
MOST_LABELS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the daemon was told about networks; the texts are dockerd's flags of these names.

    `ip`: where ports are published when nobody says; `bip`, `fixed_cidr`, `default_gateway`: of the default bridge.
    `ip_forward`: the host may be made to forward; `forward_for_all`: not only for containers. `ula`: the host's own
    IPv6 /48, to cut subnets from.
    """

    ip: str = ""
    bip: str = ""
    bip6: str = ""
    fixed_cidr: str = ""
    fixed_cidr_v6: str = ""
    default_gateway: str = ""
    mtu: int = 0
    icc: bool = True
    ipv6: bool = False
    internal: bool = False
    ip_forward: bool = True
    ip_masq: bool = True
    forward_for_all: bool = False
    firewall: bool = True
    proxy: bool = True
    bases: tuple[Base, ...] = ()
    ula: str = ""
    default_options: dict[str, dict[str, str]] = field(default_factory=dict)


def ula(engine_id: str) -> str:
    """An IPv6 /48 that is this engine's alone, as far as chance allows (RFC 4193)."""
    return str(ipaddress.IPv6Network((b"\xfd" + hashlib.sha256(engine_id.encode()).digest()[:5] + bytes(10), 48)))


def check_name(name: str) -> None:
    """Raises InvalidRequest, Forbidden for a name that no user's network may have."""
    if name in PREDEFINED:
        raise Forbidden(f"operation is not permitted on predefined {name} network ")
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise InvalidRequest(f"invalid name: {name!r}" if name.strip() else f"invalid name: {name}")


def plan(wanted: NetworkCreate, used: Sequence[Subnet], routed: Sequence[Subnet], settings: Settings) -> Network:
    """The network that a request describes. Raises InvalidRequest, Forbidden, NotFound with dockerd's sentences.

    `used`: subnets of other networks, which may not be had again. `routed`: what the host routes elsewhere, which is
    not chosen, but who names a subnet may want just that.
    """
    if wanted.ipam_driver not in ("", "default", "null"):
        raise NotFound(f'plugin "{wanted.ipam_driver}" not found')
    if wanted.scope not in ("", "local"):
        raise InvalidRequest(f"invalid network scope: {wanted.scope}: only local networks exist in this engine")
    if wanted.ingress:
        raise InvalidRequest("ingress networks belong to swarm mode, which this engine does not have")
    if not wanted.ipv4 and not wanted.ipv6:
        raise InvalidRequest("IPv4 and IPv6 cannot both be disabled for a network")
    if len(wanted.labels) > MOST_LABELS or len(wanted.options) > MOST_LABELS:
        raise InvalidRequest(f"a network has at most {MOST_LABELS} labels and options")
    pools = _pools(wanted, list(used), routed, settings) if wanted.ipam_driver != "null" else ()
    return Network(
        id=secrets.token_hex(32),
        name=wanted.name,
        driver=wanted.driver,
        created_ns=time.time_ns(),
        internal=wanted.internal,
        attachable=wanted.attachable,
        ipv4=wanted.ipv4,
        ipv6=wanted.ipv6,
        pools=pools,
        ipam_driver=wanted.ipam_driver or "default",
        ipam_options=wanted.ipam_options,
        options={**settings.default_options.get(wanted.driver, {}), **wanted.options},
        labels=wanted.labels,
        chosen_pools=not any(pool.subnet for pool in wanted.pools),
        config_from=wanted.config_from,
    )


def _pools(wanted: NetworkCreate, used: list[Subnet], routed: Sequence[Subnet], settings: Settings) -> tuple[Pool, ...]:
    """The pools asked for, settled in turn so that they do not overlap each other, and one chosen where none was."""
    settled: list[Pool] = []
    for pool in wanted.pools:
        if not pool.subnet:
            if pool.gateway or pool.ip_range or pool.auxiliary:
                raise InvalidRequest("invalid subnet in IPAM config: a gateway, range or address needs a subnet")
            continue
        if not (wanted.ipv6 if ipam.parse_subnet(pool.subnet).version == 6 else wanted.ipv4):
            continue  # dockerd, too, passes over a subnet of an IP version that is not switched on
        settled.append(ipam.settle(pool, used))
        used.append(ipam.parse_subnet(settled[-1].subnet))
    versions = {ipam.parse_subnet(pool.subnet).version for pool in settled}
    if wanted.ipv4 and 4 not in versions:
        subnet = ipam.choose_subnet(settings.bases or ipam.DEFAULT_BASES, [*used, *routed])
        settled.insert(0, ipam.settle(Pool(subnet=str(subnet)), used))
    if wanted.ipv6 and 6 not in versions:
        offered = [base for base in settings.bases if base.base.version == 6]
        if not offered and settings.ula:
            offered = [*ipam.bases((settings.ula, 64))]
        subnet = ipam.choose_subnet(offered, [*used, *routed], 6)
        settled.append(ipam.settle(Pool(subnet=str(subnet)), used))
    return tuple(settled)


def default_bridge(
    engine_network_id: str, created_ns: int, used: Sequence[Subnet], settings: Settings, driver_options: dict[str, str]
) -> Network:
    """The network `bridge`, with dockerd's first range unless the host routes that already."""
    pools = []
    if settings.bip:
        address, _, length = settings.bip.partition("/")
        pool = Pool(subnet=f"{address}/{length}", gateway=address, ip_range=settings.fixed_cidr)
        pools.append(ipam.settle(pool, ()))
    elif settings.fixed_cidr:
        pools.append(ipam.settle(Pool(subnet=settings.fixed_cidr), ()))
    else:
        offered = [base for base in settings.bases if base.base.version == 4] or ipam.DEFAULT_BRIDGE_BASES
        pools.append(ipam.settle(Pool(subnet=str(ipam.choose_subnet(offered, used))), ()))
    if settings.ipv6:
        given = settings.bip6 or settings.fixed_cidr_v6
        if given:
            gateway = settings.bip6.partition("/")[0]
            pools.append(ipam.settle(Pool(subnet=given, gateway=gateway), ()))
        else:
            offered = [base for base in settings.bases if base.base.version == 6]
            offered = offered or [*ipam.bases((settings.ula, 64))]
            pools.append(ipam.settle(Pool(subnet=str(ipam.choose_subnet(offered, used, 6))), ()))
    return Network(
        id=engine_network_id,
        name="bridge",
        driver="bridge",
        created_ns=created_ns,
        ipv4=True,
        ipv6=settings.ipv6,
        pools=tuple(pools),
        options=driver_options,
        predefined=True,
        chosen_pools=not (settings.bip or settings.fixed_cidr),
    )
