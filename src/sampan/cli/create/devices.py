"""Which devices does the container get, how fast may it use them, and which GPUs?"""

from __future__ import annotations

import re

from sampan.cli.command import Failure
from sampan.cli.values import read_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RULE = re.compile(r"[acb] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}")


def device_mapping(text: str) -> dict[str, str]:
    """`/dev/fuse[:/dev/x][:rwm]`, or a CDI name `vendor/class=name`, passed on as it is. Raises Failure."""
    host, *rest = text.split(":")
    rights = rest.pop() if rest and rest[-1] and set(rest[-1]) <= set("rwm") else "rwm"
    container = rest[0] if rest else host
    if len(rest) > 1 or not host:
        raise Failure(f"invalid device specification: {text}: write it as /dev/fuse or /dev/fuse:/dev/x:rw", 125)
    if not host.startswith("/") or not container.startswith("/"):
        raise Failure(f"{container if host.startswith('/') else host} is not an absolute path", 125)
    return {"PathOnHost": host, "PathInContainer": container, "CgroupPermissions": rights}


def read_rule(text: str) -> str:
    """`c 1:3 mr`."""
    if not RULE.fullmatch(text):
        raise ValueError(f"invalid device cgroup format '{text}': write it as 'c 1:3 rwm'")
    return text


def split_rate(text: str) -> tuple[str, str]:
    """`/dev/sda:1mb` as (path, rate)."""
    path, colon, rate = text.partition(":")
    if not colon or not rate:
        raise ValueError(f"bad format: {text}")
    if not path.startswith("/dev/"):
        raise ValueError(f"bad format for device path: {text}")
    return path, rate


def read_byte_rate(text: str) -> dict[str, Any]:
    """Bytes per second."""
    path, rate = split_rate(text)
    try:
        return {"Path": path, "Rate": read_bytes(rate)}
    except ValueError:
        raise ValueError(
            f"invalid rate for device: {text}. The correct format is <device-path>:<number>[<unit>], unit kb, mb or gb"
        ) from None


def read_operation_rate(text: str) -> dict[str, Any]:
    """Operations per second."""
    path, rate = split_rate(text)
    if not rate.isdigit():
        raise ValueError(f"invalid rate for device: {text}. The correct format is <device-path>:<number>")
    return {"Path": path, "Rate": int(rate)}


def is_cdi_name(text: str) -> bool:
    """Whether it is `vendor.com/class=name` rather than the path of a device."""
    vendor, slash, rest = text.partition("/")
    kind, equals, name = rest.partition("=")
    return bool(vendor and slash and kind and equals and name) and ":" not in vendor and "/" not in rest


def read_weight(text: str) -> dict[str, Any]:
    """`/dev/sda:500`."""
    path, weight = split_rate(text)
    if not weight.isdigit() or (int(weight) and not 10 <= int(weight) <= 1000):
        raise ValueError(f"invalid weight for device: {text}: use 10 to 1000, or 0")
    return {"Path": path, "Weight": int(weight)}


def read_gpus(text: str) -> list[dict[str, Any]]:
    """`all`, a count, or `device=0,capabilities=utility`; GPUs are asked for as device requests."""
    import csv

    request: dict[str, Any] = {"Driver": "", "Count": 0, "DeviceIDs": None, "Capabilities": [["gpu"]], "Options": {}}
    count_given = False
    for field in next(csv.reader([text]), []):
        key, equals, value = field.partition("=")
        if not equals:
            key, value = "count", field
        if key == "count":
            request["Count"] = -1 if value == "all" else int(value)
            count_given = True
        elif key == "device":
            request["DeviceIDs"] = value.split(",")
        elif key == "driver":
            request["Driver"] = value
        elif key == "capabilities":
            request["Capabilities"] = [[*value.split(","), "gpu"]]
        elif key == "options":
            request["Options"] = {
                name: setting for name, _, setting in (part.partition("=") for part in value.split(","))
            }
        else:
            raise ValueError(f"unexpected key '{key}' in '{field}'")
    if not count_given and request["DeviceIDs"] is None:
        request["Count"] = 1
    return [request]
