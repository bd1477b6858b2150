"""Which of the shim's descriptors wants attention?

poll(2) and a table of callbacks. Not epoll(7): its registrations belong to open files, not to descriptors, and would
outlive a close while a process on its way to execve still holds a copy.
"""

import select
import time
from collections.abc import Callable

READ, WRITE = select.POLLIN, select.POLLOUT
GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL

Callback = Callable[[int], None]


class Reactor:
    """Calls back when a watched descriptor is ready, and when a deadline passes."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._callbacks: dict[int, Callback] = {}
        self._deadlines: dict[int, tuple[float, Callable[[], None]]] = {}
        self._next = 0

    def watch(self, fd: int, events: int, callback: Callback) -> None:
        """Call `callback` with the ready events of `fd`; again to change what is waited for."""
        self._poll.register(fd, events)
        self._callbacks[fd] = callback

    def wait_for(self, fd: int, events: int) -> None:
        """Change what is waited for on a watched descriptor; 0 leaves only its end."""
        if fd in self._callbacks:
            self._poll.modify(fd, events)

    def forget(self, fd: int) -> None:
        """Stop watching; must come before the descriptor is closed."""
        if self._callbacks.pop(fd, None):
            self._poll.unregister(fd)

    def later(self, seconds: float, callback: Callable[[], None]) -> int:
        """Call `callback` once after `seconds`; the number cancels it."""
        self._next += 1
        self._deadlines[self._next] = (time.monotonic() + seconds, callback)
        return self._next

    def cancel(self, number: int) -> None:
        """Forget a deadline."""
        self._deadlines.pop(number, None)

    def turn(self) -> None:
        """Wait until something is ready, and call back."""
        timeout = None
        if self._deadlines:
            timeout = max(0.0, min(at for at, _ in self._deadlines.values()) - time.monotonic()) * 1000
        for fd, events in self._poll.poll(timeout):
            callback = self._callbacks.get(fd)  # an earlier callback of this turn may have forgotten it
            if callback:
                callback(events)
        now = time.monotonic()
        for number in [number for number, (at, _) in self._deadlines.items() if at <= now]:
            _, due = self._deadlines.pop(number)
            due()
