"""What is a network that is only a configuration, and what is made from one?

`network create --config-only` keeps subnets and options under a name, and makes nothing; `--config-from` makes a
network of them. Nobody can be joined to the first, and it stays as long as there is one of the second. Pure; sentences
are dockerd's.
"""

import secrets
import time
from collections.abc import Iterable
from dataclasses import replace

from sampan.errors import Forbidden, NotFound
from sampan.networks import ipam
from sampan.networks.model import Network, NetworkCreate

DRIVER = "null"


def kept(wanted: NetworkCreate) -> Network:
    """The network that is only a configuration. Raises Forbidden, InvalidRequest."""
    if wanted.config_from:
        raise Forbidden("a configuration network cannot depend on another configuration network")
    if wanted.ingress or wanted.internal or wanted.attachable or wanted.scope:
        raise Forbidden(
            "configuration network can only contain network specific fields. Network operator fields like "
            "[ ingress | internal | attachable | scope ] are not supported."
        )
    for pool in wanted.pools:
        if pool.subnet:
            ipam.parse_subnet(pool.subnet)
    return Network(
        id=secrets.token_hex(32),
        name=wanted.name,
        driver=DRIVER,
        created_ns=time.time_ns(),
        ipv4=wanted.ipv4,
        ipv6=wanted.ipv6,
        pools=wanted.pools,
        ipam_driver=wanted.ipam_driver or "default",
        ipam_options=wanted.ipam_options,
        options=wanted.options,
        labels=wanted.labels,
        config_only=True,
    )


def filled(wanted: NetworkCreate, networks: Iterable[Network]) -> NetworkCreate:
    """The request with what the configuration it names has. Raises NotFound, Forbidden."""
    if not wanted.config_from:
        return wanted
    # As dockerd: IPv6 may be asked for again, everything else comes from the configuration.
    if wanted.options or wanted.labels or wanted.pools or wanted.ipam_options:
        raise Forbidden(
            "user specified configurations are not supported if the network depends on a configuration network"
        )
    source = next((each for each in networks if each.config_only and each.name == wanted.config_from), None)
    if source is None:
        raise NotFound(f'configuration network "{wanted.config_from}" does not exist')
    return replace(
        wanted,
        ipv4=source.ipv4,
        ipv6=source.ipv6,
        pools=source.pools,
        ipam_driver=source.ipam_driver,
        ipam_options=source.ipam_options,
        options=source.options,
        labels=source.labels,
    )


def check_unused(network: Network, networks: Iterable[Network]) -> None:
    """Raises Forbidden for the configuration of a network that is there."""
    if network.config_only and any(each.config_from == network.name for each in networks):
        raise Forbidden(f'error while removing network: configuration network "{network.name}" is in use')


def check_joined(network: Network) -> None:
    """Raises Forbidden for a network that nobody can be joined to."""
    if network.config_only:
        raise Forbidden("cannot create endpoint on configuration-only network")
