"""What do the parameters of `POST /build` say? Engine API 1.51; names, JSON inside of text and looseness as
dockerd's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from sampan.errors import InvalidRequest
from sampan.wire import json
from sampan.wire.bodies import convert
from sampan.wire.containers import HostConfig, Ulimit

ARGUMENT_MAX = 1 << 20
LIMITS = {
    "memory": "memory", "memswap": "memory_swap", "cpushares": "cpu_shares", "cpuperiod": "cpu_period",
    "cpuquota": "cpu_quota", "shmsize": "shm_size",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The query, one value each; lists where a key may come again."""

    text: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def map_of(self, name: str) -> dict[str, str | None]:
        """A JSON object of strings (or null). Raises InvalidRequest."""
        raw = self.text.get(name, "")
        if not raw:
            return {}
        value = json.parse(raw, limit=ARGUMENT_MAX)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise InvalidRequest(f"{name} must be a JSON object of strings")
        if not all(isinstance(each, str | None) for each in value.values()):
            raise InvalidRequest(f"{name} must be a JSON object of strings")
        return value

    def texts_of(self, name: str) -> list[str]:
        """A JSON list of strings. Raises InvalidRequest."""
        raw = self.text.get(name, "")
        value = json.parse(raw, limit=ARGUMENT_MAX) if raw else None
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise InvalidRequest(f"{name} must be a JSON list of strings")
        return value

    def number(self, name: str) -> int:
        """A whole number, 0 when it is not given; what is no number counts as 0, as dockerd has it."""
        raw = self.text.get(name, "").strip()
        digits = raw.removeprefix("-")
        return int(raw) if digits.isascii() and digits.isdecimal() and len(digits) < 19 else 0

    def limits(self) -> HostConfig:
        """What RUN's containers get. Raises InvalidRequest."""
        raw = self.text.get("ulimits", "")
        ulimits = convert(json.parse(raw, limit=ARGUMENT_MAX), list[Ulimit] | None) if raw else None  # type: ignore[arg-type]
        return HostConfig(
            **{name: self.number(key) for key, name in LIMITS.items()},  # type: ignore[arg-type]
            cpuset_cpus=self.text.get("cpusetcpus", ""),
            cpuset_mems=self.text.get("cpusetmems", ""),
            cgroup_parent=self.text.get("cgroupparent", ""),
            network_mode=self.text.get("networkmode", ""),
            extra_hosts=_hosts(self.lists.get("extrahosts", ())) or None,
            security_opt=self.texts_of("securityopt") or None,
            ulimits=ulimits,
        )


class BuildInputs(Struct, rename="pascal", frozen=True, kw_only=True):
    """The body of `POST /build/inputs`: secrets, base64 by id, and the ids of SSH agents."""

    secrets: dict[str, str] | None = None
    agents: list[str] | None = None


class Said(Struct, rename="pascal", frozen=True, kw_only=True):
    """One statement about an image: an in-toto predicate and its type."""

    predicate_type: str
    predicate: dict[str, Any]


class BundleImage(Struct, rename="pascal", frozen=True, kw_only=True):
    """One image of a bundle, by ID."""

    id: str
    statements: list[Said] | None = None


class BundleBody(Struct, rename="pascal", frozen=True, kw_only=True):
    """The body of `POST /build/archive` and `POST /build/push`: the images that one index names."""

    name: str = ""
    images: list[BundleImage] = []


def _hosts(given: Sequence[str]) -> list[str]:
    """docker-py joins them with commas; the CLI gives each a value of its own."""
    return [host for text in given for host in text.split(",") if host]
