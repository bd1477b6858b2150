"""How does the daemon open sockets inside a container's network namespace without waiting for other work?

A thread of its own steps in, makes them, and steps out again (`linux/netns.py`): the threads that everything else
shares may all be busy with images, and a question about a name does not wait for them.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sampan.linux import netns

T = TypeVar("T")


class Inside:
    """The thread that goes into network namespaces."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="inside")

    async def do(self, namespace: int, work: Callable[[], T]) -> T:
        """What `work` returns when it is called inside `namespace`, an open file of /proc/PID/ns/net."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, netns.inside, namespace, work)

    def close(self) -> None:
        """End the thread when it has done what it was given."""
        self._thread.shutdown(wait=False)
