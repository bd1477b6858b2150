"""Does an exec run with what its container has, and no more?"""

from typing import Any

import pytest
from tests.unit.containers.conftest import World, request, run, settle

from sampan.containers.capabilities import DEFAULT
from sampan.containers.exec import MOST
from sampan.errors import Conflict, InvalidRequest, NotFound
from sampan.linux.capability import CAPABILITIES
from sampan.runtime.status import StartFailed
from sampan.wire.exec import ExecCreate


def asked(*cmd: str, **rest: Any) -> ExecCreate:
    return ExecCreate(cmd=list(cmd), **rest)


async def one(world: World, host: dict[str, Any] | None = None, **config: Any) -> Any:
    containers = world.daemon()
    await containers.create("one", request(host, **config))
    await containers.start("one")
    return containers


def test_create_start_inspect(world: World) -> None:
    async def story() -> None:
        containers = await one(world)
        exec_id = containers.exec_create("one", asked("sh", "-c", "exit 3", attach_stdout=True, user="www"))
        before = containers.exec_inspect(exec_id)
        assert (before["Running"], before["ExitCode"], before["Pid"]) == (False, None, 0)
        await containers.exec_start(exec_id)
        assert containers.exec_inspect(exec_id)["Running"] is True
        assert containers.inspect("one")["ExecIDs"] == [exec_id]
        shim = world.runtime.shims[containers.inspect("one")["Id"]]
        shim.execs[exec_id].end(3)
        await settle(containers)
        found = containers.exec_inspect(exec_id)
        assert (found["Running"], found["ExitCode"], found["OpenStdout"]) == (False, 3, True)
        assert found["ProcessConfig"] == {
            "tty": False, "entrypoint": "sh", "arguments": ["-c", "exit 3"], "privileged": False, "user": "www",
        }  # fmt: skip
        assert containers.inspect("one")["ExecIDs"] is None
        with pytest.raises(Conflict, match=f"^Error: Exec command {exec_id} has already run$"):
            await containers.exec_start(exec_id)
        assert world.actions()[2:] == ["exec_create: sh -c exit 3", "exec_start: sh -c exit 3", "exec_die"]

    run(story)


def test_sentences(world: World) -> None:
    async def story() -> None:
        containers = await one(world)
        with pytest.raises(InvalidRequest, match=r"^No exec command specified$"):
            containers.exec_create("one", ExecCreate())
        for act in (containers.exec_to_start, containers.exec_inspect):
            with pytest.raises(NotFound, match=r"^No such exec instance: nope$"):
                act("nope")
        exec_id = containers.exec_create("one", asked("true"))
        await containers.pause("one")
        with pytest.raises(Conflict, match=r"^Container one is paused, unpause the container before exec$"):
            containers.exec_create("one", asked("true"))
        await containers.unpause("one")
        await containers.exec_start(exec_id)
        with pytest.raises(Conflict, match=f"^Error: Exec command {exec_id} is already running$"):
            containers.exec_to_start(exec_id)
        await containers.stop("one")
        with pytest.raises(Conflict, match=r"^Container \w{64} is not running$"):
            containers.exec_create("one", asked("true"))

    run(story)


def test_a_program_that_is_not_there(world: World) -> None:
    async def story() -> None:
        containers = await one(world)
        exec_id = containers.exec_create("one", asked("nope"))
        with pytest.raises(StartFailed) as caught:
            await containers.exec_start(exec_id)
        assert str(caught.value) == (
            "OCI runtime exec failed: exec failed: unable to start container process: "
            'exec: "nope": executable file not found in $PATH: unknown'
        )
        assert containers.exec_inspect(exec_id)["ExitCode"] == 127

    run(story)


def test_execs_end_with_their_container(world: World) -> None:
    async def story() -> None:
        containers = await one(world)
        exec_id = containers.exec_create("one", asked("true"))
        await containers.stop("one")
        await containers.start("one")
        with pytest.raises(NotFound):
            containers.exec_to_start(exec_id)

    run(story)


def test_the_size_of_its_terminal_is_its_own(world: World) -> None:
    async def story() -> None:
        containers = await one(world)
        exec_id = containers.exec_create("one", asked("sh", tty=True))
        with pytest.raises(Conflict, match="is not running"):
            await containers.exec_resize(exec_id, 1, 2)
        await containers.exec_start(exec_id)
        await containers.exec_resize(exec_id, 24, 80)
        assert world.runtime.shims[containers.inspect("one")["Id"]].sizes == [(24, 80, exec_id)]

    run(story)


def process(containers: Any, request: ExecCreate) -> dict[str, Any]:
    from sampan.containers.exec import oci_process

    engine = containers.engine
    return oci_process(engine, engine.rows.find("one"), request)


def test_a47_an_exec_has_its_containers_capabilities_and_limits(world: World) -> None:
    async def story() -> None:
        host = {"CapDrop": ["MKNOD"], "SecurityOpt": ["no-new-privileges"], "OomScoreAdj": 7, "GroupAdd": ["audio"]}
        containers = await one(world, host, User="1000:1000", Env=["A=1"], WorkingDir="/w")
        made = process(containers, asked("sh", env=["B=2"]))
        assert made["capabilities"] == {"bounding": [name for name in DEFAULT if name != "CAP_MKNOD"]}
        assert (made["noNewPrivileges"], made["oomScoreAdj"], made["cwd"]) == (True, 7, "/w")
        assert made["user"] == {"uid": 1000, "gid": 1000, "additionalGids": [1000]}
        assert made["env"][-2:] == ["A=1", "B=2"]
        assert made["annotations"] == {"sampan.group-add": "audio"}
        as_root = process(containers, asked("sh", user="0"))
        assert as_root["user"] == {"username": "0"}
        assert as_root["capabilities"]["effective"] == as_root["capabilities"]["bounding"]
        assert set(as_root["capabilities"]) == {"bounding", "effective", "permitted"}
        assert process(containers, asked("sh", user="0", privileged=True))["capabilities"]["effective"] == list(
            CAPABILITIES
        )

    run(story)


def test_only_so_many_execs_are_remembered(world: World) -> None:
    async def story() -> None:
        containers = await one(world)
        for _ in range(MOST + 100):
            containers.exec_create("one", asked("true"))
        assert len(containers.engine.execs) <= MOST

    run(story)
