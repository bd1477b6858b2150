"""Do new limits reach the running container and the row, or nothing at all?"""

from typing import Any

import pytest
from tests.unit.containers.conftest import World, request, run

from sampan.errors import Conflict, InvalidRequest, NotSupported, SampanError
from sampan.wire.containers import DeviceMapping, HostConfig


async def one(world: World, **host: Any) -> Any:
    containers = world.daemon()
    await containers.create("one", request(host))
    return containers


def test_a_running_container_gets_them_at_once_and_keeps_them(world: World) -> None:
    async def story() -> None:
        containers = await one(world, Memory=10**8, CpuShares=512)
        await containers.start("one")
        assert await containers.update("one", HostConfig(memory=15 * 10**7, pids_limit=5)) == []
        (sent,) = world.runtime.shims[containers.inspect("one")["Id"]].updates
        assert sent == {
            "memory": {"limit": 15 * 10**7, "swap": 2 * 10**8},
            "cpu": {"shares": 512},
            "pids": {"limit": 5},
        }
        again = world.daemon()
        assert again.inspect("one")["HostConfig"]["Memory"] == 15 * 10**7
        assert world.actions()[-1] == "update"

    run(story)


@pytest.mark.parametrize(
    ("host", "asked", "kind", "sentence"),
    [
        (
            {"Memory": 10**8},
            HostConfig(memory=3 * 10**8),
            Conflict,
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
        ),
        ({}, HostConfig(memory=1), InvalidRequest, "Minimum memory limit allowed is 6MB"),
        (
            {"NanoCpus": 10**9},
            HostConfig(cpu_quota=5000),
            Conflict,
            "CPU Quota cannot be updated as NanoCPUs has already",
        ),
        ({"CpuPeriod": 5000}, HostConfig(nano_cpus=10**9), Conflict, "Nano CPUs cannot be updated as CPU Period has"),
        ({}, HostConfig(devices=[DeviceMapping(path_on_host="/dev/x")]), NotSupported, "devices cannot be changed"),
    ],
)
def test_a_refused_update_changes_nothing(
    world: World, host: dict[str, Any], asked: HostConfig, kind: type[SampanError], sentence: str
) -> None:
    async def story() -> None:
        containers = await one(world, **host)
        await containers.start("one")
        before = containers.inspect("one")
        with pytest.raises(kind, match=sentence):
            await containers.update("one", asked)
        assert containers.inspect("one") == before
        assert world.runtime.shims[before["Id"]].updates == []

    run(story)


def test_what_is_not_named_stays(world: World) -> None:
    async def story() -> None:
        containers = await one(world, PidsLimit=9, CpusetCpus="0", Memory=10**8)
        await containers.update("one", HostConfig(cpu_shares=5))
        found = containers.inspect("one")["HostConfig"]
        assert (found["PidsLimit"], found["CpusetCpus"], found["Memory"], found["CpuShares"]) == (9, "0", 10**8, 5)

    run(story)
