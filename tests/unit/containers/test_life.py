"""Does a container live as Docker's containers do, from create to destroy?"""

import asyncio
import os
import socket

import pytest
from tests.unit.containers.conftest import World, request, run, settle

from sampan.errors import Conflict, InvalidRequest, NotFound
from sampan.runtime.status import StartFailed
from sampan.runtime.streams import Stream
from sampan.wire.filters import Filters


def test_create_start_exit_remove(world: World) -> None:
    async def story() -> None:
        containers = world.daemon()
        container_id, warnings = await containers.create("one", request())
        assert warnings == []
        assert containers.inspect("one")["State"]["Status"] == "created"
        assert await containers.start("one") is True
        assert await containers.start(container_id[:4]) is False
        state = containers.inspect("one")["State"]
        assert (state["Status"], state["Running"], state["Pid"]) == ("running", True, os.getpid())
        waiter = await containers.wait("one", "next-exit")
        world.runtime.shims[container_id].end(3)
        assert await waiter == {"StatusCode": 3, "Error": None}
        assert containers.inspect("one")["State"]["ExitCode"] == 3
        assert await (await containers.wait("one")) == {"StatusCode": 3, "Error": None}
        await containers.remove("one")
        with pytest.raises(NotFound, match="No such container: one"):
            containers.inspect("one")
        assert world.snapshots.trees == set()
        assert list((world.root / "containers").iterdir()) == []
        assert world.actions() == ["create", "start", "die", "destroy"]

    run(story)


def test_a_create_touches_nothing_but_its_row(world: World) -> None:
    async def story() -> None:
        containers = world.daemon()
        await containers.create("one", request())
        assert world.snapshots.trees == set()
        assert not (world.root / "containers").exists()

    run(story)


def test_a_name_is_unique_and_the_sentence_says_whose(world: World) -> None:
    async def story() -> None:
        containers = world.daemon()
        container_id, _ = await containers.create("one", request())
        sentence = f'The container name "/one" is already in use by container "{container_id}"'
        with pytest.raises(Conflict, match=sentence):
            await containers.create("/one", request())
        with pytest.raises(InvalidRequest, match=r"Invalid container name \(a/b\), only"):
            await containers.create("a/b", request())

    run(story)


def test_of_many_that_want_one_name_one_gets_it(world: World) -> None:
    async def story() -> None:
        containers = world.daemon()
        results = await asyncio.gather(
            *(containers.create("one", request()) for _ in range(10)), return_exceptions=True
        )
        assert len([result for result in results if isinstance(result, tuple)]) == 1
        assert len([result for result in results if isinstance(result, Conflict)]) == 9

    run(story)


def test_an_image_that_vanishes_meanwhile_leaves_no_container(world: World) -> None:
    async def story() -> None:
        containers = world.daemon()
        world.images.by_id = lambda image_id: None  # type: ignore[method-assign,assignment]
        with pytest.raises(NotFound, match="No such image: busybox"):
            await containers.create("one", request())
        assert containers.list(all=True) == []

    run(story)


def test_of_many_starts_one_starts(world: World) -> None:
    async def story() -> None:
        containers = world.daemon()
        await containers.create("one", request())
        assert sorted(await asyncio.gather(*(containers.start("one") for _ in range(5)))) == [False] * 4 + [True]

    run(story)


def test_a_program_that_is_not_there_leaves_the_container_created_with_127(world: World) -> None:
    async def story() -> None:
        containers = world.daemon()
        await containers.create("one", request(Cmd=["nope"]))
        ours, theirs = socket.socketpair()
        await containers.attach("one", Stream(fd=theirs.detach()))
        with pytest.raises(StartFailed, match=r"^failed to create shim task: OCI runtime create failed: runc create"):
            await containers.start("one")
        assert ours.recv(1) == b""  # whoever was attached is told by the end of the connection
        state = containers.inspect("one")["State"]
        assert (state["Status"], state["ExitCode"]) == ("created", 127)
        assert "executable file not found in $PATH" in state["Error"]
        assert world.actions() == ["create", "attach"]

    run(story)


def test_with_rm_a_failed_start_removes(world: World) -> None:
    async def story() -> None:
        containers = world.daemon()
        await containers.create("one", request({"AutoRemove": True}, Cmd=["nope"]))
        waiter = await containers.wait("one", "removed")
        with pytest.raises(StartFailed):
            await containers.start("one")
        assert await waiter == {"StatusCode": 127, "Error": None}
        assert containers.list(all=True) == []

    run(story)


def test_with_rm_the_end_removes_and_removed_is_told_with_the_exit_code(world: World) -> None:
    async def story() -> None:
        containers = world.daemon()
        container_id, _ = await containers.create("one", request({"AutoRemove": True}))
        waiter = await containers.wait("one", "removed")
        await containers.start("one")
        world.runtime.shims[container_id].end(5)
        assert await waiter == {"StatusCode": 5, "Error": None}
        assert containers.list(all=True) == []
        assert world.actions() == ["create", "start", "die", "destroy"]

    run(story)


def test_with_rm_a_daemon_that_is_told_to_end_removes_what_has_just_ended(world: World) -> None:
    async def story() -> None:
        containers = world.daemon()
        container_id, _ = await containers.create("one", request({"AutoRemove": True}))
        await containers.start("one")
        world.runtime.shims[container_id].end()
        while containers.names():
            await asyncio.sleep(0)
        await containers.close()  # its row is gone, its files are not yet
        assert world.actions() == ["create", "start", "die", "destroy"]
        assert not containers.engine.directory(container_id).exists()

    run(story)


def test_stop_is_the_stop_signal_then_patience_then_sigkill(world: World) -> None:
    async def story() -> None:
        containers = world.daemon()
        container_id, _ = await containers.create("one", request(StopSignal="SIGINT"))
        await containers.start("one")
        process = world.runtime.shims[container_id]
        assert await containers.stop("one") is True
        assert process.signals == [2]
        assert await containers.stop("one") is False

        world.runtime.ignores = (2,)
        await containers.start("one")
        process = world.runtime.shims[container_id]
        assert await containers.stop("one", 0) is True
        assert process.signals == [2, 9]
        assert containers.inspect("one")["State"]["ExitCode"] == 137
        assert world.actions()[-5:] == ["start", "kill", "kill", "die", "stop"]

    run(story)


def test_a_paused_container_can_be_stopped(world: World) -> None:
    async def story() -> None:
        containers = world.daemon()
        await containers.create("one", request())
        await containers.start("one")
        await containers.pause("one")
        assert containers.inspect("one")["State"]["Status"] == "paused"
        assert await containers.stop("one") is True
        assert containers.inspect("one")["State"]["ExitCode"] == 143
        assert world.actions() == ["create", "start", "pause", "kill", "unpause", "die", "stop"]

    run(story)


def test_restart_starts_what_ran_and_what_did_not_and_spares_rm(world: World) -> None:
    async def story() -> None:
        containers = world.daemon()
        container_id, _ = await containers.create("one", request({"AutoRemove": True}))
        await containers.restart("one")
        first = world.runtime.shims[container_id]
        await containers.restart("one", 5)
        assert first.signals == [15]
        assert world.runtime.shims[container_id] is not first
        assert containers.inspect("one")["State"]["Running"] is True

    run(story)


def test_dockerds_sentences_for_what_a_status_forbids(world: World) -> None:
    async def story() -> None:
        containers = world.daemon()
        one, _ = await containers.create("one", request())
        for act in (containers.pause("one"), containers.unpause("one"), containers.resize("one", 1, 2)):
            with pytest.raises(Conflict, match=rf"^Container {one} is not running$"):
                await act
        with pytest.raises(Conflict, match=rf"^Cannot kill container: one: Container {one} is not running$"):
            await containers.kill("one")
        with pytest.raises(InvalidRequest, match=r"^Invalid signal: FOO$"):
            await containers.kill("one", "FOO")
        with pytest.raises(
            InvalidRequest, match=r"^Cannot kill container: one: The linux daemon does not support signal 99$"
        ):
            await containers.kill("one", "99")
        await containers.start("one")
        with pytest.raises(Conflict, match=rf"^You cannot remove a running container {one}. Stop the container before"):
            await containers.remove("one")
        with pytest.raises(Conflict, match=rf"^Container {one} is not paused$"):
            await containers.unpause("one")
        await containers.pause("one")
        with pytest.raises(Conflict, match=rf"^Container {one} is already paused$"):
            await containers.pause("one")
        with pytest.raises(Conflict, match=r"^cannot start a paused container, try unpause instead$"):
            await containers.start("one")
        with pytest.raises(Conflict, match=rf"^You cannot remove a paused container {one}. Unpause and then stop"):
            await containers.remove("one")

    run(story)


def test_remove_by_force_kills_first(world: World) -> None:
    async def story() -> None:
        containers = world.daemon()
        await containers.create("one", request())
        await containers.start("one")
        await containers.remove("one", force=True)
        assert world.actions() == ["create", "start", "kill", "die", "destroy"]
        with pytest.raises(NotFound):
            await containers.remove("one", force=True)

    run(story)


def test_a_wait_for_the_next_exit_is_answered_when_there_will_be_none(world: World) -> None:
    async def story() -> None:
        containers = world.daemon()
        await containers.create("one", request())
        waiters = [await containers.wait("one", condition) for condition in ("next-exit", "removed")]
        await containers.remove("one")
        assert [await waiter for waiter in waiters] == [{"StatusCode": 0, "Error": None}] * 2

    run(story)


def test_rename_frees_the_old_name(world: World) -> None:
    async def story() -> None:
        containers = world.daemon()
        one, _ = await containers.create("one", request())
        await containers.create("two", request())
        await containers.rename("one", "three")
        assert containers.inspect("three")["Id"] == one
        with pytest.raises(NotFound):
            containers.inspect("one")
        await containers.create("one", request())
        with pytest.raises(Conflict, match=r'^Error when allocating new name: Conflict. The container name "/two" is'):
            await containers.rename("three", "two")
        with pytest.raises(InvalidRequest, match="same name as its current name"):
            await containers.rename("three", "/three")
        with pytest.raises(InvalidRequest, match=r"^Neither old nor new names may be empty$"):
            await containers.rename("three", "")
        with pytest.raises(InvalidRequest, match=r"^Error when allocating new name: Invalid container name"):
            await containers.rename("three", "_x")

    run(story)


def test_who_attached_before_the_start_gets_to_the_shim(world: World) -> None:
    async def story() -> None:
        containers = world.daemon()
        container_id, _ = await containers.create("one", request(OpenStdin=True))
        ours, theirs = socket.socketpair()
        gone, left = socket.socketpair()
        gone.close()
        await containers.attach("one", Stream(fd=left.detach()))
        await containers.attach("one", Stream(fd=theirs.detach(), stdin=True))
        await containers.start("one")
        (stream,) = world.runtime.shims[container_id].streams  # who hung up is not handed over
        os.write(stream.fd, b"hello")
        assert ours.recv(5) == b"hello"
        assert stream.stdin is True

    run(story)


def test_prune_removes_what_does_not_run(world: World) -> None:
    async def story() -> None:
        containers = world.daemon()
        one, _ = await containers.create("one", request(Labels={"keep": "yes"}))
        two, _ = await containers.create("two", request())
        await containers.create("three", request())
        await containers.start("three")
        kept = await containers.prune(Filters({"label!": ("keep",)}))
        assert kept == {"ContainersDeleted": [two], "SpaceReclaimed": 0}
        assert (await containers.prune(Filters()))["ContainersDeleted"] == [one]
        assert (await containers.prune(Filters()))["ContainersDeleted"] is None
        assert [each["Names"] for each in containers.list()] == [["/three"]]

    run(story)


def test_an_oom_is_told(world: World) -> None:
    async def story() -> None:
        containers = world.daemon()
        container_id, _ = await containers.create("one", request())
        await containers.start("one")
        containers.hear(container_id, "oom", {})
        world.runtime.shims[container_id].end(137, oom_killed=True)
        await settle(containers)
        assert containers.inspect("one")["State"]["OOMKilled"] is True
        assert world.actions() == ["create", "start", "oom", "die"]

    run(story)
