"""Which settings win: the request's, the image's or the daemon's?"""

import os

import pytest
from tests.unit.containers.conftest import World, request, run

from sampan.containers.defaults import with_command, with_image
from sampan.errors import InvalidRequest
from sampan.oci.config import RunConfig
from sampan.wire.containers import ContainerConfig

IMAGE = RunConfig(
    user="www",
    env=("PATH=/bin", "A=image"),
    entrypoint=("/entry",),
    cmd=("-v",),
    working_dir="/srv/../app/",
    labels={"a": "image", "b": "image"},
    stop_signal="SIGINT",
    exposed_ports=("80/tcp",),
)


@pytest.mark.parametrize(
    ("entrypoint", "cmd", "expected"),
    [
        (None, None, ["/entry", "-v"]),
        (None, ["x"], ["/entry", "x"]),
        (["/own"], None, ["/own"]),
        (["/own"], ["x"], ["/own", "x"]),
        ([""], ["x"], ["x"]),
        ([], ["x"], ["x"]),
    ],
)
def test_entrypoint_and_command(entrypoint: list[str] | None, cmd: list[str] | None, expected: list[str]) -> None:
    merged = with_image(ContainerConfig(entrypoint=entrypoint, cmd=cmd), IMAGE)
    assert [*(merged.entrypoint or []), *(merged.cmd or [])] == expected


def test_nothing_to_run_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"^No command specified$"):
        with_image(ContainerConfig(), RunConfig())
    with pytest.raises(InvalidRequest, match=r"^No command specified$"):
        with_command(ContainerConfig(entrypoint=[""]))


def test_the_rest_is_the_requests_before_the_images() -> None:
    merged = with_image(ContainerConfig(env=["A=own"], labels={"a": "own"}, user="root"), IMAGE)
    assert merged.env == ["A=own", "PATH=/bin"]
    assert merged.labels == {"a": "own", "b": "image"}
    assert (merged.user, merged.working_dir, merged.stop_signal) == ("root", "/app", "SIGINT")
    assert merged.exposed_ports == {"80/tcp": {}}


def test_the_daemons(world: World) -> None:
    async def story() -> None:
        containers = world.daemon(default_shm_size=5, log_opts={"max-size": "1m"}, default_ipc_mode="shareable")
        container_id, _ = await containers.create("one", request({"Memory": 10**8}))
        found = containers.inspect("one")
        host = found["HostConfig"]
        assert (host["ShmSize"], host["IpcMode"], host["CgroupnsMode"]) == (5, "shareable", "host")
        assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "1m"}}
        assert (host["Runtime"], host["MemorySwap"], host["OomKillDisable"]) == ("sampan", 2 * 10**8, False)
        assert len(host["MaskedPaths"]) == 12
        assert found["Config"]["Hostname"] == container_id[:12]
        await containers.create("two", request({"NetworkMode": "host", "Privileged": True}))
        two = containers.inspect("two")
        assert two["Config"]["Hostname"] == "machine"
        assert (two["HostConfig"]["MaskedPaths"], two["HostConfig"]["ReadonlyPaths"]) == (None, None)

    run(story)


def test_an_images_health_check_is_taken_over_and_its_volumes_are_made(world: World) -> None:
    from tests.unit.containers import fakes

    async def story() -> None:
        world.images.images["db"] = fakes.image(Cmd=["db"], Volumes={"/data": {}}, Healthcheck={"Test": ["CMD", "x"]})
        containers = world.daemon()
        _, warnings = await containers.create("one", request(Image="db", Cmd=None))
        assert not warnings
        assert containers.inspect("one")["Config"]["Healthcheck"] == {"Test": ["CMD", "x"]}
        (point,) = containers.inspect("one")["Mounts"]
        assert (point["Type"], point["Destination"], point["RW"], point["Driver"]) == ("volume", "/data", True, "local")
        assert os.path.isdir(point["Source"])
        assert containers.engine.volumes.holders(point["Name"]) == [containers.inspect("one")["Id"]]

    run(story)
