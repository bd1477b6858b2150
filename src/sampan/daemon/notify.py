"""What does the service manager hear? sd_notify(3): lines of NAME=VALUE, one datagram, to the socket that it names.

Nothing happens when nobody asked: NOTIFY_SOCKET is unset.
"""

import asyncio
import os
import socket
import time

WATCHDOG_FRACTION = 3  # of the interval that the manager allows; sd_watchdog_enabled(3) says at least twice


def tell(*lines: str) -> None:
    """Send the lines, such as `READY=1`. A manager that cannot be reached is no reason to fail."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
        try:
            manager.sendto("\n".join(lines).encode(), address.replace("@", "\0", 1) if address[0] == "@" else address)
        except OSError:
            pass


def ready() -> None:
    """The API answers."""
    tell("READY=1", f"MAINPID={os.getpid()}", "STATUS=API listens")


def reloading() -> None:
    """The configuration is being read again."""
    tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def stopping() -> None:
    """The daemon ends; its containers do not."""
    tell("STOPPING=1")


async def keep_alive() -> None:
    """Say that the event loop turns, as often as the manager wants it, until cancelled."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    if not microseconds.isdigit() or os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return
    while True:
        tell("WATCHDOG=1")
        await asyncio.sleep(int(microseconds) / 1e6 / WATCHDOG_FRACTION)
