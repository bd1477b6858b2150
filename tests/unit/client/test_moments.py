"""Which moment is meant by `--since` and `--until`?"""

import pytest

from sampan.client.moments import moment
from sampan.errors import InvalidRequest

NOW = 1_700_000_000.5


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1700000000", "1700000000"),
        ("1700000000.000000001", "1700000000.000000001"),
        ("10s", "1699999990.500000000"),
        ("1h30m", "1699994600.500000000"),
        ("1.5s", "1699999999.000000000"),
        ("-10s", "1700000010.500000000"),
        ("2023-11-14T22:13:20Z", "1700000000.000000000"),
        ("2023-11-14T23:13:20+01:00", "1700000000.000000000"),
        ("2023-11-14T22:13:20.123456789Z", "1700000000.123456789"),
        ("2023-11-14T22:13:20.5+00:00", "1700000000.500000000"),
    ],
)
def test_moments(text: str, found: str) -> None:
    assert moment(text, NOW) == found


@pytest.mark.parametrize("text", ["yesterday", "10", "10x", "1.2.3s", "s", "2023-13-01", "."])
def test_what_is_no_moment_is_refused(text: str) -> None:
    if text == "10":
        assert moment(text) == "10"
        return
    with pytest.raises(InvalidRequest, match="as a time"):
        moment(text, NOW)
