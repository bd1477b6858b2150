"""Are sizes, CPU counts, durations and pairs read as docker reads them?"""

import pytest

from sampan.cli.values import (
    as_map,
    read_bytes,
    read_cpus,
    read_duration,
    read_environment,
    read_pair,
    read_swap,
    read_uint16,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("5", 5),
        ("5b", 5),
        ("1k", 1024),
        ("1KB", 1024),
        ("1kib", 1024),
        ("1.5g", 3 << 29),
        ("64m", 64 << 20),
        ("1 m", 1 << 20),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert read_bytes(text) == size


@pytest.mark.parametrize("text", ["", "x", "-1", "1x", "1.2.3", ".", "m", "1mm", "0x10", "१"])
def test_bad_sizes(text: str) -> None:
    with pytest.raises(ValueError, match="invalid size"):
        read_bytes(text)


def test_swap_may_be_unlimited() -> None:
    assert (read_swap("-1"), read_swap("1k")) == (-1, 1024)


@pytest.mark.parametrize(
    ("text", "nano"), [("1", 10**9), ("0.5", 5 * 10**8), (".25", 25 * 10**7), ("1.000000001", 10**9 + 1)]
)
def test_cpus(text: str, nano: int) -> None:
    assert read_cpus(text) == nano


@pytest.mark.parametrize("text", ["x", "", "-1", "1.0000000001", "1e3"])
def test_bad_cpus(text: str) -> None:
    with pytest.raises(ValueError, match=r"rational|precise"):
        read_cpus(text)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("30s", 30 * 10**9),
        ("1m30s", 90 * 10**9),
        ("500ms", 5 * 10**8),
        ("1.5h", 5400 * 10**9),
        ("-1s", -(10**9)),
        ("7us", 7000),
    ],
)
def test_durations(text: str, nanoseconds: int) -> None:
    assert read_duration(text) == nanoseconds


@pytest.mark.parametrize("text", ["", "-", "5", "s", "1x", "1s1", "1.1.1s", "1 s"])
def test_bad_durations(text: str) -> None:
    with pytest.raises(ValueError, match="invalid duration"):
        read_duration(text)


def test_uint16() -> None:
    assert read_uint16("65535") == 65535
    for text in ("-1", "65536", "x"):
        with pytest.raises(ValueError, match=r"must|not a"):
            read_uint16(text)


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPAN_TEST_A", "1=2")
    monkeypatch.delenv("SAMPAN_TEST_B", raising=False)
    assert [read_environment(text) for text in ("A=", "SAMPAN_TEST_A", "SAMPAN_TEST_B")] == [
        "A=",
        "SAMPAN_TEST_A=1=2",
        "SAMPAN_TEST_B",
    ]
    with pytest.raises(ValueError, match="invalid environment variable: =x"):
        read_environment("=x")


def test_pairs() -> None:
    assert as_map([read_pair("a=b=c"), read_pair("d")]) == {"a": "b=c", "d": ""}
    with pytest.raises(ValueError, match="empty name"):
        read_pair("=x")
