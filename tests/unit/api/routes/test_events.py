"""Events as clients read them, and only those that they asked for."""

import json
import time

import pytest

from sampan.api.routes.events import message, wanted
from sampan.events import Event
from sampan.wire.filters import Filters

from ..conftest import Served

STARTED = Event("container", "start", "abc123", {"image": "busybox:1", "name": "web", "tier": "front"}, 1_500_000_000)
EXEC = Event("container", "exec_start: sh -c x", "abc123", {"image": "busybox:1", "name": "web"}, 1)
TAGGED = Event("image", "tag", "sha256:aa", {"name": "busybox:1"}, 1)


def test_an_event_has_the_old_fields_too() -> None:
    assert message(STARTED) == {
        "status": "start",
        "id": "abc123",
        "from": "busybox:1",
        "Type": "container",
        "Action": "start",
        "Actor": {"ID": "abc123", "Attributes": {"image": "busybox:1", "name": "web", "tier": "front"}},
        "scope": "local",
        "time": 1,
        "timeNano": 1_500_000_000,
    }
    assert "from" not in message(TAGGED)
    assert "status" not in message(Event("network", "connect", "n", {}, 1))


@pytest.mark.parametrize(
    ("event", "terms", "passes"),
    [
        (STARTED, {}, True),
        (STARTED, {"type": ("container",)}, True),
        (STARTED, {"type": ("image", "network")}, False),
        (STARTED, {"event": ("stop", "start")}, True),
        (STARTED, {"event": ("star",)}, False),
        (EXEC, {"event": ("exec_start",)}, True),
        (STARTED, {"container": ("web",)}, True),
        (STARTED, {"container": ("abc",)}, True),
        (STARTED, {"container": ("other", "")}, False),
        (TAGGED, {"container": ("busybox:1",)}, False),
        (STARTED, {"image": ("busybox:1",)}, True),
        (STARTED, {"image": ("busybox",)}, True),
        (TAGGED, {"image": ("busybox",)}, True),
        (Event("image", "tag", "i", {"name": "a:5000/b"}, 1), {"image": ("a",)}, False),
        (Event("image", "tag", "i", {"name": "a:5000/b:1"}, 1), {"image": ("a:5000/b",)}, True),
        (TAGGED, {"image": ("sha256:aa",)}, True),
        (TAGGED, {"image": ("alpine",)}, False),
        (STARTED, {"label": ("tier=front",)}, True),
        (STARTED, {"label": ("tier=front", "other")}, False),
        (STARTED, {"scope": ("swarm",)}, False),
        (STARTED, {"type": ("container",), "container": ("nope",)}, False),
    ],
)
def test_filters(event: Event, terms: dict[str, tuple[str, ...]], passes: bool) -> None:
    assert wanted(event, Filters(terms)) is passes


def test_the_past_is_told_and_then_the_stream_ends(api: Served) -> None:
    before = time.time_ns()
    api.events.publish("container", "start", "a", {}, before)
    api.events.publish("container", "die", "a", {}, before + 1)
    seconds, rest = divmod(before, 10**9)
    _, _, body = api.request("GET", f"/events?since={seconds}.{rest:09d}&until={seconds + 1}")
    assert [json.loads(line)["Action"] for line in body.splitlines()] == ["start", "die"]


def test_what_happens_is_told_at_once(api: Served) -> None:
    with api.connect() as client:
        client.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 200")
        while not api.events._subscribers:  # the head goes out just before the subscription
            api.request("GET", "/_ping")
        api.events.publish("image", "tag", "i", {"name": "n"})
        assert b'"Action":"tag"' in client.recv(1 << 16)
