"""How is the rate of an interface limited?

tc(8) by way of pyroute2, which is imported when the first limit is asked for. Calls wait for the kernel, and speak to
the network namespace of the thread. Failures are OSErrors with the kernel's number.
"""

import errno
import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

ROOT, INGRESS = 0xFFFFFFFF, 0xFFFF0000
ETH_P_ALL = 0x0003


def limit(interface: str, *, rate: int, burst: int) -> None:
    """Let no more than `rate` bytes a second out of an interface, `burst` bytes at once (tc-tbf(8))."""
    index = _index(interface)
    with _queues() as talk:
        _do(
            lambda: talk.tc("replace", "tbf", index, 0x10000, rate=rate, burst=burst, latency="50ms", parent=ROOT),
            interface,
        )


def send_through(interface: str, other: str) -> None:
    """Let all that comes in on an interface go through the queue of `other` (tc-mirred(8))."""
    index = _index(interface)
    action = {"kind": "mirred", "direction": "egress", "action": "redirect", "ifindex": _index(other)}
    with _queues() as talk:
        try:
            _do(lambda: talk.tc("add", "ingress", index, INGRESS), interface)
        except OSError as error:
            if error.errno != errno.EEXIST:
                raise
        # One filter that every packet matches, whatever its protocol.
        _do(
            lambda: talk.tc(
                "replace-filter", "u32", index, parent=INGRESS, prio=1, protocol=ETH_P_ALL, target=0x10001,
                keys=["0x0/0x0+0"], action=action,
            ),
            interface,
        )  # fmt: skip


def _index(interface: str) -> int:
    try:
        return socket.if_nametoindex(interface)
    except OSError:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), interface) from None


@contextmanager
def _queues() -> Iterator[Any]:
    from pyroute2 import IPRoute

    logging.getLogger("pyroute2").setLevel(logging.WARNING)  # it tells of every message
    with IPRoute() as talk:
        yield talk


def _do(work: Callable[[], Any], about: str) -> None:
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        work()
    except NetlinkError as error:
        raise OSError(error.code, os.strerror(error.code), about) from None
