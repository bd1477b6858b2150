"""sampan port: where on the host are a container's ports?"""

from __future__ import annotations

from sampan.cli.command import Call, Command, Failure
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


COMMAND = Command("CONTAINER [PRIVATE_PORT[/PROTO]]", run, least=1, most=2)
