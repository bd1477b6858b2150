"""sampan info: what is this engine, and what does it run on?"""

from __future__ import annotations

import json

import sampan
from sampan.cli.command import Call, Command, Failure
from sampan.cli.formats import INSPECT_FORMAT, inspect_template
from sampan.client.units import binary_size
from sampan.errors import SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def run(call: Call) -> int:
    """docker info; the client's half is shown even when no engine answers."""
    server: dict[str, Any] = {}
    problem = None
    try:
        server = call.engine.get("/info")
    except SampanError as error:
        problem = error
    client = {"Debug": False, "Version": sampan.__version__, "Context": "default", "Plugins": [], "Warnings": None}
    template = call.options["format"]
    if template == "json":
        call.out.line(json.dumps({**server, "ClientInfo": client}, separators=(",", ":"), ensure_ascii=False))
    elif template:
        call.out.line(inspect_template(template).render({**server, "ClientInfo": client}))
    else:
        call.out.write(
            f"Client:\n Version:    {client['Version']}\n Context:    default\n Debug Mode: false\n\nServer:\n"
        )
        call.out.write(describe(server) if server else "")
        for warning in server.get("Warnings") or ():
            call.err.line(warning)
    if problem is not None:
        raise Failure(f"{problem}\nerrors pretty printing info" if not template else str(problem))
    return 0


def describe(info: dict[str, Any]) -> str:
    """The engine's half in docker's layout."""
    lines = [
        f" Containers: {info.get('Containers', 0)}",
        f"  Running: {info.get('ContainersRunning', 0)}",
        f"  Paused: {info.get('ContainersPaused', 0)}",
        f"  Stopped: {info.get('ContainersStopped', 0)}",
        f" Images: {info.get('Images', 0)}",
        *present(info, ("Server Version", "ServerVersion"), ("Storage Driver", "Driver")),
        *(f"  {name}: {value}" for name, value in info.get("DriverStatus") or ()),
        *present(
            info,
            ("Logging Driver", "LoggingDriver"),
            ("Cgroup Driver", "CgroupDriver"),
            ("Cgroup Version", "CgroupVersion"),
        ),
        *plugins(info),
        f" Swarm: {(info.get('Swarm') or {}).get('LocalNodeState') or 'inactive'}",
        *runtimes(info),
        *security(info),
        *present(
            info,
            ("Kernel Version", "KernelVersion"),
            ("Operating System", "OperatingSystem"),
            ("OSType", "OSType"),
            ("Architecture", "Architecture"),
            ("CPUs", "NCPU"),
        ),
        f" Total Memory: {binary_size(info.get('MemTotal', 0))}",
        *present(info, ("Name", "Name"), ("ID", "ID"), ("Docker Root Dir", "DockerRootDir")),
        f" Debug Mode: {boolean(info.get('Debug'))}",
        *present(info, ("HTTP Proxy", "HttpProxy"), ("HTTPS Proxy", "HttpsProxy"), ("No Proxy", "NoProxy")),
        *(([" Labels:"] + [f"  {label}" for label in info["Labels"]]) if info.get("Labels") else []),
        f" Experimental: {boolean(info.get('ExperimentalBuild'))}",
        *registries(info),
        f" Live Restore Enabled: {boolean(info.get('LiveRestoreEnabled'))}",
        *present(info, ("Product License", "ProductLicense")),
    ]
    return "\n".join(lines) + "\n\n"


def present(info: dict[str, Any], *names: tuple[str, str]) -> list[str]:
    """` Title: value` for each field that has a value."""
    return [f" {title}: {info[key]}" for title, key in names if info.get(key)]


def boolean(value: object) -> str:
    """Go's spelling."""
    return "true" if value else "false"


def plugins(info: dict[str, Any]) -> list[str]:
    """What can be plugged in."""
    known = info.get("Plugins") or {}
    lines = [
        " Plugins:",
        f"  Volume: {' '.join(known.get('Volume') or ())}",
        f"  Network: {' '.join(known.get('Network') or ())}",
    ]
    if known.get("Authorization"):
        lines.append(f"  Authorization: {' '.join(known['Authorization'])}")
    lines.append(f"  Log: {' '.join(known.get('Log') or ())}")
    return lines


def runtimes(info: dict[str, Any]) -> list[str]:
    """Which OCI runtimes can be chosen, and the versions of what runs containers."""
    names = sorted(info.get("Runtimes") or {})
    lines = [f" Runtimes: {' '.join(names)}"] if names else []
    lines += present(info, ("Default Runtime", "DefaultRuntime"), ("Init Binary", "InitBinary"))
    for title, key in (("containerd", "ContainerdCommit"), ("runc", "RuncCommit"), ("init", "InitCommit")):
        if info.get(key):
            lines.append(f" {title} version: {info[key].get('ID', '')}")
    return lines


def security(info: dict[str, Any]) -> list[str]:
    """`name=seccomp,profile=builtin` as two lines."""
    options = info.get("SecurityOptions") or []
    lines = [" Security Options:"] if options else []
    for option in options:
        pairs = [pair.partition("=")[::2] for pair in option.split(",")]
        lines += [f"  {value}" if key == "name" else f"   {key.capitalize()}: {value}" for key, value in pairs]
    return lines


def registries(info: dict[str, Any]) -> list[str]:
    """Which registries may be used without TLS, and which mirror others."""
    config = info.get("RegistryConfig") or {}
    insecure = [name for name, index in (config.get("IndexConfigs") or {}).items() if not index.get("Secure", True)]
    insecure += config.get("InsecureRegistryCIDRs") or []
    lines = [" Insecure Registries:", *(f"  {name}" for name in insecure)] if insecure else []
    mirrors = config.get("Mirrors") or []
    return lines + ([" Registry Mirrors:", *(f"  {mirror}" for mirror in mirrors)] if mirrors else [])


COMMAND = Command("[OPTIONS]", run, flags=(INSPECT_FORMAT,))
