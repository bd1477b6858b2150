"""How does an answer look?

Every answer carries the headers that dockerd's clients read: `Api-Version`, `Docker-Experimental`, `Ostype`, `Server`.
"""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from sampan import __version__
from sampan.wire import versions
from sampan.wire.bodies import encode

JSON = "application/json"
RAW_STREAM = "application/vnd.docker.raw-stream"
MULTIPLEXED_STREAM = "application/vnd.docker.multiplexed-stream"
FIRST_MULTIPLEXED = versions.Version(1, 42)

SERVED_BY: dict[str, str] = {
    "Api-Version": str(versions.NEWEST),
    "Docker-Experimental": "false",
    "Ostype": "linux",
    "Server": f"sampan/{__version__} (linux)",
}
"""The headers of every answer."""


def json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """`value` as a JSON body."""
    return web.Response(body=encode(value) + b"\n", status=status, content_type=JSON, headers=_with(headers))


def empty(status: int = 204, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer that is all status and headers."""
    return web.Response(status=status, headers=_with(headers))


def data(content: bytes, content_type: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """A body of some media type, as it is."""
    return web.Response(body=content, content_type=content_type, headers=_with(headers))


def text(content: str, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A plain text body."""
    return web.Response(text=content, status=status, content_type="text/plain", charset="utf-8", headers=_with(headers))


def failure(status: int, sentence: str) -> web.Response:
    """Docker's error body."""
    return json({"message": sentence}, status=status)


def stream(content_type: str = JSON, headers: Mapping[str, str] | None = None) -> web.StreamResponse:
    """An answer of unknown length; `prepare` sends its head at once."""
    return web.StreamResponse(headers=_with(headers) | {"Content-Type": content_type})


def output_type(*, terminal: bool, version: versions.Version) -> str:
    """The media type of a container's output: raw from a terminal, and for clients that know no other."""
    return RAW_STREAM if terminal or version < FIRST_MULTIPLEXED else MULTIPLEXED_STREAM


def _with(headers: Mapping[str, str] | None) -> dict[str, str]:
    return SERVED_BY | dict(headers or {})
