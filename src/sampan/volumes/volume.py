"""What is a volume, at rest, and which names are good for one?"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sampan.errors import InvalidRequest
from sampan.wire.timestamps import rfc3339_nano

LOCAL = "local"
ANONYMOUS_LABEL = "com.docker.volume.anonymous"
NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*", re.ASCII)
NAME_BYTES = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """One volume. `labels` and `options` are None when nobody gave any, as they are shown.

    `created_ns`: Unix nanoseconds. `moved_from`: the name that its directory may still have, while it is renamed.
    """

    name: str
    created_ns: int
    labels: Mapping[str, str] | None = None
    options: Mapping[str, str] | None = None
    moved_from: str = ""

    @property
    def is_anonymous(self) -> bool:
        """Whether the engine made it because nobody named one."""
        return ANONYMOUS_LABEL in (self.labels or {})


def check_name(name: str) -> str:
    """The name, if a volume may have it. Raises InvalidRequest with dockerd's sentences."""
    if len(name) == 1:
        raise InvalidRequest(
            f"create {name}: volume name is too short, names should be at least two alphanumeric characters"
        )
    if not NAME.fullmatch(name):
        raise InvalidRequest(
            f'create {name}: "{name}" includes invalid characters for a local volume name, '
            'only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. '
            "If you intended to pass a host directory, use absolute path"
        )
    if len(name) > NAME_BYTES:
        raise InvalidRequest(f"create {name[:64]}…: a volume's name has {NAME_BYTES} bytes at most")
    return name


def invent_name() -> str:
    """The name of an anonymous volume: 64 hexadecimal digits, as dockerd's."""
    return secrets.token_hex(32)


def describe(volume: Volume, mountpoint: str) -> dict[str, Any]:
    """Docker's `Volume` (Engine API 1.51)."""
    return {
        "CreatedAt": rfc3339_nano(volume.created_ns - volume.created_ns % 1_000_000_000),
        "Driver": LOCAL,
        "Labels": None if volume.labels is None else dict(volume.labels),
        "Mountpoint": mountpoint,
        "Name": volume.name,
        "Options": None if volume.options is None else dict(volume.options),
        "Scope": LOCAL,
    }
