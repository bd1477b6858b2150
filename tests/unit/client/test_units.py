"""Do sizes and times read as docker writes them? The values are docker's own (go-units, and `docker` 28.2)."""

import pytest

from sampan.client.units import ago, binary_size, decimal_size, duration, parse_timestamp


@pytest.mark.parametrize(
    ("size", "three", "four"),
    [
        (0, "0B", "0B"),
        (999, "999B", "999B"),
        (1000, "1kB", "1kB"),
        (1_982_000, "1.98MB", "1.982MB"),
        (215_400_000, "215MB", "215.4MB"),
        (999_999, "1e+03kB", "1000kB"),
        (5 * 10**12, "5TB", "5TB"),
    ],
)
def test_decimal_sizes(size: int, three: str, four: str) -> None:
    assert (decimal_size(size, 3), decimal_size(size)) == (three, four)


def test_binary_sizes() -> None:
    assert [binary_size(size) for size in (512, 1024, 25_276_000_000)] == ["512B", "1KiB", "23.54GiB"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "Less than a second"),
        (1.9, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (120, "2 minutes"),
        (3599, "59 minutes"),
        (3600, "About an hour"),
        (3600 * 1.49, "About an hour"),
        (3600 * 1.5, "2 hours"),
        (3600 * 47, "47 hours"),
        (86400 * 2, "2 days"),
        (86400 * 13, "13 days"),
        (86400 * 14, "2 weeks"),
        (86400 * 59, "8 weeks"),
        (86400 * 60, "2 months"),
        (86400 * 729, "24 months"),
        (86400 * 730, "2 years"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_ago() -> None:
    assert ago(1000.0, 1005.0) == "5 seconds ago"


def test_timestamps() -> None:
    assert parse_timestamp("1970-01-01T00:00:01.5Z") == 1.5
    assert parse_timestamp("1970-01-01T01:00:01+01:00") == 1.0
    assert parse_timestamp("0001-01-01T00:00:00Z") == 0.0
    assert parse_timestamp("") == 0.0
