"""Which moment does `--since 10m`, `--until 2026-11-23` or a Unix time mean? Engines take seconds and nanoseconds."""

from __future__ import annotations

import time

from sampan.errors import InvalidRequest

UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def moment(text: str, now: float | None = None) -> str:
    """The moment as `SECONDS.NANOSECONDS` since the epoch. Raises InvalidRequest."""
    seconds, point, part = text.partition(".")
    if seconds.lstrip("-").isdigit() and (part.isdigit() or not point):
        return text
    elapsed = relative(text)
    if elapsed is not None:
        nanoseconds = int(((time.time() if now is None else now) - elapsed) * 1e9)
        return f"{nanoseconds // 10**9}.{nanoseconds % 10**9:09d}"
    return absolute(text)


def relative(text: str) -> float | None:
    """`1h30m` in seconds; None if it is no duration."""
    rest = text.removeprefix("-").removeprefix("+")
    total = 0.0
    while rest:
        number = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        rest = rest[len(number) :]
        unit = rest[: len(rest) - len(rest.lstrip("nuµmsh"))]
        if unit not in UNITS or not number or number.count(".") > 1 or number == ".":
            return None
        total += float(number) * UNITS[unit]
        rest = rest[len(unit) :]
    return (-total if text.startswith("-") else total) if text else None


def absolute(text: str) -> str:
    """An RFC 3339 date or time, in our time zone when it names none."""
    from datetime import datetime

    main, point, rest = text.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))] if point else ""
    try:
        parsed = datetime.fromisoformat(main + rest[len(digits) :])
        return f"{int(parsed.timestamp())}.{digits[:9]:0<9}"
    except (ValueError, OverflowError):
        raise InvalidRequest(
            f"failed to parse {text!r} as a time: use 2026-11-23T23:30:00Z, 10m (ten minutes ago), or Unix seconds"
        ) from None
