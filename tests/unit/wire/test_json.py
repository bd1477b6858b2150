"""Strict JSON: what a lenient decoder would let pass is refused, with a sentence (G15)."""

import json as plain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import InvalidRequest
from sampan.wire import json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), 1 << 63) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=4), inner, max_size=4),
    max_leaves=12,
).filter(lambda value: "\\u0000" not in plain.dumps(value))


@given(VALUES)
def test_json_of_honest_clients_is_read_as_it_is(value: object) -> None:
    assert json.parse(plain.dumps(value).encode()) == value
    assert json.parse(plain.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "invalid JSON: got EOF while reading request body"),
        (b" \n", "invalid JSON: got EOF while reading request body"),
        (b'{"a":1,"a":2}', "'a' is given twice"),
        (b'[{"b":{"a":1,"a":1}}]', "'a' is given twice"),
        (b'{"a":NaN}', "NaN is not a number"),
        (b"[-Infinity]", "-Infinity is not a number"),
        (b'{"a":1} {"b":2}', "unexpected content after JSON"),
        (b'{"a":1} x', "unexpected content after JSON"),
        (b'"\xff"', "not UTF-8"),
        (rb'"\ud800"', "half a surrogate pair"),
        (rb'{"\udfff":1}', "half a surrogate pair"),
        (rb'["a\u0000b"]', "NUL"),
        (b"[" * 65 + b"]" * 65, "nested"),
        (b"[" * 1_000_000, "nested"),
        (b"[" + b"9" * 5000 + b"]", "too many digits"),
        (b"{", "invalid JSON: "),
        (b"'a'", "invalid JSON: "),
        (b"[1,]", "invalid JSON: "),
        (b"\xef\xbb\xbf{}", "invalid JSON: "),
    ],
)
def test_what_is_not_strict_json_is_refused(body: bytes, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=r"JSON") as caught:
        json.parse(body)
    assert sentence in str(caught.value)


def test_brackets_in_strings_are_not_depth() -> None:
    text = "[{" * 100 + '"'
    assert json.parse(plain.dumps([text]).encode()) == [text]


def test_as_deep_as_the_limit_is_not_too_deep() -> None:
    assert json.parse(b"[" * 64 + b"]" * 64) is not None


def test_more_bytes_than_the_limit_are_refused_unread() -> None:
    with pytest.raises(InvalidRequest, match="more than the limit of 10"):
        json.parse(b" " * 11, limit=10)


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert json.parse(rb'"\\u0000"') == r"\u0000"


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_an_invalid_request(data: bytes) -> None:
    try:
        json.parse(data)
    except InvalidRequest:
        pass
