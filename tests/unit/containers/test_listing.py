"""Does the list show what was asked for, as Docker shows it?"""

from typing import Any

import pytest
from tests.unit.containers.conftest import World, request, run

from sampan.containers.filters import prepare
from sampan.containers.lifecycle import Status
from sampan.containers.listing import command
from sampan.containers.model import State
from sampan.containers.status_text import duration, text
from sampan.errors import InvalidRequest
from sampan.wire.filters import Filters

SECOND = 1_000_000_000
HOUR, DAY = 3600, 86400


async def four(world: World) -> Any:
    """alpha (runs), beta (exited 3, label), gamma (created, a mount), delta (host network, the web image)."""
    containers = world.daemon()
    await containers.create("alpha", request())
    await containers.create("beta", request(Labels={"a": "1", "b": "2"}))
    await containers.create("gamma", request({"Binds": ["/tmp:/data:ro"]}, ExposedPorts={"80/tcp": {}}))
    await containers.create("delta", request({"NetworkMode": "host"}, Image="web", Cmd=None))
    await containers.start("alpha")
    await containers.start("beta")
    waiter = await containers.wait("beta")
    world.runtime.shims[containers.inspect("beta")["Id"]].end(3)
    await waiter
    return containers


CASES: list[tuple[dict[str, tuple[str, ...]], str]] = [
    ({}, "alpha"),
    ({"status": ("exited", "created")}, "delta gamma beta"),
    ({"exited": ("3",)}, ""),
    ({"exited": ("3",), "status": ("exited",)}, "beta"),
    ({"name": ("^/a",)}, "alpha"),
    ({"name": ("^alpha$", "zzz")}, "alpha"),
    ({"name": ("(",)}, ""),
    ({"label": ("a",), "status": ("exited", "running")}, "beta"),
    ({"label": ("a=1", "b=3"), "status": ("exited",)}, ""),
    ({"before": ("gamma",)}, "beta alpha"),
    ({"since": ("beta",)}, "delta gamma"),
    ({"ancestor": ("busybox",)}, "alpha"),
    ({"ancestor": ("nothing",)}, ""),
    ({"network": ("host",), "status": ("created",)}, "delta"),
    ({"volume": ("/tmp",), "status": ("created",)}, "gamma"),
    ({"volume": ("/data",), "status": ("created",)}, "gamma"),
    ({"expose": ("80",), "status": ("created",)}, "gamma"),
    ({"publish": ("80",)}, ""),
    ({"health": ("none",)}, "alpha"),
    ({"health": ("healthy",)}, ""),
    ({"is-task": ("true",)}, ""),
    ({"isolation": ("default",)}, "alpha"),
]


@pytest.mark.parametrize(("terms", "names"), CASES, ids=[str(terms) for terms, _ in CASES])
def test_filters(world: World, terms: dict[str, tuple[str, ...]], names: str) -> None:
    async def story() -> None:
        containers = await four(world)
        found = containers.list(filters=Filters(terms))
        assert [each["Names"][0] for each in found] == [f"/{name}" for name in names.split()]

    run(story)


@pytest.mark.parametrize(
    "terms",
    [
        {"foo": ("a",)},
        {"status": ("foo",)},
        {"exited": ("x",)},
        {"before": ("nope",)},
        {"health": ("x",)},
        {"expose": ("x",)},
        {"name": ("(a+)+$",)},
        {"name": ("x" * 1000,)},
    ],
)
def test_a_filter_that_means_nothing_is_refused(world: World, terms: dict[str, tuple[str, ...]]) -> None:
    async def story() -> None:
        with pytest.raises(InvalidRequest):
            prepare(world.daemon().engine, Filters(terms))

    run(story)


def test_all_and_limit(world: World) -> None:
    async def story() -> None:
        containers = await four(world)
        assert len(containers.list(all=True)) == 4
        assert [each["Names"] for each in containers.list(limit=2)] == [["/delta"], ["/gamma"]]

    run(story)


def test_a_summary_is_dockers(world: World) -> None:
    async def story() -> None:
        containers = await four(world)
        (summary,) = containers.list(filters=Filters({"name": ("gamma",), "status": ("created",)}), size=True)
        mount = {"Type": "bind", "Source": "/tmp", "Destination": "/data"}
        mount |= {"Mode": "ro", "RW": False, "Propagation": "rprivate"}
        assert summary["Mounts"] == [mount]
        assert summary["Command"] == "sleep 100"
        assert (summary["Image"], summary["State"], summary["Status"]) == ("busybox", "created", "Created")
        assert (summary["SizeRootFs"], "SizeRw" in summary) == (1000, False)
        assert summary["HostConfig"] == {"NetworkMode": "none"}
        assert list(summary["NetworkSettings"]["Networks"]) == ["none"]

    run(story)


def test_an_image_that_lost_its_name_is_shown_by_its_id(world: World) -> None:
    async def story() -> None:
        containers = await four(world)
        world.images.images["busybox"], world.images.images["old"] = (
            world.images.images["web"],
            world.images.images["busybox"],
        )
        (summary,) = containers.list()
        assert summary["Image"] == summary["ImageID"]

    run(story)


def test_arguments_with_blanks_are_quoted() -> None:
    assert command(["sh", "-c", "echo hi", "x"]) == "sh -c 'echo hi' x"
    assert command(["sh"]) == "sh"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (120, "2 minutes"),
        (59 * 60 + 59, "59 minutes"),
        (HOUR, "About an hour"),
        (HOUR + 1799, "About an hour"),
        (HOUR + 1800, "2 hours"),
        (47 * HOUR, "47 hours"),
        (2 * DAY, "2 days"),
        (13 * DAY, "13 days"),
        (14 * DAY, "2 weeks"),
        (59 * DAY, "8 weeks"),
        (60 * DAY, "2 months"),
        (729 * DAY, "24 months"),
        (730 * DAY, "2 years"),
    ],
)
def test_durations_are_rounded_as_docker_rounds(seconds: int, words: str) -> None:
    assert duration(seconds * SECOND) == words


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State(), "Created"),
        (State(exit_code=127), "Created"),
        (State(status=Status.RUNNING, started_ns=SECOND), "Up 9 seconds"),
        (State(status=Status.PAUSED, started_ns=SECOND), "Up 9 seconds (Paused)"),
        (State(status=Status.EXITED, started_ns=1, finished_ns=8 * SECOND, exit_code=3), "Exited (3) 2 seconds ago"),
        (State(status=Status.RESTARTING, finished_ns=8 * SECOND, exit_code=1), "Restarting (1) 2 seconds ago"),
        (State(status=Status.REMOVING), "Removal In Progress"),
        (State(status=Status.DEAD), "Dead"),
    ],
)
def test_status_texts(state: State, words: str) -> None:
    assert text(state, 10 * SECOND) == words
