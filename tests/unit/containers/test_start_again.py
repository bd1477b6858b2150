"""Is what ended started again as its policy says, whoever is killed meanwhile?"""

import asyncio
from typing import Any

import pytest
from tests.unit.containers.conftest import World, request, run, settle

from sampan.containers.store import Containers


async def until(containers: Containers, name: str, status: str) -> dict[str, Any]:
    """The state of a container once it has this status; a test that waits in vain runs into its limit."""
    while (found := containers.inspect(name))["State"]["Status"] != status:
        await asyncio.sleep(0.005)
    return found


async def started(containers: Containers, name: str, policy: str, count: int = 0, **host: Any) -> str:
    asked = {"RestartPolicy": {"Name": policy, "MaximumRetryCount": count}, **host}
    container_id, _ = await containers.create(name, request(asked))
    await containers.start(name)
    return container_id


def test_it_is_started_again_and_counted_until_the_policy_has_enough(world: World) -> None:
    async def story() -> None:
        containers = world.daemon()
        container_id = await started(containers, "one", "on-failure", 2)
        for expected in (1, 2):
            world.runtime.shims[container_id].end(3)
            assert (await until(containers, "one", "restarting"))["State"]["Running"]
            assert (await until(containers, "one", "running"))["RestartCount"] == expected
        world.runtime.shims[container_id].end(3)
        found = await until(containers, "one", "exited")
        assert (found["RestartCount"], found["State"]["ExitCode"]) == (2, 3)
        await containers.start("one")
        assert containers.inspect("one")["RestartCount"] == 0
        await containers.close()

    run(story)


@pytest.mark.parametrize("verb", ["stop", "kill", "remove"])
def test_who_wants_it_to_end_ends_the_wait(world: World, verb: str) -> None:
    async def story() -> None:
        containers = world.daemon()
        container_id = await started(containers, "one", "always")
        waiting = await containers.wait("one", "next-exit")
        world.runtime.shims[container_id].end(3)
        await until(containers, "one", "restarting")
        assert (await waiting)["StatusCode"] == 3
        if verb == "remove":
            await containers.remove("one", force=True)
        else:
            await getattr(containers, verb)("one")
            assert containers.inspect("one")["State"]["Status"] == "exited"
        await settle(containers)
        assert container_id not in world.runtime.shims
        assert containers.engine.tasks == set()

    run(story)


def test_the_next_daemon_waits_on_and_starts_what_belongs_to_it(world: World) -> None:
    async def story() -> None:
        first = world.daemon()
        for name, policy in (("always", "always"), ("stopped", "unless-stopped"), ("failed", "on-failure")):
            await started(first, name, policy)
        await first.create("made", request({"RestartPolicy": {"Name": "always"}}))
        for name in ("always", "stopped"):
            await first.stop(name)
        waiting = await started(first, "waiting", "unless-stopped")
        world.runtime.shims[waiting].end(0)
        await until(first, "waiting", "restarting")
        failed = first.inspect("failed")["Id"]
        await first.close()
        world.runtime.shims[failed].end(9)  # while nobody was there to see it
        world.runtime.shims.pop(failed)
        second = world.daemon()
        await second.recover()
        assert {name: second.inspect(name)["State"]["Status"] for name in ("failed", "waiting", "always")} == {
            "failed": "restarting", "waiting": "restarting", "always": "restarting",
        }  # fmt: skip
        for name in ("failed", "waiting", "always"):
            await until(second, name, "running")
        assert second.inspect("failed")["RestartCount"] == 1
        assert second.inspect("stopped")["State"]["Status"] == "exited"
        assert second.inspect("made")["State"]["Status"] == "created"
        await second.close()

    run(story)


def test_a_start_that_was_cut_by_a_kill_is_taken_up(world: World) -> None:
    async def story() -> None:
        first = world.daemon()
        container_id = await started(first, "one", "always")
        world.runtime.shims[container_id].end(1)
        await until(first, "one", "restarting")
        row = first.engine.current(container_id)
        await until(first, "one", "running")
        first.engine.rows.save(row)  # as if it had been killed before it could note the start
        await first.close()
        second = world.daemon()
        tally = await second.recover()
        assert (tally.alive, second.inspect("one")["State"]["Status"]) == (1, "running")
        await second.close()

    run(story)


def test_a_program_that_is_not_there_is_not_tried_for_ever(world: World) -> None:
    async def story() -> None:
        containers = world.daemon()
        container_id = await started(containers, "one", "always")
        engine = containers.engine
        row = engine.current(container_id)
        from dataclasses import replace

        from msgspec import structs

        engine.rows.save(replace(row, config=structs.replace(row.config, cmd=["nope"])))
        world.runtime.shims[container_id].end(1)
        found = await until(containers, "one", "exited")
        assert found["State"]["ExitCode"] == 127
        await settle(containers)
        assert engine.tasks == set()

    run(story)
