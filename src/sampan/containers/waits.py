"""Who waits for the end of a container, and what are they told?

Conditions are Docker's: `not-running` (at once if it does not run), `next-exit`, `removed`. A removal answers those who
wait for an exit as well: there will be none.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum

from sampan.errors import InvalidRequest


class Condition(StrEnum):
    """What is waited for."""

    NOT_RUNNING = "not-running"
    NEXT_EXIT = "next-exit"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended: the exit code, and why the engine could not do as asked ("" if it could)."""

    code: int
    error: str = ""


Waiter = asyncio.Future[Outcome]


def parse(text: str) -> Condition:
    """The condition named by a wait request; "" is `not-running`. Raises InvalidRequest."""
    try:
        return Condition(text or Condition.NOT_RUNNING)
    except ValueError:
        raise InvalidRequest(f'invalid condition: "{text}"') from None


class Waits:
    """The waiters of all containers."""

    def __init__(self) -> None:
        self._exits: dict[str, set[Waiter]] = defaultdict(set)
        self._removals: dict[str, set[Waiter]] = defaultdict(set)

    def add(self, container_id: str, condition: Condition) -> Waiter:
        """A future that is answered at the next exit, or at the removal."""
        waiter: Waiter = asyncio.get_running_loop().create_future()
        waiters = self._removals if condition is Condition.REMOVED else self._exits
        waiters[container_id].add(waiter)
        waiter.add_done_callback(lambda done: self._drop(waiters, container_id, done))
        return waiter

    def exited(self, container_id: str, outcome: Outcome) -> None:
        """Answer those who wait for an exit."""
        _answer(self._exits.pop(container_id, ()), outcome)

    def removed(self, container_id: str, outcome: Outcome) -> None:
        """Answer everyone: the container is gone."""
        self.exited(container_id, outcome)
        _answer(self._removals.pop(container_id, ()), outcome)

    def _drop(self, waiters: dict[str, set[Waiter]], container_id: str, waiter: Waiter) -> None:
        """Forget a waiter that was answered, or whose client went away."""
        of_container = waiters.get(container_id)
        if of_container is not None:
            of_container.discard(waiter)
            if not of_container:
                del waiters[container_id]


def _answer(waiters: "set[Waiter] | tuple[()]", outcome: Outcome) -> None:
    for waiter in tuple(waiters):
        if not waiter.done():
            waiter.set_result(outcome)
