"""What do a bridge network's options mean?

The documented `com.docker.network.*` (docker network create, "bridge driver options"), and our own, `com.sampan.*`.
Unknown ones are kept and mean nothing, as with dockerd. Sentences are dockerd's.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

from sampan.errors import InvalidRequest
from sampan.linux.netdevice import IFNAMSIZ

BRIDGE_NAME = "com.docker.network.bridge.name"
MTU = "com.docker.network.driver.mtu"
ICC = "com.docker.network.bridge.enable_icc"
MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"
HOST_BINDING = "com.docker.network.bridge.host_binding_ipv4"
HOST_IPV4 = "com.docker.network.host_ipv4"
GATEWAY_MODE = {4: "com.docker.network.bridge.gateway_mode_ipv4", 6: "com.docker.network.bridge.gateway_mode_ipv6"}
INTERFACE_PREFIX = "com.docker.network.container_iface_prefix"
SPOOF_CHECK = "com.sampan.network.spoof_check"
PUBLISH = "com.sampan.network.publish"
"""Of a network or an endpoint: `firewall` has published ports served by the engine, so that the host's firewall judges
them as it does any program of the host (chain INPUT); `nat`, the default, passes it by, as dockerd does."""
OBEY = "firewall"
EXISTING = "com.sampan.network.bridge.existing"
INTERFACE_NAME = "com.docker.network.endpoint.ifname"
SYSCTLS = "com.docker.network.endpoint.sysctls"

GATEWAY_MODES = ("nat", "nat-unprotected", "routed", "isolated")
INTERFACE = re.compile(r"[^/\s:]{1,15}")
LEAST_MTU, MOST_MTU = 68, 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeOptions:
    """A bridge network's options, read."""

    bridge: str
    mtu: int = 0
    icc: bool = True
    masquerade: bool = True
    host_binding: str = ""
    source: str = ""
    gateway_mode4: str = "nat"
    gateway_mode6: str = "nat"
    prefix: str = "eth"
    spoof_check: bool = True
    existing: bool = False

    def gateway_mode(self, version: int) -> str:
        """The mode of one IP version."""
        return self.gateway_mode4 if version == 4 else self.gateway_mode6


def read(network_id: str, options: Mapping[str, str], *, internal: bool = False) -> BridgeOptions:
    """Raises InvalidRequest for a value that cannot be."""
    modes = {version: options.get(name, "") or "nat" for version, name in GATEWAY_MODE.items()}
    for version, mode in modes.items():
        if mode not in GATEWAY_MODES:
            raise InvalidRequest(f"unknown gateway mode {mode} for option {GATEWAY_MODE[version]}")
        if mode == "isolated" and not internal:
            raise InvalidRequest(f"gateway mode 'isolated' can only be used for an internal network: {version}")
    bridge = options.get(BRIDGE_NAME, "") or f"br-{network_id[:12]}"
    if not is_interface_name(bridge):
        raise InvalidRequest("failed to check bridge interface existence: numerical result out of range")
    check_publish(options)
    for name in (HOST_BINDING, HOST_IPV4):
        _check_ipv4(name, options.get(name, ""))
    return BridgeOptions(
        bridge=bridge,
        mtu=mtu(options),
        icc=_switch(ICC, options, True),
        masquerade=_switch(MASQUERADE, options, True),
        host_binding=options.get(HOST_BINDING, ""),
        source=options.get(HOST_IPV4, ""),
        gateway_mode4=modes[4],
        gateway_mode6=modes[6],
        prefix=options.get(INTERFACE_PREFIX, "") or "eth",
        spoof_check=_switch(SPOOF_CHECK, options, True),
        existing=_switch(EXISTING, options, False),
    )


def check_publish(options: Mapping[str, str]) -> None:
    """Raises InvalidRequest for a mode of publishing that is not known."""
    mode = options.get(PUBLISH, "")
    if mode not in ("", "nat", OBEY):
        raise InvalidRequest(f"invalid {PUBLISH}: {mode!r}: nat and {OBEY} are known")


def mtu(options: Mapping[str, str]) -> int:
    """The size of a network's packets in bytes, 0 for the kernel's default. Raises InvalidRequest."""
    text = options.get(MTU, "")
    if not text:
        return 0
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise InvalidRequest(f'failed to parse {MTU} value: {text} (strconv.Atoi: parsing "{text}": invalid syntax)')
    size = int(text)
    if size == 0 or LEAST_MTU <= size <= MOST_MTU:
        return size
    raise InvalidRequest(f"invalid MTU number: {size}")


def is_interface_name(name: str) -> bool:
    """Whether the kernel would let an interface be called so (dev_valid_name)."""
    return bool(INTERFACE.fullmatch(name)) and name not in (".", "..") and len(name.encode()) < IFNAMSIZ


def _switch(name: str, options: Mapping[str, str], default: bool) -> bool:
    text = options.get(name, "")
    if not text:
        return default
    if text in ("1", "t", "T", "TRUE", "true", "True"):
        return True
    if text in ("0", "f", "F", "FALSE", "false", "False"):
        return False
    raise InvalidRequest(f'failed to parse {name} value: {text} (strconv.ParseBool: parsing "{text}": invalid syntax)')


def _check_ipv4(name: str, text: str) -> None:
    try:
        if text:
            ipaddress.IPv4Address(text)
    except ValueError:
        raise InvalidRequest(f"failed to parse {name} value: {text} (it is not an IPv4 address)") from None
