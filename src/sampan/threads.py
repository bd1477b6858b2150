"""How does asynchronous code use a thread that it must not leave behind?

`asyncio.to_thread` lets go of its thread when its caller is cancelled; what the thread still uses may then be closed
under it, and its result is lost.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def finished(function: Callable[[], T], *, undo: Callable[[T], object] = lambda result: None) -> T:
    """What `function` returns, run in a thread. Whoever is cancelled meanwhile waits for it; `undo` gets its result."""
    running = asyncio.ensure_future(asyncio.to_thread(function))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        if not running.cancelled() and running.exception() is None:
            undo(running.result())
        raise
