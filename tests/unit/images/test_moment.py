"""Times with nine digits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import InvalidRequest
from sampan.images.moment import NEVER, rfc3339, unix_ns, unix_seconds


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:30:00-00:30", 0),
        ("2026-11-23T23:17:20.654396694Z", 1795475840654396694),
        (NEVER, -62135596800 * 10**9),
    ],
)
def test_a_time_is_a_number(text: str, ns: int) -> None:
    assert unix_ns(text) == ns


@given(st.integers(0, 4 * 10**18))
def test_a_number_is_a_time(ns: int) -> None:
    assert unix_ns(rfc3339(ns)) == ns


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01T00:00:00Z", "2026-01-01", "2026-01-01T25:00:00Z"])
def test_nonsense_is_refused_and_counts_as_never(text: str) -> None:
    with pytest.raises(InvalidRequest):
        unix_ns(text)
    assert unix_seconds(text) == unix_seconds(NEVER)
