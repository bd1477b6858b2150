"""How do people read sizes, durations and points in time? docker's wording, to the letter."""

from __future__ import annotations

import time

DECIMAL_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")
BINARY_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")
MINUTE, HOUR, DAY = 60, 3600, 86400


def scaled(size: float, base: float, units: tuple[str, ...], digits: int) -> str:
    """A size in the largest unit that keeps it at 1 or more."""
    unit = 0
    while size >= base and unit < len(units) - 1:
        size /= base
        unit += 1
    return f"{size:.{digits}g}{units[unit]}"


def decimal_size(size: float, digits: int = 4) -> str:
    """`215.4MB`: powers of 1000; images show three digits, everything else four."""
    return scaled(size, 1000.0, DECIMAL_UNITS, digits)


def binary_size(size: float) -> str:
    """`23.54GiB`: powers of 1024, for memory."""
    return scaled(size, 1024.0, BINARY_UNITS, 4)


def duration(seconds: float) -> str:
    """`About an hour`, `3 weeks`: how long something has been, roughly."""
    whole = int(seconds)
    if whole < 1:
        return "Less than a second"
    if whole == 1:
        return "1 second"
    if whole < MINUTE:
        return f"{whole} seconds"
    minutes = int(seconds / MINUTE)
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    hours = int(seconds / HOUR + 0.5)
    if hours == 1:
        return "About an hour"
    if hours < 48:
        return f"{hours} hours"
    for limit, days, name in ((14, 1, "days"), (60, 7, "weeks"), (730, 30, "months")):
        if hours < 24 * limit:
            return f"{hours // 24 // days} {name}"
    return f"{int(seconds / HOUR) // 24 // 365} years"


def ago(moment: float, now: float | None = None) -> str:
    """`2 minutes ago` for a time in seconds since the epoch."""
    return duration((time.time() if now is None else now) - moment) + " ago"


def timestamp(moment: float) -> str:
    """`2026-11-23 23:24:55 +0000 UTC`, in our time zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(moment))


def parse_timestamp(text: str) -> float:
    """The seconds since the epoch of an RFC 3339 time as engines write it; 0.0 for Go's zero time or none."""
    if not text or text.startswith("0001-"):
        return 0.0
    from datetime import datetime

    whole, point, rest = text.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))] if point else ""
    zone = rest[len(digits) :] if point else whole[19:]
    moment = datetime.fromisoformat(whole[:19] + ("+00:00" if zone in ("Z", "") else zone)).timestamp()
    return moment + (int(digits[:9].ljust(9, "0")) / 1e9 if digits else 0.0)
