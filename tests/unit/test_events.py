"""Does every subscriber hear what it asked for, once and in order?"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator

from sampan import events
from sampan.events import Event, Events


async def take(stream: AsyncIterator[Event], count: int) -> list[str]:
    return [(await anext(stream)).action for _ in range(count)]


def test_the_past_is_replayed_from_since_then_the_present_follows() -> None:
    async def story() -> list[str]:
        stream = Events()
        stream.publish("container", "create", "a", time_ns=10)
        stream.publish("container", "start", "a", time_ns=20)
        subscription = stream.subscribe(since_ns=20)
        first = await take(subscription, 1)
        stream.publish("container", "die", "a", time_ns=30)
        return first + await take(subscription, 1)

    assert asyncio.run(story()) == ["start", "die"]


def test_without_since_only_the_present_is_heard() -> None:
    async def story() -> list[str]:
        stream = Events()
        stream.publish("container", "create", "a")
        subscription = stream.subscribe()
        waiting = asyncio.ensure_future(anext(subscription))
        await asyncio.sleep(0)
        stream.publish("container", "start", "a")
        return [(await waiting).action]

    assert asyncio.run(story()) == ["start"]


def test_until_in_the_past_ends_after_the_replay() -> None:
    async def story() -> list[str]:
        stream = Events()
        for time_ns in (10, 20, 30):
            stream.publish("container", str(time_ns), "a", time_ns=time_ns)
        return [event.action async for event in stream.subscribe(since_ns=10, until_ns=20)]

    assert asyncio.run(story()) == ["10", "20"]


def test_until_in_the_future_ends_the_stream_then() -> None:
    async def story() -> list[Event]:
        return [event async for event in Events().subscribe(until_ns=time.time_ns() + 20_000_000)]

    assert asyncio.run(story()) == []


def test_events_from_another_thread_wake_the_subscriber() -> None:
    async def story() -> list[str]:
        stream = Events()
        subscription = stream.subscribe(since_ns=0)
        publisher = threading.Thread(target=lambda: [stream.publish("image", str(n), "a") for n in range(100)])
        publisher.start()
        seen = await take(subscription, 100)
        publisher.join()
        return seen

    assert asyncio.run(story()) == [str(n) for n in range(100)]


def test_a_subscriber_hears_only_what_it_wants() -> None:
    async def story() -> list[str]:
        stream = Events()
        stream.publish("image", "pull", "x", time_ns=1)
        stream.publish("container", "create", "a", time_ns=2)
        wanted = stream.subscribe(since_ns=0, until_ns=5, wanted=lambda event: event.type == "container")
        return [event.action async for event in wanted]

    assert asyncio.run(story()) == ["create"]


def test_one_that_does_not_read_is_cut_off_and_forgotten() -> None:
    async def story() -> int:
        stream = Events()
        subscription = stream.subscribe(since_ns=0)
        stream.publish("container", "first", "a")
        await anext(subscription)
        for number in range(events.QUEUE_LIMIT + 10):
            stream.publish("container", str(number), "a")
        return len([event async for event in subscription])

    assert asyncio.run(story()) == events.QUEUE_LIMIT
