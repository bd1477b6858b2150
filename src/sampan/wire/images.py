"""What does a client send about images, and what does progress look like on the way back?

Engine API 1.51 (`POST /images/create`, `POST /images/load`, …) and the engine's own `POST /images/from-host`. Long work
answers with one JSON object a line; an error in the middle of it is an object too, as the status has long been sent.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from sampan.wire.bodies import encode


class FromHost(Struct, frozen=True, kw_only=True):
    """The body of `POST /images/from-host`: the image's name and its programs (none: a shell and coreutils)."""

    reference: str = ""
    programs: list[str] | None = None


class AuthConfig(Struct, frozen=True, kw_only=True):
    """The body of `POST /auth`."""

    username: str = ""
    password: str = ""
    serveraddress: str = ""
    identitytoken: str = ""
    registrytoken: str = ""
    email: str = ""
    auth: str = ""


class ManifestEntry(Struct, frozen=True, kw_only=True):
    """One image of an index to be pushed: where it is, its digest, and what the index shall say about it."""

    reference: str
    digest: str
    os: str = ""
    architecture: str = ""
    variant: str = ""
    os_version: str = ""
    os_features: list[str] | None = None


class ManifestPush(Struct, frozen=True, kw_only=True):
    """The body of `POST /distribution/{name}/manifest`."""

    manifests: list[ManifestEntry] = []


def progress_line(message: Mapping[str, Any]) -> bytes:
    """One progress message (`status`, `id`, `progressDetail`, `stream`, `aux`) as it goes over the wire."""
    return encode(message) + b"\r\n"


def error_line(sentence: str) -> bytes:
    """The message that ends a progress stream in failure: both of the fields that clients look for."""
    return progress_line({"errorDetail": {"message": sentence}, "error": sentence})
