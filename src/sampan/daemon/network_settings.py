"""What do the daemon's flags say about networks?

dockerd's flags, judged before anything is started. Where a flag is empty, `networks/create.py` chooses.
"""

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any

from sampan.errors import InvalidRequest
from sampan.networks.create import Settings
from sampan.networks.ipam import parse_base


def network_settings(value: Callable[[str], Any]) -> Settings:
    """The settings that `value`, which knows each flag's value, gives. Raises InvalidRequest."""
    ip = value("ip")
    if ip and not _is_address(ip):
        raise InvalidRequest(f"--ip={ip}: an IP address is expected")
    for name in ("bip", "bip6", "fixed-cidr", "fixed-cidr-v6"):
        _check_interface(name, value(name))
    gateway = value("default-gateway")
    if gateway and not _is_address(gateway):
        raise InvalidRequest(f"--default-gateway={gateway}: an IP address is expected")
    mtu = value("mtu")
    if mtu and not 68 <= mtu <= 65535:
        raise InvalidRequest(f"--mtu={mtu}: invalid MTU number")
    return Settings(
        ip="" if ip == "0.0.0.0" else ip,
        bip=value("bip"),
        bip6=value("bip6"),
        fixed_cidr=value("fixed-cidr"),
        fixed_cidr_v6=value("fixed-cidr-v6"),
        default_gateway=gateway,
        mtu=mtu,
        icc=value("icc"),
        ipv6=value("ipv6"),
        ip_forward=value("ip-forward"),
        ip_masq=value("ip-masq"),
        forward_for_all=value("ip-forward-no-drop"),
        firewall=value("iptables"),
        proxy=value("userland-proxy"),
        bases=tuple(parse_base(text) for text in value("default-address-pool")),
        default_options=_default_options(value("default-network-opt")),
    )


def _default_options(given: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """`DRIVER=OPTION=VALUE` on the command line; the file has an object for each driver."""
    found: dict[str, dict[str, str]] = {}
    for driver, text in given.items():
        option, equals, value = text.partition("=")
        if not equals:
            raise InvalidRequest(f"--default-network-opt {driver}={text}: DRIVER=OPTION=VALUE is expected")
        found.setdefault(driver, {})[option] = value
    return found


def _check_interface(name: str, text: str) -> None:
    try:
        if text:
            if "/" not in text:
                raise ValueError("a prefix length is missing")
            ipaddress.ip_interface(text)
    except ValueError as error:
        raise InvalidRequest(f"--{name}={text}: {error}") from None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
