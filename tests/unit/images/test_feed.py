"""Bytes between the event loop and threads, and whoever gives up."""

import asyncio

import pytest

from sampan.images.feed import FEED_BYTES, Abandoned, Feed, drawn


def test_all_comes_through_in_order_and_the_faster_one_waits() -> None:
    async def story() -> None:
        feed = Feed()
        pieces = [bytes([each]) * (1 << 20) for each in range(40)]

        def read() -> bytes:
            return b"".join(iter(feed.get, b""))

        reading: asyncio.Task[bytes] | None = None
        for number, piece in enumerate(pieces):
            if number == 2:
                reading = asyncio.create_task(asyncio.to_thread(read))
            assert await feed.put(piece)
        feed.end()
        assert reading is not None
        assert await reading == b"".join(pieces)

    asyncio.run(story())


def test_a_reader_that_ends_does_not_hold_the_writer() -> None:
    async def story() -> None:
        feed = Feed()
        putting = asyncio.create_task(feed.put(b"x" * FEED_BYTES))
        await asyncio.to_thread(feed.close)
        assert not await putting
        assert not await feed.put(b"more")

    asyncio.run(story())


def test_a_writer_that_gives_up_is_noticed() -> None:
    async def story() -> None:
        feed = Feed()
        await feed.put(b"x")
        feed.end(ValueError("line"))
        with pytest.raises(Abandoned):
            await asyncio.to_thread(feed.get)

    asyncio.run(story())


def test_what_a_thread_makes_is_drawn() -> None:
    async def story() -> list[bytes]:
        return [piece async for piece in drawn(iter([b"a", b"b"]))]

    assert asyncio.run(story()) == [b"a", b"b"]
