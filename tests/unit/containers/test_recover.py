"""Does a daemon that comes after a killed one find out what is true?"""

import dataclasses

import pytest
from tests.unit.containers.conftest import World, request, run, settle

from sampan.containers.lifecycle import Status
from sampan.errors import NotFound, Unavailable
from sampan.runtime.status import ExitStatus


def test_a_running_container_is_taken_up_again(world: World) -> None:
    async def story() -> None:
        before = world.daemon()
        container_id, _ = await before.create("one", request())
        await before.start("one")
        await before.close()
        after = world.daemon()
        tally = await after.recover()
        assert (tally.alive, tally.ended, tally.removed) == (1, 0, 0)
        assert after.inspect("one") == before.inspect("one")
        waiter = await after.wait("one")
        world.runtime.shims[container_id].end(4)
        assert (await waiter)["StatusCode"] == 4

    run(story)


def test_a_paused_container_stays_paused(world: World) -> None:
    async def story() -> None:
        before = world.daemon()
        await before.create("one", request())
        await before.start("one")
        await before.pause("one")
        after = world.daemon()
        await after.recover()
        assert after.inspect("one")["State"]["Status"] == "paused"
        await after.unpause("one")

    run(story)


def test_the_end_that_nobody_saw_is_known_from_the_record(world: World) -> None:
    async def story() -> None:
        before = world.daemon()
        container_id, _ = await before.create("one", request())
        await before.start("one")
        await before.close()
        world.runtime.shims.pop(container_id)
        world.runtime.records[container_id] = ExitStatus(code=42, oom_killed=True, finished_at=world.runtime.clock + 5)
        after = world.daemon()
        assert (await after.recover()).ended == 1
        state = after.inspect("one")["State"]
        assert (state["Status"], state["ExitCode"], state["OOMKilled"]) == ("exited", 42, True)
        assert world.runtime.records == {}
        assert container_id in world.runtime.swept

    run(story)


def test_without_shim_and_record_it_is_dead_all_the_same(world: World) -> None:
    async def story() -> None:
        before = world.daemon()
        await before.create("one", request())
        await before.start("one")
        await before.close()
        world.runtime.shims.clear()
        after = world.daemon()
        await after.recover()
        state = after.inspect("one")["State"]
        assert (state["Status"], state["ExitCode"]) == ("exited", 255)
        assert "nobody watched" in state["Error"]

    run(story)


@pytest.mark.parametrize("is_alive", [True, False])
def test_a_start_that_was_cut_before_its_row_is_finished(world: World, is_alive: bool) -> None:
    async def story() -> None:
        before = world.daemon()
        container_id, _ = await before.create("one", request())
        never_started = before.engine.rows.find("one")
        await before.start("one")
        await before.close()
        before.engine.rows.save(never_started)  # as if "running" had never been written
        if not is_alive:
            world.runtime.shims.pop(container_id)
            world.runtime.records[container_id] = ExitStatus(code=7, finished_at=world.runtime.clock + 5)
        after = world.daemon()
        await after.recover()
        state = after.inspect("one")["State"]
        assert (state["Status"], state["ExitCode"]) == (("running", 0) if is_alive else ("exited", 7))

    run(story)


def test_a_burial_that_was_cut_before_the_shim_was_told_is_not_repeated(world: World) -> None:
    async def story() -> None:
        before = world.daemon()
        container_id, _ = await before.create("one", request())
        await before.start("one")
        shim = world.runtime.shims[container_id]
        shim.end(3)
        await settle(before)
        await before.close()
        world.runtime.shims[container_id] = shim
        world.runtime.records[container_id] = shim.ended.result()
        told = len(world.actions())
        after = world.daemon()
        assert (await after.recover()).ended == 0
        assert after.inspect("one") == before.inspect("one")
        assert world.actions()[told:] == []
        assert world.runtime.shims == world.runtime.records == {}

    run(story)


def test_rm_is_kept_after_a_crash(world: World) -> None:
    async def story() -> None:
        before = world.daemon()
        for name in ("runs", "ended", "forgotten", "fresh"):
            await before.create(name, request({"AutoRemove": True}))
        for name in ("runs", "ended", "forgotten"):
            await before.start(name)
        await before.close()
        world.runtime.records[before.inspect("ended")["Id"]] = ExitStatus(code=0, finished_at=1)
        world.runtime.shims.pop(before.inspect("ended")["Id"])
        forgotten = before.engine.rows.find("forgotten")
        world.runtime.shims.pop(forgotten.id)
        before.engine.rows.save(forgotten.with_state(status=Status.EXITED, pid=0, finished_ns=5))
        after = world.daemon()
        await after.recover()
        assert {name for each in after.list(all=True) for name in each["Names"]} == {"/runs", "/fresh"}

    run(story)


def test_what_no_row_names_is_removed(world: World) -> None:
    async def story() -> None:
        before = world.daemon()
        container_id, _ = await before.create("one", request())
        await before.start("one")
        world.snapshots.trees.add("e" * 64)
        (world.root / "containers" / ("d" * 64) / "deep").mkdir(parents=True)
        after = world.daemon()
        await after.recover()
        assert world.snapshots.trees == {container_id}
        assert [path.name for path in (world.root / "containers").iterdir()] == [container_id]

    run(story)


def test_recovery_may_be_killed_and_done_again(world: World) -> None:
    async def story() -> None:
        before = world.daemon()
        container_id, _ = await before.create("one", request())
        await before.start("one")
        await before.close()
        world.runtime.shims.clear()
        world.runtime.records[container_id] = ExitStatus(code=9, finished_at=world.runtime.clock + 1)
        states = []
        for _ in range(3):
            daemon = world.daemon()
            await daemon.recover()
            await daemon.close()
            states.append(daemon.inspect("one")["State"])
        assert states == [states[0]] * 3
        assert states[0]["ExitCode"] == 9

    run(story)


def refuse_writes(world: World, refused: bool) -> None:
    """As a full disk would."""
    world.databases[-1]._writer.execute(f"PRAGMA query_only={'ON' if refused else 'OFF'}")


def test_a_disk_that_takes_no_rows_loses_no_container(world: World) -> None:
    async def story() -> None:
        containers = world.daemon()
        container_id, _ = await containers.create("one", request())
        refuse_writes(world, True)
        with pytest.raises(Unavailable, match="the engine cannot write its database"):
            await containers.create("two", request())
        with pytest.raises(Unavailable, match="the engine cannot write its database"):
            await containers.remove("one")
        with pytest.raises(Unavailable, match="its state could not be kept"):
            await containers.start("one")
        assert world.runtime.shims == {}
        assert [each["State"] for each in containers.list(all=True)] == ["created"]
        refuse_writes(world, False)
        await containers.start("one")
        refuse_writes(world, True)
        waiter = await containers.wait("one")
        world.runtime.shims[container_id].end(6)
        assert (await waiter)["StatusCode"] == 6
        await settle(containers)
        world.runtime.shims.clear()
        again = world.daemon()
        await again.recover()
        assert again.inspect("one")["State"]["ExitCode"] == 6

    run(story)


def test_a_container_that_cannot_be_recovered_does_not_keep_the_others(world: World) -> None:
    async def story() -> None:
        before = world.daemon()
        bad, _ = await before.create("bad", request())
        await before.create("good", request())
        await before.start("good")
        reconnect = world.runtime.reconnect

        async def broken(container_id: str) -> object:
            if container_id == bad:
                raise RuntimeError("damaged")
            return await reconnect(container_id)

        world.runtime.reconnect = broken  # type: ignore[method-assign,assignment]
        after = world.daemon()
        assert (await after.recover()).alive == 1

    run(story)


def test_rows_are_read_back_as_they_were(world: World) -> None:
    async def story() -> None:
        before = world.daemon()
        host = {"Memory": 1 << 28, "Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 2}], "Tmpfs": {"/t": "size=1m"}}
        await before.create("one", request(host, Env=["A=ä"], Labels={"x": "y"}))
        await before.create("two", request())
        await before.rename("two", "three")
        await before.remove("three")
        after = world.daemon()
        assert after.engine.rows.all() == before.engine.rows.all()
        assert dataclasses.asdict(after.engine.rows.find("one").state) == dataclasses.asdict(
            before.engine.rows.find("one").state
        )
        with pytest.raises(NotFound):
            after.inspect("three")

    run(story)
