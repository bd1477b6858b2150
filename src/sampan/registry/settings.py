"""What does the configuration say about registries?

dockerd's flags and keys, and one of our own: a table by registry, for mirrors of any registry, and for token servers
that may be sent its credentials although they are elsewhere.

    "registries": {"registry.example.com": {"mirrors": ["https://mirror.lan"], "insecure": true,
                                            "token-realms": ["https://login.example.net"]}}
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sampan.errors import InvalidRequest

CERTS = (Path("/etc/sampan/certs.d"), Path("/etc/docker/certs.d"))
_KEYS = {"mirrors", "insecure", "token-realms"}


@dataclass(frozen=True, slots=True)
class HostSettings:
    """What is said about one registry."""

    mirrors: tuple[str, ...] = ()
    insecure: bool = False
    token_realms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a registry may take, in seconds; `least_bytes` is what a body must bring within each `window`."""

    connect: float = 30
    idle: float = 60
    document: float = 120
    window: float = 60
    least_bytes: int = 4096
    retry_base: float = 1
    retry_most: float = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that is said about registries; `mirrors` are Docker Hub's, `insecure` holds names and CIDR blocks."""

    mirrors: tuple[str, ...] = ()
    insecure: tuple[str, ...] = ()
    hosts: Mapping[str, HostSettings] = field(default_factory=dict)
    certs: tuple[Path, ...] = CERTS
    http_proxy: str = ""
    https_proxy: str = ""
    no_proxy: str = ""
    attempts: int = 5
    downloads: int = 3
    uploads: int = 5
    patience: Patience = Patience()

    def host(self, name: str) -> HostSettings:
        """What is said about the registry `name` ("host" or "host:port")."""
        return self.hosts.get(name, HostSettings())


def parse_hosts(table: Mapping[str, Any]) -> dict[str, HostSettings]:
    """The `registries` table of the configuration file. Raises InvalidRequest, naming what is wrong."""
    return {name: _parse_host(name, value) for name, value in table.items()}


def _parse_host(name: str, value: Any) -> HostSettings:
    where = f"registries: {name}"
    if not isinstance(value, dict) or value.keys() - _KEYS:
        raise InvalidRequest(f"{where}: an object with {', '.join(sorted(_KEYS))} is expected")
    insecure = value.get("insecure", False)
    if not isinstance(insecure, bool):
        raise InvalidRequest(f"{where}: insecure is true or false")
    mirrors, realms = (_urls(where, key, value.get(key, [])) for key in ("mirrors", "token-realms"))
    return HostSettings(mirrors, insecure, realms)


def _urls(where: str, key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise InvalidRequest(f"{where}: {key} is a list of URLs")
    return tuple(check_mirror(each) for each in value)


def check_mirror(url: str) -> str:
    """The URL of a mirror, without a slash at its end. Raises InvalidRequest with dockerd's sentences."""
    scheme, separator, rest = url.partition("://")
    if scheme not in ("http", "https") or not separator:
        raise InvalidRequest(f'invalid mirror: unsupported scheme "{scheme if separator else ""}" in "{url}"')
    if not rest.partition("/")[0] or "?" in rest or "#" in rest:
        raise InvalidRequest(f'invalid mirror: path, query, or fragment at end of the URI "{url}"')
    if "@" in rest.partition("/")[0]:
        raise InvalidRequest("invalid mirror: username/password not allowed in URI")
    return url.rstrip("/")
