"""Which moment does `since`, `until` or a prune filter name?

Forms (Docker's command line and API together): unix seconds with up to nine decimals · RFC 3339 with or without zone,
seconds and time · a Go duration (`1h30m`, `500ms`), which means that long before now. The result is unix nanoseconds,
as int: a float would lose the last hundred. Standard library only, shared with the client.
"""

import re
import time
from datetime import UTC, datetime

from sampan.errors import InvalidRequest

SECOND = 1_000_000_000
_UNIX = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]{1,9})[0-9]*)?\Z")
_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:T([0-9]{2})(?::([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9})[0-9]*)?)?)?)?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})?\Z"
)
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_UNITS = {
    "ns": 1, "us": 1_000, "µs": 1_000, "μs": 1_000, "ms": 1_000_000, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND,
}  # fmt: skip


def parse(text: str, *, now_ns: int | None = None) -> int:
    """The moment `text` names, in unix nanoseconds; raises InvalidRequest."""
    if match := _UNIX.match(text):
        sign, seconds, fraction = match.groups()
        nanoseconds = int(seconds) * SECOND + int((fraction or "").ljust(9, "0"))
        return -nanoseconds if sign else nanoseconds
    if match := _RFC3339.match(text):
        return _moment(text, match)
    try:
        before = duration(text)
    except InvalidRequest:
        raise InvalidRequest(f"failed to parse value as time or duration: {text!r}") from None
    return (time.time_ns() if now_ns is None else now_ns) - before


def optional(text: str | None) -> int | None:
    """Like `parse`, but "" and "0" (what clients send for "no limit") are None."""
    return None if not text or text == "0" else parse(text)


def _moment(text: str, match: re.Match[str]) -> int:
    date, hour, minute, second, fraction, zone = match.groups()
    try:
        at = datetime.fromisoformat(f"{date}T{hour or '00'}:{minute or '00'}:{second or '00'}{zone or ''}")
    except ValueError as error:
        raise InvalidRequest(f"invalid time {text!r}: {error}") from None
    # Without a zone it is the local one, as on Docker's command line.
    return int(at.timestamp()) * SECOND + int((fraction or "").ljust(9, "0"))


def duration(text: str) -> int:
    """A Go duration in nanoseconds (`time.ParseDuration`); raises InvalidRequest."""
    rest = text.removeprefix("-").removeprefix("+")
    if rest == "0":
        return 0
    total, position = 0, 0
    while position < len(rest) and (match := _DURATION.match(rest, position)):
        whole, _, fraction = match[1].partition(".")
        unit = _UNITS[match[2]]
        # Fractions in integers: 0.1 as a float is not a tenth.
        total += int(whole or "0") * unit + int(fraction or "0") * unit // 10 ** len(fraction)
        position = match.end()
    if not rest or position != len(rest):
        raise InvalidRequest(f"time: invalid duration {text!r}")
    return -total if text.startswith("-") else total


def rfc3339_nano(nanoseconds: int) -> str:
    """Unix nanoseconds the way Docker writes times: UTC, trailing zeros cut; 0 is Go's zero time."""
    if nanoseconds == 0:
        return "0001-01-01T00:00:00Z"
    seconds, rest = divmod(nanoseconds, SECOND)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{rest:09d}".rstrip("0")
    return f"{whole}.{fraction}Z" if fraction else f"{whole}Z"
