"""What do -v and --mount attach? Binds, anonymous volumes, and mounts in the long form."""

from __future__ import annotations

import os

from sampan.cli.command import Failure
from sampan.cli.values import as_map, read_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TYPES = ("bind", "volume", "tmpfs", "image", "npipe", "cluster")


def split_volumes(volumes: list[str]) -> tuple[list[str], list[str]]:
    """-v values as (binds `source:target[:mode]`, anonymous volumes `target`); relative sources become absolute."""
    binds: list[str] = []
    anonymous: list[str] = []
    for text in volumes:
        source, colon, rest = text.partition(":")
        if "" in text.split(":"):
            raise Failure(f"invalid spec: {text}: empty section between colons: write it as /host/path:/path", 125)
        if not colon:
            anonymous.append(text)
        else:
            binds.append(f"{absolute(source)}:{rest}")
    return binds, anonymous


def absolute(source: str) -> str:
    """A source that starts with a dot is a path from here; a word without slash is the name of a volume."""
    return os.path.abspath(source) if source.startswith(".") else source


def read_mount(text: str) -> dict[str, Any]:
    """`type=bind,src=/a,dst=/b,readonly` as a mount of the API. Raises ValueError."""
    import csv

    mount: dict[str, Any] = {"Type": "volume"}
    extra: dict[str, Any] = {}
    fields = next(csv.reader([text]), [])
    for field in fields:
        key, equals, value = field.partition("=")
        key = key.lower()
        if key in ("readonly", "ro", "volume-nocopy", "bind-nonrecursive") and not equals:
            value = "true"
        elif not equals:
            raise ValueError(f"invalid field '{field}' must be a key=value pair")
        if not set_field(mount, key, value, field) and not set_extra(extra, key, value, field):
            raise ValueError(f"unexpected key '{key}' in '{field}'")
    if not mount.get("Target"):
        raise ValueError("target is required: add target=/path/in/the/container")
    return with_options(mount, extra)


def set_field(mount: dict[str, Any], key: str, value: str, field: str) -> bool:
    """Set a field that all types of mount have; False if `key` is not one."""
    if key == "type":
        mount["Type"] = value.lower()
        if mount["Type"] not in TYPES:
            raise ValueError(f"invalid mount type '{value}': use bind, volume, tmpfs or image")
    elif key in ("source", "src"):
        mount["Source"] = absolute(value)
    elif key in ("target", "dst", "destination"):
        mount["Target"] = value
    elif key in ("readonly", "ro"):
        if switch(value, field):
            mount["ReadOnly"] = True
    elif key == "consistency":
        mount["Consistency"] = value.lower()
    else:
        return False
    return True


def set_extra(extra: dict[str, Any], key: str, value: str, field: str) -> bool:
    """Remember an option of one type of mount, under API names; False if `key` is not one."""
    if key in ("volume-opt", "volume-label"):
        extra.setdefault(key, []).append(value)
    elif key in ("volume-nocopy", "bind-nonrecursive"):
        extra[key] = switch(value, field)
    elif key == "tmpfs-size":
        extra[key] = read_bytes(value)
    elif key == "tmpfs-mode":
        extra[key] = int(value, 8)
    elif key in ("bind-propagation", "bind-recursive", "volume-driver", "volume-subpath", "image-subpath"):
        extra[key] = value
    else:
        return False
    return True


def switch(value: str, field: str) -> bool:
    """true or false in a field."""
    if value.lower() not in ("true", "false", "1", "0"):
        raise ValueError(f"invalid value in '{field}': use true or false")
    return value.lower() in ("true", "1")


def with_options(mount: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    """The mount with the options of its type; an option of another type is refused."""
    kind = mount["Type"]
    for key in extra:
        if not key.startswith(f"{kind}-"):
            raise ValueError(f"cannot mix '{key.partition('-')[0]}-*' options with mount type '{kind}'")
    if kind == "bind" and extra:
        mount["BindOptions"] = bind_options(mount, extra)
    elif kind == "volume" and extra:
        mount["VolumeOptions"] = volume_options(extra)
    elif kind == "tmpfs" and extra:
        names = {"tmpfs-size": "SizeBytes", "tmpfs-mode": "Mode"}
        mount["TmpfsOptions"] = {name: extra[key] for key, name in names.items() if key in extra}
    elif kind == "image" and extra:
        mount["ImageOptions"] = {"Subpath": extra["image-subpath"]}
    return mount


def bind_options(mount: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    """Propagation and recursion of a bind mount."""
    options: dict[str, Any] = {}
    if "bind-propagation" in extra:
        options["Propagation"] = extra["bind-propagation"].lower()
    recursion = extra.get("bind-recursive", "enabled")
    if extra.get("bind-nonrecursive") or recursion == "disabled":
        options["NonRecursive"] = True
    elif recursion == "writable":
        options["ReadOnlyNonRecursive"] = True
    elif recursion == "readonly":
        options["ReadOnlyForceRecursive"] = True
        if not mount.get("ReadOnly") or options.get("Propagation") != "rprivate":
            raise ValueError("option 'bind-recursive=readonly' requires 'readonly' and 'bind-propagation=rprivate'")
    elif recursion != "enabled":
        raise ValueError(f"invalid value for bind-recursive: {recursion}: use enabled, disabled, writable or readonly")
    return options


def volume_options(extra: dict[str, Any]) -> dict[str, Any]:
    """Driver, labels and seeding of a volume."""
    options: dict[str, Any] = {}
    if extra.get("volume-nocopy"):
        options["NoCopy"] = True
    if "volume-label" in extra:
        options["Labels"] = as_map(extra["volume-label"])
    if "volume-subpath" in extra:
        options["Subpath"] = extra["volume-subpath"]
    driver: dict[str, Any] = {}
    if "volume-driver" in extra:
        driver["Name"] = extra["volume-driver"]
    if "volume-opt" in extra:
        driver["Options"] = as_map(extra["volume-opt"])
    options["DriverConfig"] = driver
    return options
