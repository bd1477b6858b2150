"""Strict JSON: two readers never see two meanings (security.md P8, C18)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import InvalidRequest
from sampan.oci.strict import MAX_DEPTH, decode, encode


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b'{"a":1,"a":2}', "duplicate key 'a'"),
        (b'{"a":{"b":1,"b":1}}', "duplicate key 'b'"),
        (b"NaN", "not a JSON number"),
        (b"[Infinity]", "not a JSON number"),
        (b"[-Infinity]", "not a JSON number"),
        (b'"\\ud800"', "half a surrogate pair"),
        (b'{"\\udfff":1}', "half a surrogate pair"),
        (b'"\xff"', "not UTF-8 at byte 1"),
        (b"{} {}", "Extra data"),
        (b"", "Expecting value"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "nested more than"),
        (b"[" * 100_000, "nested more than"),
        (b'{"a":' * 50_000, "nested more than"),
        (b"1" * 5000, "too many digits"),
        (b"{'a':1}", "Expecting property name"),
        (b"[1,]", ""),
        (b'"\x01"', "control character"),
        (b"\xef\xbb\xbf{}", ""),
    ],
)
def test_an_ambiguous_document_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(InvalidRequest, match="config is not valid JSON") as caught:
        decode(data, what="config")
    assert problem in str(caught.value)


def test_a_large_document_is_refused_before_it_is_read() -> None:
    with pytest.raises(InvalidRequest, match="too large"):
        decode(b" " * 101, max_bytes=100)


def test_brackets_in_strings_do_not_count() -> None:
    assert decode(json.dumps(["[" * 500, '"\\[' * 100]).encode()) == ["[" * 500, '"\\[' * 100]


def test_surrogate_pairs_are_one_character() -> None:
    assert decode(b'"\\ud83d\\ude00"') == "😀"


def test_go_escapes_what_browsers_might_run() -> None:
    assert encode({"a": "<&>\u2028é"}) == '{"a":"\\u003c\\u0026\\u003e\\u2028é"}'.encode()


texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_what_is_written_is_read_back(value: object) -> None:
    assert decode(encode(value)) == value
    assert json.loads(encode(value)) == value


@given(st.binary(max_size=100))
def test_no_bytes_make_anything_but_a_value_or_an_invalid_request(data: bytes) -> None:
    try:
        decode(data)
    except InvalidRequest:
        pass
