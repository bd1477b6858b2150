"""What if several pulls want the same layer?

Then one transfer brings it, all of them are told how far it is, and it goes on as long as one of them wants it. How
many transfers run at a time is bounded, as in dockerd (`--max-concurrent-downloads`).
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Generic, TypeVar

from sampan.images.progress import Emit
from sampan.oci.digest import Digest

T = TypeVar("T")
Work = Callable[[Emit], Coroutine[Any, Any, T]]


class _Transfer(Generic[T]):
    """One that runs, and who listens."""

    def __init__(self) -> None:
        self.listeners: list[Emit] = []
        self.latest: Mapping[str, Any] | None = None
        self.task: asyncio.Task[T] | None = None

    def tell(self, message: Mapping[str, Any]) -> None:
        """Tell everybody; safe from the event loop only."""
        self.latest = message
        for listener in self.listeners:
            listener(message)


class Transfers(Generic[T]):
    """The transfers of one engine that are under way, by what they bring."""

    def __init__(self, at_once: int) -> None:
        self._running: dict[Digest, _Transfer[T]] = {}
        self._room = asyncio.Semaphore(at_once)

    async def run(self, key: Digest, work: Work[T], emit: Emit) -> T:
        """The result of `work`, or of the same work that somebody else has begun.

        Raises what one's own work raises; somebody else's failure is not ours.
        """
        while (transfer := self._running.get(key)) is not None:
            if transfer.latest:
                emit(transfer.latest)
            try:
                return await self._follow(key, transfer, emit)
            except Exception:
                # Its source or its credentials were other than ours: so try it ourselves.
                if self._running.get(key) is transfer:
                    del self._running[key]
        transfer = self._running[key] = _Transfer()
        transfer.task = asyncio.create_task(self._bounded(work, transfer), name=f"transfer {key[:19]}")
        transfer.task.add_done_callback(lambda _: self._ended(key, transfer))
        return await self._follow(key, transfer, emit)

    async def _bounded(self, work: Work[T], transfer: _Transfer[T]) -> T:
        async with self._room:
            return await work(transfer.tell)

    async def _follow(self, key: Digest, transfer: _Transfer[T], emit: Emit) -> T:
        assert transfer.task is not None
        transfer.listeners.append(emit)
        try:
            return await asyncio.shield(transfer.task)
        finally:
            transfer.listeners.remove(emit)
            if not transfer.listeners and not transfer.task.done():
                # Nobody is there to want it. What has come stays, see content/partial.
                self._ended(key, transfer)
                transfer.task.cancel()
                await asyncio.wait([transfer.task])

    def _ended(self, key: Digest, transfer: _Transfer[T]) -> None:
        if self._running.get(key) is transfer:
            del self._running[key]
        if transfer.task is not None and transfer.task.done() and not transfer.task.cancelled():
            transfer.task.exception()  # looked at, also when every listener has left
