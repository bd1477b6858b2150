"""sampan network create: make a network."""

from __future__ import annotations

from sampan.cli.command import Call, Command, Failure
from sampan.cli.flags import SWITCH, TEXT, Flag, Kind
from sampan.cli.values import LABELS, MAP, as_map

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Docker's CLI splits these at commas, too.
STRINGS = Kind("strings", str, repeats=True)


def run(call: Call) -> int:
    """docker network create."""
    options = call.options
    body: dict[str, Any] = {
        "Name": call.arguments[0],
        "Driver": options["driver"],
        "Scope": options["scope"],
        "IPAM": {
            "Driver": options["ipam-driver"],
            "Options": as_map(options["ipam-opt"]),
            "Config": pools(
                split(options["subnet"]), split(options["ip-range"]), split(options["gateway"]),
                as_map(options["aux-address"]),
            ),
        },
        "Internal": options["internal"],
        "Attachable": options["attachable"],
        "Ingress": options["ingress"],
        "ConfigOnly": options["config-only"],
        "ConfigFrom": {"Network": options["config-from"]} if options["config-from"] else None,
        "Options": as_map(options["opt"]),
        "Labels": as_map(options["label"]),
    }  # fmt: skip
    for flag, field in (("ipv4", "EnableIPv4"), ("ipv6", "EnableIPv6")):
        if options.given(flag):
            body[field] = options[flag]
    answer = call.engine.post("/networks/create", body=body)
    call.out.line(answer["Id"])
    if answer.get("Warning"):
        call.err.line(f"WARNING: {answer['Warning']}")
    return 0


def split(texts: list[str]) -> list[str]:
    """Values of a flag that may be repeated, or hold several between commas."""
    return [part for text in texts for part in text.split(",")]


def pools(
    subnets: list[str], ranges: list[str], gateways: list[str], auxiliary: dict[str, str]
) -> list[dict[str, Any]]:
    """IPAM's Config: each range, gateway and address with the subnet that holds it. Raises Failure."""
    import ipaddress

    if len(subnets) < len(ranges) or len(subnets) < len(gateways):
        raise Failure("every ip-range or gateway must have a corresponding subnet")
    found: dict[str, dict[str, Any]] = {}
    networks: dict[str, Any] = {}
    for text in subnets:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            if len(subnets) > 1 or ranges or gateways or auxiliary:
                raise Failure(f"Invalid subnet {text} : invalid CIDR address: {text}") from None
            return [{"Subnet": text}]  # nothing here depends on it: the engine says what is wrong
        if any(network.version == other.version and network.overlaps(other) for other in networks.values()):
            raise Failure("multiple overlapping subnet configuration is not supported")
        networks[text] = network
        found[text] = {"Subnet": text}

    def holder(text: str, what: str) -> str:
        try:
            address = ipaddress.ip_network(text, strict=False).network_address
        except ValueError:
            raise Failure(f"invalid {what}: {text}") from None
        for subnet, network in networks.items():
            if address in network:
                return subnet
        raise Failure(f"no matching subnet for {what} {text}")

    for key, what, plural, texts in (
        ("IPRange", "range", "ranges", ranges),
        ("Gateway", "gateway", "gateways", gateways),
    ):
        for text in texts:
            subnet = holder(text, what)
            if key in found[subnet]:
                where = "on the same subnet" if what == "range" else "for the same subnet"
                raise Failure(f"cannot configure multiple {plural} ({text}, {found[subnet][key]}) {where} ({subnet})")
            found[subnet][key] = text
    for name, address in auxiliary.items():
        found[holder(address, "aux-address")].setdefault("AuxiliaryAddresses", {})[name] = address
    return list(found.values())


COMMAND = Command(
    "[OPTIONS] NETWORK",
    run,
    least=1,
    most=1,
    flags=(
        Flag("attachable", SWITCH, "Enable manual container attachment"),
        Flag("aux-address", MAP, "Auxiliary IPv4 or IPv6 addresses that no container is given (NAME=ADDRESS)"),
        Flag("config-from", TEXT, "The network from which to copy the configuration"),
        Flag("config-only", SWITCH, "Create a configuration only network"),
        Flag("driver", TEXT, "Driver to manage the network", short="d", default="bridge"),
        Flag("gateway", STRINGS, "IPv4 or IPv6 gateway for the subnet"),
        Flag("ingress", SWITCH, "Create swarm routing-mesh network"),
        Flag("internal", SWITCH, "Restrict external access to the network"),
        Flag("ip-range", STRINGS, "Allocate container addresses from a sub-range"),
        Flag("ipam-driver", TEXT, "IP address management driver", default="default"),
        Flag("ipam-opt", MAP, "Set IPAM driver specific options"),
        Flag("ipv4", SWITCH, "Enable or disable IPv4 address assignment", default=True),
        Flag("ipv6", SWITCH, "Enable or disable IPv6 address assignment"),
        Flag("label", LABELS, "Set metadata on a network"),
        Flag("opt", MAP, "Set driver specific options", short="o"),
        Flag("scope", TEXT, "Control the network's scope"),
        Flag("subnet", STRINGS, "Subnet in CIDR format that represents a network segment"),
    ),
    details=(
        "Options of the bridge driver (-o): com.docker.network.bridge.name, .enable_icc, .enable_ip_masquerade,\n"
        ".host_binding_ipv4, .gateway_mode_ipv4 and _ipv6 (nat, routed, isolated), com.docker.network.driver.mtu;\n"
        "com.sampan.network.dns=false switches the resolver at 127.0.0.11 off for the network's containers."
    ),
)
