"""Several who want the same, and some who leave."""

import asyncio

import pytest

from sampan.images.progress import Emit
from sampan.images.transfers import Transfers


def test_one_works_and_all_get_it() -> None:
    async def story() -> None:
        transfers: Transfers[int] = Transfers(3)
        go, runs = asyncio.Event(), 0
        told: list[list[object]] = [[], [], []]

        async def work(emit: Emit) -> int:
            nonlocal runs
            runs += 1
            emit({"status": "half"})
            await go.wait()
            emit({"status": "done"})
            return 7

        tasks = [asyncio.create_task(transfers.run("d", work, each.append)) for each in told]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        tasks[0].cancel()
        go.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(results[0], asyncio.CancelledError)
        assert (results[1:], runs) == ([7, 7], 1)
        assert told[1][-1] == told[2][-1] == {"status": "done"}

    asyncio.run(story())


def test_when_nobody_is_left_it_ends() -> None:
    async def story() -> None:
        transfers: Transfers[int] = Transfers(3)
        ended = begun = False

        async def work(emit: Emit) -> int:
            nonlocal ended, begun
            begun = True
            try:
                await asyncio.sleep(100)
            finally:
                ended = True
            return 1

        task = asyncio.create_task(transfers.run("d", work, lambda message: None))
        while not begun:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended
        assert await transfers.run("d", lambda emit: asyncio.sleep(0, 5), lambda message: None) == 5

    asyncio.run(story())


def test_somebody_elses_failure_is_not_ours() -> None:
    async def story() -> None:
        transfers: Transfers[str] = Transfers(3)

        async def fails(emit: Emit) -> str:
            await asyncio.sleep(0.01)
            raise ValueError("my credentials")

        async def works(emit: Emit) -> str:
            return "mine"

        first = asyncio.create_task(transfers.run("d", fails, lambda message: None))
        await asyncio.sleep(0)
        assert await transfers.run("d", works, lambda message: None) == "mine"
        with pytest.raises(ValueError, match="my credentials"):
            await first

    asyncio.run(story())


def test_no_more_than_so_many_at_a_time() -> None:
    async def story() -> None:
        transfers: Transfers[None] = Transfers(2)
        now = most = 0

        async def work(emit: Emit) -> None:
            nonlocal now, most
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.001)
            now -= 1

        await asyncio.gather(*(transfers.run(str(each), work, lambda message: None) for each in range(10)))
        assert most == 2

    asyncio.run(story())
