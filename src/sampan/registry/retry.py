"""Is a request worth repeating, and after how long?

A server that failed, or a line that broke, may be well in a moment: 1, 2, 4 … seconds. One that cannot be reached at
all is not waited for, nor one that asks to wait (429): whoever asked decides whether it is worth that.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sampan.registry.access import Access
from sampan.registry.failure import RegistryError

T = TypeVar("T")
DOCUMENT_ATTEMPTS = 3


async def repeated(access: Access, work: Callable[[], Awaitable[T]]) -> T:
    """The result of a short request that can be repeated. Raises what it raises in the end."""
    await access.open()
    settings = access.transport.settings
    attempts = min(settings.attempts, DOCUMENT_ATTEMPTS)
    for attempt in range(1, attempts):
        try:
            return await work()
        except RegistryError as error:
            if not error.passes or error.is_limit:
                raise
            await asyncio.sleep(pause(access, attempt))
    return await work()


def pause(access: Access, attempt: int, asked: float = 0) -> float:
    """Seconds to wait after so many failures; `asked` is what the server asks for."""
    patience = access.transport.settings.patience
    return min(max(patience.retry_base * 2.0 ** (attempt - 1), asked), patience.retry_most)
