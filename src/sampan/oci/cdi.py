"""What does a CDI file say about devices, and what does a device add to a container?

Container Device Interface 1.0 (github.com/cncf-tags/container-device-interface, SPEC.md): a vendor's file names
devices, each with edits to the OCI runtime spec. Pure; a file is read strictly, as a mistake in it would otherwise show
inside a container.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sampan.errors import InvalidRequest
from sampan.oci.fields import Fields

NAME = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*[A-Za-z0-9]/[A-Za-z][A-Za-z0-9_-]*)=([A-Za-z0-9][A-Za-z0-9_.:-]*)")
HOOKS = {
    "prestart": "prestart", "createRuntime": "createRuntime", "createContainer": "createContainer",
    "startContainer": "startContainer", "poststart": "poststart", "poststop": "poststop",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A device node: `path` in the container; `host_path` has the kind and numbers that are not given."""

    path: str
    host_path: str
    kind: str = ""
    major: int | None = None
    minor: int | None = None
    mode: int | None = None
    permissions: str = "rwm"
    uid: int | None = None
    gid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edits:
    """What is added to a container. `mounts` and `hooks` are in the OCI runtime spec's own form."""

    env: tuple[str, ...] = ()
    nodes: tuple[Node, ...] = ()
    mounts: tuple[Mapping[str, Any], ...] = ()
    hooks: tuple[tuple[str, Mapping[str, Any]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Specification:
    """One file: `kind` is vendor/class, `shared` goes with every device of it."""

    kind: str
    devices: Mapping[str, Edits]
    shared: Edits


def parse(value: object, where: str) -> Specification:
    """The meaning of a decoded CDI file. Raises InvalidRequest that names the file and the member."""
    fields = Fields(value, where)
    kind = fields.text("kind")
    if not NAME.fullmatch(f"{kind}=x"):
        raise fields.error("kind", f"is no vendor.com/class: {kind!r}")
    devices = {}
    for device in fields.items("devices"):
        name = device.text("name")
        if not NAME.fullmatch(f"{kind}={name}"):
            raise device.error("name", f"is no name of a device: {name!r}")
        if name in devices:
            raise device.error("name", f"is there twice: {name!r}")
        devices[name] = _edits(device.inner("containerEdits"))
    return Specification(kind=kind, devices=devices, shared=_edits(fields.inner("containerEdits")))


def _edits(fields: Fields | None) -> Edits:
    if fields is None:
        return Edits()
    return Edits(
        env=_environment(fields),
        nodes=tuple(_node(node) for node in fields.items("deviceNodes")),
        mounts=tuple(_mount(mount) for mount in fields.items("mounts")),
        hooks=tuple(_hook(hook) for hook in fields.items("hooks")),
    )


def _environment(fields: Fields) -> tuple[str, ...]:
    found = fields.texts("env") or ()
    for variable in found:
        if not variable.partition("=")[0] or "=" not in variable:
            raise fields.error("env", f"has an entry that is no NAME=VALUE: {variable!r}")
    return found


def _node(fields: Fields) -> Node:
    path = _absolute(fields, "path")
    permissions = fields.text("permissions") or "rwm"
    kind = fields.text("type")
    if not set(permissions) <= set("rwm"):
        raise fields.error("permissions", f"may have r, w and m only: {permissions!r}")
    if kind not in ("", "b", "c", "u", "p"):
        raise fields.error("type", f"is none of b, c, u, p: {kind!r}")
    return Node(
        path=path,
        host_path=_absolute(fields, "hostPath") if fields.has("hostPath") else path,
        kind=kind,
        major=fields.number("major"),
        minor=fields.number("minor"),
        mode=fields.number("fileMode"),
        permissions=permissions,
        uid=fields.number("uid"),
        gid=fields.number("gid"),
    )


def _mount(fields: Fields) -> Mapping[str, Any]:
    options = list(fields.texts("options") or ())
    kind = fields.text("type")
    if kind in ("", "bind") and not {"bind", "rbind"} & set(options):
        options.append("rbind")
    return {
        "source": _absolute(fields, "hostPath"),
        "destination": _absolute(fields, "containerPath"),
        "type": kind or "bind",
        "options": options,
    }


def _hook(fields: Fields) -> tuple[str, Mapping[str, Any]]:
    name = fields.text("hookName")
    if name not in HOOKS:
        raise fields.error("hookName", f"is none of {', '.join(HOOKS)}: {name!r}")
    hook: dict[str, Any] = {"path": _absolute(fields, "path")}
    for member in ("args", "env"):
        if (words := fields.texts(member)) is not None:
            hook[member] = list(words)
    if (timeout := fields.number("timeout")) is not None:
        hook["timeout"] = timeout
    return name, hook


def _absolute(fields: Fields, name: str) -> str:
    path = fields.text(name)
    if not path.startswith("/") or "\0" in path:
        raise fields.error(name, f"must be an absolute path: {path!r}")
    return path


def split(name: str) -> tuple[str, str]:
    """(kind, device) of `vendor.com/class=device`. Raises InvalidRequest."""
    match = NAME.fullmatch(name)
    if match is None:
        raise InvalidRequest(f'invalid CDI device name "{name}": write it as vendor.com/class=name')
    return match[1], match[2]


def apply(spec: Mapping[str, Any], edits: Iterable[Edits], numbers: Callable[[Node], Node]) -> dict[str, Any]:
    """The runtime spec with the edits made; `numbers` completes a node with what the host's has."""
    linux, process = dict(spec["linux"]), dict(spec["process"])
    resources = dict(linux.get("resources") or {})
    devices, rules = list(linux.get("devices") or ()), list(resources.get("devices") or ())
    mounts, environment = list(spec.get("mounts") or ()), list(process.get("env") or ())
    hooks = {name: list(each) for name, each in (spec.get("hooks") or {}).items()}
    for edit in edits:
        names = {variable.partition("=")[0] for variable in edit.env}
        environment = [each for each in environment if each.partition("=")[0] not in names] + list(edit.env)
        mounts += [dict(mount) for mount in edit.mounts]
        for node in map(numbers, edit.nodes):
            devices = [each for each in devices if each["path"] != node.path] + [_device(node)]
            rules.append(
                {"allow": True, "type": node.kind, "major": node.major, "minor": node.minor, "access": node.permissions}
            )
        for name, hook in edit.hooks:
            hooks.setdefault(name, []).append(dict(hook))
    linux |= {"devices": devices, "resources": resources | {"devices": rules}}
    changed = {**spec, "linux": linux, "process": process | {"env": environment}, "mounts": mounts}
    return changed | ({"hooks": hooks} if hooks else {})


def _device(node: Node) -> dict[str, Any]:
    return {
        "path": node.path,
        "type": node.kind,
        "major": node.major,
        "minor": node.minor,
        "fileMode": 0o666 if node.mode is None else node.mode,
        "uid": node.uid or 0,
        "gid": node.gid or 0,
    }
