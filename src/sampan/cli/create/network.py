"""Which networks does the container join, and how is it known there?"""

from __future__ import annotations

from sampan.cli.command import Failure
from sampan.cli.flags import Options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PER_NETWORK_FLAGS = ("network-alias", "ip", "ip6", "link-local-ip", "mac-address", "link")
RATES = ("rate", "rate-in", "rate-out", "burst", "burst-in", "burst-out")
NOT_USER_DEFINED = ("default", "bridge", "host", "none")
EMPTY_ENDPOINT: dict[str, Any] = {
    "IPAMConfig": None,
    "Links": None,
    "Aliases": None,
    "MacAddress": "",
    "DriverOpts": None,
    "GwPriority": 0,
    "NetworkID": "",
    "EndpointID": "",
    "Gateway": "",
    "IPAddress": "",
    "IPPrefixLen": 0,
    "IPv6Gateway": "",
    "GlobalIPv6Address": "",
    "GlobalIPv6PrefixLen": 0,
    "DNSNames": None,
}


def read_network(text: str) -> dict[str, Any]:
    """`NAME`, or `name=NAME,alias=…,ip=…,rate=10m,driver-opt=key=value`. Raises ValueError."""
    if not text:
        raise ValueError("no name set for network")
    if "=" not in text:
        return {"target": text}
    network: dict[str, Any] = {}
    for field in text.split(","):
        key, equals, value = field.partition("=")
        key = key.strip().lower()
        if not equals:
            raise ValueError(f"invalid key/value pair format in {field!r}: write it as name=NETWORK,alias=NAME")
        if key == "name":
            network["target"] = value
        elif key in ("alias", "link-local-ip", "driver-opt"):
            network.setdefault(key, []).append(value)
        elif key in ("ip", "ip6", "mac-address", *RATES):
            network[key] = value
        elif key == "gw-priority":
            network[key] = int(value)
        else:
            raise ValueError(f"invalid field key {key}")
    if not network.get("target"):
        raise ValueError("network name or id is not specified: add name=NETWORK")
    if rates := rate_options(network):
        network["driver-opt"] = [*network.get("driver-opt", ()), *rates]
    return network


def rate_options(network: dict[str, Any]) -> list[str]:
    """The driver options for limits of bandwidth, which docker does not have; `rate` alone is for both directions."""
    found = []
    for kind in ("rate", "burst"):
        for way in ("in", "out"):
            value = network.get(f"{kind}-{way}") or network.get(kind)
            if value:
                found.append(f"com.sampan.network.{kind}.{way}={value}")
    return found


def endpoints_config(options: Options) -> dict[str, Any]:
    """EndpointsConfig; the flags for one network (--ip, --network-alias …) go to the first. Raises Failure."""
    networks = [dict(network) for network in options["network"]] or [{"target": "default"}]
    names = [network["target"] for network in networks]
    for name in names:
        if names.count(name) > 1:
            raise Failure(f'network "{name}" is specified multiple times', 125)
    if len({is_user_defined(name) for name in names}) > 1:
        raise Failure("conflicting options: cannot attach both user-defined and non-user-defined network-modes", 125)
    add_flags(networks[0], options)
    for network in networks:
        if network.get("alias") and not is_user_defined(network["target"]):
            raise Failure("network-scoped aliases are only supported for user-defined networks", 125)
    return {network["target"]: endpoint(network) for network in networks}


def is_user_defined(name: str) -> bool:
    """Whether the name is that of a network somebody created."""
    return name not in NOT_USER_DEFINED and not name.startswith("container:")


def add_flags(network: dict[str, Any], options: Options) -> None:
    """Merge --network-alias, --ip, --ip6, --link-local-ip, --mac-address and --link into the first network."""
    for flag, key in (("network-alias", "alias"), ("link-local-ip", "link-local-ip"), ("ip", "ip"), ("ip6", "ip6")):
        if options[flag] and network.get(key):
            raise Failure(f"conflicting options: cannot specify both --{flag} and per-network {key}", 125)
        if options[flag]:
            network[key] = options[flag]
    if options["mac-address"]:
        read_mac(options["mac-address"])
        network.setdefault("mac-address", options["mac-address"])
    if options["link"] and is_user_defined(network["target"]):
        network["link"] = options["link"]


def endpoint(network: dict[str, Any]) -> dict[str, Any]:
    """One network's EndpointSettings."""
    settings = dict(EMPTY_ENDPOINT)
    addresses = {"IPv4Address": network.get("ip"), "IPv6Address": network.get("ip6")}
    addresses["LinkLocalIPs"] = network.get("link-local-ip")
    chosen = {key: value for key, value in addresses.items() if value}
    settings["IPAMConfig"] = chosen or None
    settings["Links"] = network.get("link")
    settings["Aliases"] = network.get("alias")
    settings["MacAddress"] = network.get("mac-address", "")
    settings["GwPriority"] = network.get("gw-priority", 0)
    if network.get("driver-opt"):
        settings["DriverOpts"] = {
            key: value for key, _, value in (text.partition("=") for text in network["driver-opt"])
        }
    return settings


def read_mac(text: str) -> str:
    """Six bytes in hex. Raises Failure."""
    parts = text.replace("-", ":").split(":")
    if len(parts) != 6 or any(len(part) != 2 or not set(part) <= set("0123456789abcdefABCDEF") for part in parts):
        raise Failure(f"{text} is not a valid mac address", 125)
    return text


def read_address(text: str) -> str:
    """An IP address. Raises ValueError."""
    import ipaddress

    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        raise ValueError(f"invalid IP address: {text}") from None


def read_extra_host(text: str) -> str:
    """NAME:ADDRESS or NAME=ADDRESS, where ADDRESS may be host-gateway."""
    at = min((index for index in (text.find("="), text.find(":")) if index > 0), default=-1)
    if at < 0 or not text[at + 1 :]:
        raise ValueError(f'bad format for add-host: "{text}": write it as name:1.2.3.4')
    name, address = text[:at], text[at + 1 :]
    if address != "host-gateway":
        bare = address[1:-1] if address.startswith("[") and address.endswith("]") else address
        try:
            read_address(bare)
        except ValueError:
            raise ValueError(f'invalid IP address in add-host: "{address}"') from None
        address = bare
    return f"{name}:{address}"


def read_link(text: str) -> str:
    """NAME or NAME:ALIAS."""
    if not text or text.count(":") > 1:
        raise ValueError(f"bad format for links: {text}")
    return text
