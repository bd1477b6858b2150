"""How is a network namespace made, and something done inside of one, without leaving the process?

network_namespaces(7), setns(2). A namespace is a property of a thread: one that enters another comes back before it
does anything else. A namespace lives as long as a process is in it, or a descriptor of it is open.
"""

import os
from collections.abc import Callable
from typing import TypeVar

from sampan.linux.sched import CloneFlag, setns, unshare

OWN = "/proc/thread-self/ns/net"
T = TypeVar("T")


def make(prepare: Callable[[], None] | None = None) -> int:
    """A descriptor of a new network namespace, owned by the caller's user namespace; `prepare` runs inside first."""

    def first() -> int:
        if prepare is not None:
            prepare()
        return os.open(OWN, os.O_RDONLY | os.O_CLOEXEC)

    return _away(lambda: unshare(CloneFlag.NEWNET), first)


def inside(namespace: int, function: Callable[[], T]) -> T:
    """What `function` returns, called by this thread inside the namespace behind a descriptor.

    Sockets that it opens stay of that namespace wherever they are used later; /proc/sys/net is that namespace's.
    """
    return _away(lambda: setns(namespace, CloneFlag.NEWNET), function)


def open_of(path: str) -> int:
    """A descriptor of the namespace at `path`, such as /proc/PID/ns/net. ENOENT when that process is gone."""
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _away(go: Callable[[], None], function: Callable[[], T]) -> T:
    home = os.open(OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        go()
        try:
            return function()
        finally:
            try:
                setns(home, CloneFlag.NEWNET)
            except OSError:
                # A thread that stayed in a container's network would serve the next request there.
                os.abort()
    finally:
        os.close(home)
