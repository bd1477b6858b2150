"""Is the same work done once for all who want it, and ended when nobody does?"""

import asyncio

import pytest

from sampan.builder.flights import Flights


def test_the_second_waits_for_the_first() -> None:
    async def story() -> tuple[list[int], int]:
        flights, begun, go = Flights(), 0, asyncio.Event()

        async def work() -> int:
            nonlocal begun
            begun += 1
            await go.wait()
            return 7

        both = [asyncio.create_task(flights.once("key", work)) for _ in range(2)]
        await asyncio.sleep(0)
        go.set()
        return list(await asyncio.gather(*both)), begun

    assert asyncio.run(story()) == ([7, 7], 1)


def test_work_that_nobody_waits_for_is_cancelled_and_undone() -> None:
    async def story() -> list[str]:
        flights, told = Flights(), []
        started = asyncio.Event()

        async def work() -> None:
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                told.append("undone")

        waiting = asyncio.create_task(flights.once("key", work))
        await started.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return told

    assert asyncio.run(story()) == ["undone"]


def test_one_who_leaves_does_not_take_the_work_from_the_other() -> None:
    async def story() -> int:
        flights, go, started = Flights(), asyncio.Event(), asyncio.Event()

        async def work() -> int:
            started.set()
            await go.wait()
            return 3

        first = asyncio.create_task(flights.once("key", work))
        await started.wait()
        second = asyncio.create_task(flights.once("key", work))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        go.set()
        return await second

    assert asyncio.run(story()) == 3
