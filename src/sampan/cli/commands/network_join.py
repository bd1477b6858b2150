"""sampan network connect and disconnect: join a container to a network, or take it off."""

from __future__ import annotations

from sampan.cli.command import Call, Command
from sampan.cli.create.flags import listed
from sampan.cli.create.network import RATES, endpoint, rate_options
from sampan.cli.flags import LIST, NUMBER, SWITCH, TEXT, Flag
from sampan.client.engine import named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def connect(call: Call) -> int:
    """docker network connect."""
    options = call.options
    network, container = call.arguments
    asked: dict[str, Any] = {"target": network}
    for flag in ("ip", "ip6", "alias", "link-local-ip", "link", "driver-opt", "gw-priority"):
        if options[flag]:
            asked[flag] = options[flag]
    rates = rate_options({name: options[name] for name in RATES})
    if rates:
        asked["driver-opt"] = [*asked.get("driver-opt", ()), *rates]
    settings = endpoint(asked)
    # Docker's client tells apart here what is absent from what is empty.
    settings |= {name: settings[name] or {} for name in ("IPAMConfig", "DriverOpts")}
    settings["Aliases"] = settings["Aliases"] or []
    body = {"Container": container, "EndpointConfig": settings}
    call.engine.post(named("networks", network, "connect"), body=body)
    return 0


def disconnect(call: Call) -> int:
    """docker network disconnect."""
    network, container = call.arguments
    body = {"Container": container, "Force": call.options["force"]}
    call.engine.post(named("networks", network, "disconnect"), body=body)
    return 0


CONNECT = Command(
    "[OPTIONS] NETWORK CONTAINER",
    connect,
    least=2,
    most=2,
    flags=(
        Flag("alias", LIST, "Add network-scoped alias for the container"),
        Flag("burst", TEXT, "Bytes that may pass at once before the rate counts, such as 128k"),
        Flag("burst-in", TEXT, "The same for what the container receives"),
        Flag("burst-out", TEXT, "The same for what the container sends"),
        Flag("driver-opt", LIST, "Driver options for the network"),
        Flag("gw-priority", NUMBER, "Highest gw-priority provides the default gateway; negative values too", default=0),
        Flag("ip", TEXT, 'IPv4 address (e.g., "172.30.100.104")'),
        Flag("ip6", TEXT, 'IPv6 address (e.g., "2001:db8::33")'),
        Flag("link", listed("network:read_link"), "Add link to another container"),
        Flag("link-local-ip", LIST, "Add a link-local address for the container"),
        Flag("rate", TEXT, "Bytes a second that the container may send and receive, such as 10m"),
        Flag("rate-in", TEXT, "Bytes a second that the container may receive"),
        Flag("rate-out", TEXT, "Bytes a second that the container may send"),
    ),
)
DISCONNECT = Command(
    "[OPTIONS] NETWORK CONTAINER",
    disconnect,
    least=2,
    most=2,
    flags=(Flag("force", SWITCH, "Force the container to disconnect from a network", short="f"),),
)
