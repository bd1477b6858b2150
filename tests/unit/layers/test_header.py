"""Are tar's fields read as every other program reads them, and refused where programs differ?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.layers.header import (
    BadLayer,
    parse_decimal,
    parse_number,
    parse_records,
    parse_time,
    text,
    verify_checksum,
)
from unit.layers.crafted import base256, header, records


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (b"0000644\0", 0o644),
        (b"   644 \0", 0o644),
        (b"644     ", 0o644),
        (b"00000644", 0o644),
        (b"\0" * 8, 0),
        (b"        ", 0),
        (b"\x80\0\0\0\0\0\0\x05", 5),
        (b"\xff" * 12, -1),
        (b"\xff" * 11 + b"\xfe", -2),
    ],
)
def test_numbers(field: bytes, value: int) -> None:
    assert parse_number(field) == value


@given(st.integers(-(1 << 62), 1 << 62))
def test_base_256_numbers_of_any_size(value: int) -> None:
    assert parse_number(base256(value, 12)) == value


@pytest.mark.parametrize(
    "field", [b"0o17\0", b"1_0\0", b"+7\0", b"-7\0", b"0x1\0", b"89\0", b"1 2\0", b"17\0" + b"7", b"\0" + b"17"]
)
def test_a_number_that_programs_read_differently_is_refused(field: bytes) -> None:
    with pytest.raises(BadLayer):
        parse_number(field)


def test_a_number_beyond_64_bits_is_refused() -> None:
    with pytest.raises(BadLayer):
        parse_number(b"\x80" + b"\xff" * 11)


def test_text_ends_at_the_first_nul() -> None:
    assert text(b"name\0rest") == b"name"
    assert text(b"n" * 100) == b"n" * 100


@given(st.binary(min_size=100, max_size=100).map(lambda name: name.replace(b"\0", b"x")))
def test_a_right_checksum_passes_and_any_flipped_bit_does_not(name: bytes) -> None:
    block = header(name)
    verify_checksum(block)
    with pytest.raises(BadLayer):
        verify_checksum(bytes([block[0] ^ 1]) + block[1:])


def test_a_signed_checksum_passes() -> None:
    block = header(b"\xff" * 100)
    unsigned = int(block[148:154], 8)
    verify_checksum(header(b"\xff" * 100, checksum=unsigned - 100 * 256))


@given(st.dictionaries(st.binary(min_size=1).filter(lambda key: b"=" not in key), st.binary()))
def test_records_are_read_back(values: dict[bytes, bytes]) -> None:
    assert parse_records(records(values)) == values


def test_the_last_record_of_a_name_wins() -> None:
    assert parse_records(b"7 a=b1\n7 a=b2\n") == {b"a": b"b2"}


@pytest.mark.parametrize(
    "body",
    [
        b"5 a=b",
        b"9 a=b\n",
        b"06 a=b\n\0",
        b"6 a b\n",
        b"5 =b\n",
        b"-6 a=b\n",
        b"a=b\n",
        b"0 a=b\n",
        b"3 \n",
        b" a=b\n",
        b"99999999999999999999 a=b\n",
        b"6 a=b\n\0",
    ],
)
def test_a_malformed_record_is_refused(body: bytes) -> None:
    with pytest.raises(BadLayer):
        parse_records(body)


def test_too_many_records_are_refused() -> None:
    with pytest.raises(BadLayer, match="more than 4096"):
        parse_records(records({b"%d" % number: b"" for number in range(4097)}))


@pytest.mark.parametrize(
    ("value", "nanoseconds"),
    [
        (b"0", 0),
        (b"1.5", 1_500_000_000),
        (b"1700000000.123456789", 1_700_000_000_123_456_789),
        (b"1.0000000019", 1_000_000_001),
        (b"-1.25", -1_250_000_000),
        (b"7.", 7_000_000_000),
    ],
)
def test_times(value: bytes, nanoseconds: int) -> None:
    assert parse_time(value) == nanoseconds


@pytest.mark.parametrize(
    "value", [b"", b".5", b"1e9", b"0x1", b"1.x", b"1_0", b" 1", b"9" * 40, b"9" * 65, b"-", b"+1"]
)
def test_a_time_that_is_none_is_refused(value: bytes) -> None:
    with pytest.raises(BadLayer):
        parse_time(value)


@pytest.mark.parametrize("value", [b"-1", b"+1", b"1.0", b"", b"1_0", b"9" * 20, b" 1"])
def test_a_decimal_that_is_none_is_refused(value: bytes) -> None:
    with pytest.raises(BadLayer):
        parse_decimal(value)
