"""Moments and durations, to the nanosecond."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import InvalidRequest
from sampan.wire import timestamps

HOUR = 3600 * timestamps.SECOND
NOW = 1_700_000_000_000_000_000


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("1136073600", 1_136_073_600_000_000_000),
        ("1136073600.000000001", 1_136_073_600_000_000_001),
        ("1136073600.1", 1_136_073_600_100_000_000),
        ("2006-01-01T00:00:00Z", 1_136_073_600_000_000_000),
        ("2006-01-01T00:00:00.000000001Z", 1_136_073_600_000_000_001),
        ("2006-01-01T01:00:00+01:00", 1_136_073_600_000_000_000),
        ("1h30m", NOW - HOUR * 3 // 2),
        ("1.5h", NOW - HOUR * 3 // 2),
        ("10m", NOW - HOUR // 6),
    ],
)
def test_moments(text: str, nanoseconds: int) -> None:
    assert timestamps.parse(text, now_ns=NOW) == nanoseconds


@pytest.mark.parametrize("text", ["", "x", "1x", "2006-13-01T00:00:00Z", "--1", "1h 2m", "2006-01-01 00:00:00", "1e9"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        timestamps.parse(text)


@given(st.integers(1, 4_000_000_000 * timestamps.SECOND))
def test_what_is_written_is_read_back(nanoseconds: int) -> None:
    assert timestamps.parse(timestamps.rfc3339_nano(nanoseconds)) == nanoseconds
    seconds, rest = divmod(nanoseconds, timestamps.SECOND)
    assert timestamps.parse(f"{seconds}.{rest:09d}") == nanoseconds


def test_no_time_is_go_s_zero_time() -> None:
    assert timestamps.rfc3339_nano(0) == "0001-01-01T00:00:00Z"
    assert timestamps.optional("") is timestamps.optional("0") is None


@pytest.mark.parametrize(
    ("text", "nanoseconds"), [("0", 0), ("300ms", 300_000_000), ("-1s", -timestamps.SECOND), ("1us2ns", 1002)]
)
def test_durations(text: str, nanoseconds: int) -> None:
    assert timestamps.duration(text) == nanoseconds
