"""sampan port: where on the host are a container's ports?"""

from __future__ import annotations

from sampan.cli.command import ANY, Call, Command, Failure
from sampan.cli.ports import host
from sampan.client.engine import named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def run(call: Call) -> int:
    """docker port CONTAINER [PRIVATE_PORT[/PROTO]]."""
    name, *wanted = call.arguments
    container = call.engine.get(named("containers", name, "json"))
    ports: dict[str, Any] = container["NetworkSettings"].get("Ports") or {}
    if not wanted:
        lines = [f"{port} -> {address(each)}" for port, bindings in ports.items() for each in bindings or ()]
        for line in sorted(lines, key=lambda line: (int(line.partition("/")[0]), line)):
            call.out.line(line)
        return 0
    number, slash, protocol = wanted[0].partition("/")
    if not number.isdigit():
        raise Failure(f"Error: invalid port {wanted[0]!r}: write it as 80 or 80/udp")
    bindings = ports.get(f"{number}/{protocol if slash else 'tcp'}")
    if not bindings:
        raise Failure(f"Error: No public port '{wanted[0]}' published for {name}")
    for each in bindings:
        call.out.line(address(each))
    return 0


def address(binding: dict[str, str]) -> str:
    """`0.0.0.0:8080`."""
    return f"{host(binding['HostIp'])}:{binding['HostPort']}"


def change(call: Call) -> int:
    """Publish ports of a container that is there, or publish them no longer; what is published then is shown."""
    from sampan.cli.create.ports import bindings

    name, *specs = call.arguments
    verb = call.name.rpartition(" ")[2]
    body = {"PortBindings": named_ports(specs) if verb == "unpublish" else bindings(specs)}
    ports = call.engine.post(named("containers", name, verb), body=body)["Ports"]
    for port, places in ports.items():
        for each in places or ():
            call.out.line(f"{port} -> {address(each)}")
    return 0


def named_ports(specs: list[str]) -> dict[str, list[dict[str, str]]]:
    """The ports that `unpublish` names: 80/udp for all places of a port, 8080:80 for one of them."""
    from sampan.cli.create.ports import bindings

    found = bindings(specs)
    return {port: [place for place in places if place["HostPort"] or place["HostIp"]] for port, places in found.items()}


SPECS = "CONTAINER [IP:][HOST_PORT:]PORT[/PROTO] [...]"
PUBLISH = Command(
    SPECS,
    change,
    least=2,
    most=ANY,
    details="The container may be running: its other ports and connections are not interrupted.",
)
UNPUBLISH = Command(
    SPECS,
    change,
    least=2,
    most=ANY,
    details="PORT alone takes the port away wherever it is published.",
)
COMMAND = Command("CONTAINER [PRIVATE_PORT[/PROTO]]", run, least=1, most=2)
