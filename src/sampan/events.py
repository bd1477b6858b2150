"""Who is told what happened, and what if they come late or read slowly?

    publish ──► ring of the last 1024 ──► replayed to a subscriber that asks for the past
            └─► each subscriber's queue ──► its own async iterator

A publisher never waits. A subscriber that falls QUEUE_LIMIT events behind is cut off: its iterator ends, as a
connection would. The words are those of docker's event stream: a type, an action, an actor with attributes.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

RING_SIZE = 1024
QUEUE_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened; `time_ns` is Unix time in nanoseconds."""

    type: str
    action: str
    id: str
    attributes: Mapping[str, str]
    time_ns: int


@dataclass(slots=True, eq=False)
class _Subscriber:
    loop: asyncio.AbstractEventLoop
    queue: deque[Event] = field(default_factory=deque)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    cut_off: bool = False


class Events:
    """Publish and subscribe within one daemon; `publish` may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ring: deque[Event] = deque(maxlen=RING_SIZE)
        self._subscribers: set[_Subscriber] = set()
        self.total = 0

    def publish(
        self, type: str, action: str, id: str, attributes: Mapping[str, str] | None = None, time_ns: int | None = None
    ) -> Event:
        """Tell everyone; `time_ns` is now unless given."""
        event = Event(type, action, id, dict(attributes or {}), time.time_ns() if time_ns is None else time_ns)
        with self._lock:
            self._ring.append(event)
            self.total += 1
            for subscriber in self._subscribers:
                if len(subscriber.queue) >= QUEUE_LIMIT:
                    subscriber.cut_off = True
                else:
                    subscriber.queue.append(event)
                _wake(subscriber)
        return event

    @property
    def count(self) -> int:
        """How many listen."""
        return len(self._subscribers)

    async def subscribe(
        self,
        since_ns: int | None = None,
        until_ns: int | None = None,
        wanted: Callable[[Event], bool] = lambda event: True,
    ) -> AsyncIterator[Event]:
        """The remembered events from `since_ns` on (none if it is None), then what happens, up to `until_ns`.

        Ends at `until_ns`, at once if that has passed; without it only when cut off for reading too slowly.
        """
        subscriber = self._join(since_ns, until_ns)
        try:
            while True:
                while subscriber.queue:
                    event = subscriber.queue.popleft()
                    if (until_ns is None or event.time_ns <= until_ns) and wanted(event):
                        yield event
                if subscriber.cut_off or not await _news(subscriber, until_ns):
                    return
        finally:
            with self._lock:
                self._subscribers.discard(subscriber)

    def _join(self, since_ns: int | None, until_ns: int | None) -> _Subscriber:
        subscriber = _Subscriber(asyncio.get_running_loop())
        with self._lock:  # no event is missed or told twice between the past and the present
            # dockerd: `until` alone also asks for the past.
            if since_ns is not None or until_ns is not None:
                subscriber.queue.extend(event for event in self._ring if event.time_ns >= (since_ns or 0))
            self._subscribers.add(subscriber)
        return subscriber


def _wake(subscriber: _Subscriber) -> None:
    try:
        subscriber.loop.call_soon_threadsafe(subscriber.news.set)
    except RuntimeError:
        subscriber.cut_off = True  # its loop is closed; nobody will read the queue


async def _news(subscriber: _Subscriber, until_ns: int | None) -> bool:
    """Wait until something is queued; False when `until_ns` comes first."""
    if subscriber.queue:
        return True
    subscriber.news.clear()
    if subscriber.queue or subscriber.cut_off:  # published from another thread between the look and the clear
        return True
    remaining = None if until_ns is None else (until_ns - time.time_ns()) / 1e9
    try:
        async with asyncio.timeout(remaining):
            await subscriber.news.wait()
    except TimeoutError:
        return False
    return True
