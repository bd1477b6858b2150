"""How does a client hear what happens? Engine API 1.51, `GET /events`: a JSON object an event, until it leaves."""

import time
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sampan.api import reply
from sampan.api.call import Call
from sampan.errors import InvalidRequest
from sampan.events import Event
from sampan.wire import timestamps
from sampan.wire.bodies import encode
from sampan.wire.filters import Filters

if TYPE_CHECKING:
    from sampan.api.app import Engine

FILTERS = frozenset(
    (
        "container", "daemon", "event", "image", "label", "network", "node", "plugin", "scope", "secret", "service",
        "type", "volume", "config",
    )
)  # fmt: skip
# Events that name an object of one of these kinds are filtered by `kind=name or id`.
_KINDS = ("container", "image", "network", "volume", "plugin", "daemon", "service", "node", "secret", "config")


async def stream(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /events`."""
    since, until, filters = _moment(call, "since"), _moment(call, "until"), call.filters()
    filters.check(FILTERS)
    if since is not None and until is not None and since > until:
        sentence = f"`since` time ({call.text('since')}) cannot be after `until` time ({call.text('until')})"
        raise InvalidRequest(sentence)
    response = reply.stream()
    await response.prepare(call.request)
    # dockerd: `until` in the past with no `since` tells nothing.
    past = since is None and until is not None and until <= time.time_ns()
    async for event in engine.events.subscribe(until if past else since, until, lambda event: wanted(event, filters)):
        await response.write(encode(message(event)) + b"\n")
    await response.write_eof()
    return response


def message(event: Event) -> dict[str, Any]:
    """An event as clients read it; the first three fields are for old clients, and sent below 1.52."""
    legacy = {}
    if event.type in ("container", "image"):
        legacy = {"status": event.action, "id": event.id}
        if event.type == "container":
            legacy["from"] = event.attributes.get("image", "")
    return legacy | {
        "Type": event.type,
        "Action": event.action,
        "Actor": {"ID": event.id, "Attributes": dict(event.attributes)},
        "scope": "local",
        "time": event.time_ns // timestamps.SECOND,
        "timeNano": event.time_ns,
    }


def wanted(event: Event, filters: Filters) -> bool:
    """Whether an event passes the filters: the values of a key are alternatives, all keys must hold."""
    if not filters:
        return True
    if "type" in filters and event.type not in filters.get("type"):
        return False
    # "exec_start: sh -c x" passes event=exec_start.
    if "event" in filters and not any(
        event.action == value or event.action.startswith(f"{value}:") for value in filters.get("event")
    ):
        return False
    if "scope" in filters and "local" not in filters.get("scope"):
        return False
    if not filters.labels_match(event.attributes):
        return False
    return all(_names(event, kind, filters.get(kind)) for kind in _KINDS if kind in filters)


def _names(event: Event, kind: str, values: tuple[str, ...]) -> bool:
    name = event.attributes.get("name", "")
    if kind == "image" and event.type == "container":
        image = event.attributes.get("image", "")
        return any(value in (image, _without_tag(image)) for value in values)
    if event.type != kind:
        return False
    if kind == "image":
        return any(value in (event.id, name, _without_tag(name)) for value in values)
    return any(value == name or (value and event.id.startswith(value)) for value in values)


def _without_tag(name: str) -> str:
    """`a:5000/b` of `a:5000/b:1`; a colon before the last slash belongs to a port."""
    repository, colon, tag = name.rpartition(":")
    return repository if colon and "/" not in tag else name


def _moment(call: Call, key: str) -> int | None:
    # "0" is a moment here: everything that is remembered.
    return timestamps.parse(call.text(key)) if call.text(key) else None
