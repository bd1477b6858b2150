"""Which defaults does an image get that is made of a container?

What the request says, and the container's own settings where it says nothing (dockerd's `merge`): lists of variables,
ports, volumes and labels are joined, an entrypoint of the request does away with the container's command. Both are JSON
objects with Docker's field names.
"""

from collections.abc import Mapping
from typing import Any

Config = dict[str, Any]
_SIMPLE = ("User", "WorkingDir", "StopSignal")
_JOINED = ("ExposedPorts", "Volumes", "Labels")


def merge(asked: Mapping[str, Any], container: Mapping[str, Any]) -> Config:
    """`asked`, completed by what `container` says."""
    merged: Config = dict(asked)
    for name in _SIMPLE:
        merged[name] = asked.get(name) or container.get(name) or ""
    for name in _JOINED:
        if asked.get(name) or container.get(name):
            merged[name] = {**(container.get(name) or {}), **(asked.get(name) or {})}
    merged["Env"] = _environment(asked.get("Env") or [], container.get("Env") or [])
    if not asked.get("Entrypoint"):
        if not asked.get("Cmd"):
            merged["Cmd"] = container.get("Cmd")
            merged["ArgsEscaped"] = container.get("ArgsEscaped", False)
        if asked.get("Entrypoint") is None:  # [] says that there shall be none
            merged["Entrypoint"] = container.get("Entrypoint")
    if container.get("Healthcheck"):
        merged["Healthcheck"] = {**container["Healthcheck"], **_said(asked.get("Healthcheck") or {})}
    return merged


def _environment(asked: list[str], container: list[str]) -> list[str] | None:
    names = {variable.partition("=")[0] for variable in asked}
    return [*asked, *(variable for variable in container if variable.partition("=")[0] not in names)] or None


def _said(healthcheck: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in healthcheck.items() if value}
