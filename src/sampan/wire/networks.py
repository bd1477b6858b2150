"""What does a client send to make networks and to join containers to them?

Docker's `network.CreateRequest`, `ConnectRequest` and `DisconnectRequest` (Engine API 1.51, "Network"), typed and with
their JSON names.
"""

from msgspec import Struct, field

from sampan.wire.containers import EndpointSettings


class IPAMPool(Struct, rename="pascal", frozen=True, kw_only=True):
    """A subnet and what is particular about it; "" where the engine is to choose."""

    subnet: str = ""
    ip_range: str = field(default="", name="IPRange")
    gateway: str = ""
    auxiliary_addresses: dict[str, str] | None = None


class IPAM(Struct, rename="pascal", frozen=True, kw_only=True):
    """How addresses are given out."""

    driver: str = ""
    options: dict[str, str] | None = None
    config: list[IPAMPool] | None = None


class ConfigReference(Struct, rename="pascal", frozen=True, kw_only=True):
    """A network whose configuration is to be copied."""

    network: str = ""


class NetworkCreateBody(Struct, rename="pascal", frozen=True, kw_only=True):
    """The body of `POST /networks/create`."""

    name: str = ""
    driver: str = ""
    scope: str = ""
    enable_ipv4: bool | None = field(default=None, name="EnableIPv4")
    enable_ipv6: bool | None = field(default=None, name="EnableIPv6")
    ipam: IPAM | None = field(default=None, name="IPAM")
    internal: bool = False
    attachable: bool = False
    ingress: bool = False
    config_only: bool = False
    config_from: ConfigReference | None = None
    options: dict[str, str] | None = None
    labels: dict[str, str] | None = None


class NetworkConnectBody(Struct, rename="pascal", frozen=True, kw_only=True):
    """The body of `POST /networks/{id}/connect`."""

    container: str = ""
    endpoint_config: EndpointSettings | None = None


class NetworkDisconnectBody(Struct, rename="pascal", frozen=True, kw_only=True):
    """The body of `POST /networks/{id}/disconnect`."""

    container: str = ""
    force: bool = False
