"""How do the times in images become numbers, and numbers times?

RFC 3339 with up to nine digits of a second (what Go writes); Python's datetime would cut them to six.
"""

import calendar
import re
import time

from sampan.errors import InvalidRequest

NEVER = "0001-01-01T00:00:00Z"
"""What Go writes for a time that was never set."""

_RFC3339 = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,18}))?(?:[Zz]|([+-])(\d{2}):(\d{2}))"
)


def rfc3339(unix_ns: int) -> str:
    """A moment as Go prints it: UTC, trailing zeros of the fraction dropped."""
    seconds, fraction = divmod(unix_ns, 10**9)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    digits = f"{fraction:09}".rstrip("0")
    return f"{text}.{digits}Z" if digits else f"{text}Z"


def unix_ns(text: str) -> int:
    """The moment that RFC 3339 text names. Raises InvalidRequest."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise InvalidRequest(f"{text[:64]!r} is not an RFC 3339 time")
    fields = tuple(int(match[index]) for index in range(1, 7))
    if not (1 <= fields[1] <= 12 and 1 <= fields[2] <= 31 and fields[3] < 24 and fields[4] < 60 and fields[5] <= 60):
        raise InvalidRequest(f"{text[:64]!r} is not an RFC 3339 time")
    seconds = calendar.timegm((*fields, 0, 0, 0))
    if match[8]:
        offset = int(match[9]) * 3600 + int(match[10]) * 60
        seconds -= offset if match[8] == "+" else -offset
    return seconds * 10**9 + int((match[7] or "").ljust(9, "0")[:9] or 0)


def unix_seconds(text: str) -> int:
    """The moment in whole seconds; for text that is no time, what Go's zero time gives."""
    try:
        return unix_ns(text) // 10**9
    except InvalidRequest:
        return unix_ns(NEVER) // 10**9
