"""How is the same step of two builds run only once?

Whoever comes second waits for the first one's outcome. The work belongs to nobody: it goes on as long as somebody waits
for it, and is cancelled when the last one has left.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")
SEEN_MAX = 4096


class _Flight:
    def __init__(self, task: "asyncio.Task[Any]") -> None:
        self.task = task
        self.waiting = 0


class Flights:
    """Work in progress, by key."""

    def __init__(self) -> None:
        self._flights: dict[str, _Flight] = {}
        self._seen: dict[str, None] = {}

    def seen(self, state: str) -> bool:
        """Whether a build of this daemon's life has been in that state before, as far as is remembered."""
        known = state in self._seen
        self._seen.pop(state, None)
        self._seen[state] = None
        if len(self._seen) > SEEN_MAX:
            del self._seen[next(iter(self._seen))]
        return known

    async def once(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        """The outcome of `work`, which is not begun while the same is under way. Raises what it raises."""
        flight = self._flights.get(key)
        is_mine = flight is None
        if flight is None:
            flight = _Flight(asyncio.ensure_future(_run(work)))
            self._flights[key] = flight
            flight.task.add_done_callback(partial(self._ended, key))
        flight.waiting += 1
        try:
            result: T = await asyncio.shield(flight.task)
            return result
        finally:
            flight.waiting -= 1
            if not flight.task.done():
                if not flight.waiting:
                    self._flights.pop(key, None)
                    flight.task.cancel()
                if is_mine or not flight.waiting:
                    # The work uses what its beginner holds, so that one stays until it is over.
                    await asyncio.gather(flight.task, return_exceptions=True)

    def _ended(self, key: str, task: "asyncio.Task[Any]") -> None:
        flight = self._flights.get(key)
        if flight is not None and flight.task is task:
            del self._flights[key]
        if not task.cancelled():
            task.exception()  # heard, even if nobody waits any more


async def _run(work: Callable[[], Awaitable[T]]) -> T:
    return await work()
