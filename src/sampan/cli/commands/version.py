"""sampan version: which client is this, and which engine answers it?"""

from __future__ import annotations

import json
import platform

import sampan
from sampan.cli.command import Call, Command, Failure
from sampan.cli.formats import INSPECT_FORMAT, inspect_template
from sampan.client.connection import CannotConnect
from sampan.client.engine import NEWEST_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def run(call: Call) -> int:
    """docker version; the client's half is shown even when no engine answers."""
    server, problem = None, None
    try:
        server = call.engine.get("/version")
    except CannotConnect as error:
        problem = error
    client = client_version(call.engine.version if server else NEWEST_VERSION)
    template = call.options["format"]
    if template == "json":
        call.out.line(json.dumps({"Client": client, "Server": server}, separators=(",", ":"), ensure_ascii=False))
    elif template:
        call.out.line(inspect_template(template).render({"Client": client, "Server": server}))
    else:
        call.out.write(describe(client, server))
    if problem is not None:
        raise Failure(str(problem))
    return 0


def client_version(spoken: str) -> dict[str, Any]:
    """What this client is."""
    machine = platform.machine()
    return {
        "Platform": {"Name": "sampan"},
        "Version": sampan.__version__,
        "ApiVersion": spoken,
        "DefaultAPIVersion": NEWEST_VERSION,
        "PythonVersion": platform.python_version(),
        "Os": "linux",
        "Arch": ARCHITECTURES.get(machine, machine),
        "Context": "default",
    }


def describe(client: dict[str, Any], server: dict[str, Any] | None) -> str:
    """The two halves in docker's layout."""
    spoken, newest = client["ApiVersion"], client["DefaultAPIVersion"]
    lines = [
        "Client:",
        f" Version:           {client['Version']}",
        f" API version:       {spoken}" + (f" (downgraded from {newest})" if spoken != newest else ""),
        f" Python version:    {client['PythonVersion']}",
        f" OS/Arch:           {client['Os']}/{client['Arch']}",
        f" Context:           {client['Context']}",
    ]
    if server is not None:
        name = (server.get("Platform") or {}).get("Name")
        lines += ["", f"Server: {name}" if name else "Server:"]
        for component in server.get("Components") or [engine_component(server)]:
            lines += describe_component(component)
    return "\n".join(lines) + "\n"


def engine_component(server: dict[str, Any]) -> dict[str, Any]:
    """The engine as a component, for servers that list none."""
    return {"Name": "Engine", "Version": server.get("Version", ""), "Details": server}


def describe_component(component: dict[str, Any]) -> list[str]:
    """One component, indented."""
    details = component.get("Details") or {}
    rows = [("Version", component["Version"])]
    if component["Name"] == "Engine":
        rows += [
            ("API version", f"{details.get('ApiVersion')} (minimum version {details.get('MinAPIVersion')})"),
            ("Go version", details.get("GoVersion")),
            ("Git commit", details.get("GitCommit")),
            ("Built", details.get("BuildTime")),
            ("OS/Arch", f"{details.get('Os')}/{details.get('Arch')}"),
            ("Experimental", details.get("Experimental")),
        ]
    else:
        rows += [(key, details[key]) for key in sorted(details)]
    return [f" {component['Name']}:", *(f"  {key + ':':<17} {value}" for key, value in rows if value is not None)]


COMMAND = Command("[OPTIONS]", run, flags=(INSPECT_FORMAT,))
