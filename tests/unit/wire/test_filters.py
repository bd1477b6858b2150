"""Filters come in two shapes and mean one thing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import InvalidRequest
from sampan.wire.filters import Filters, parse, render

WORDS = st.text("abc=!", min_size=1, max_size=5)


@given(st.dictionaries(WORDS, st.lists(WORDS, min_size=1, unique=True)))
def test_both_shapes_mean_the_same(terms: dict[str, list[str]]) -> None:
    from json import dumps

    assert parse(render(terms)) == parse(dumps(terms))


@pytest.mark.parametrize("nothing", [None, "", "{}"])
def test_nothing_is_no_filter(nothing: str | None) -> None:
    assert not parse(nothing)


@pytest.mark.parametrize("wrong", ["x", "[]", '{"a":"b"}', '{"a":[1]}', '{"a":{"b":1},"a":{}}', "null"])
def test_other_shapes_are_refused(wrong: str) -> None:
    with pytest.raises(InvalidRequest):
        parse(wrong)


def test_an_unknown_filter_is_refused_in_dockerds_words() -> None:
    with pytest.raises(InvalidRequest, match=r"^invalid filter 'foo'$"):
        parse('{"foo":["x"]}').check({"status"})


def test_a_flag_is_one_answer() -> None:
    assert parse('{"dangling":["1"]}').flag("dangling") is True
    assert parse('{"dangling":{"false":true}}').flag("dangling") is False
    assert parse("").flag("dangling", True) is True
    for contradiction in ('{"dangling":["true","false"]}', '{"dangling":["x"]}'):
        with pytest.raises(InvalidRequest, match="invalid filter 'dangling="):
            parse(contradiction).flag("dangling")


@pytest.mark.parametrize(
    ("terms", "holds"),
    [
        ({"label": ("a",)}, True),
        ({"label": ("a=1",)}, True),
        ({"label": ("a=2",)}, False),
        ({"label": ("a=1", "b")}, False),
        ({"label!": ("a",)}, False),
        ({"label!": ("b", "a=2")}, True),
        ({}, True),
    ],
)
def test_all_labels_must_hold(terms: dict[str, tuple[str, ...]], holds: bool) -> None:
    assert Filters(terms).labels_match({"a": "1"}) is holds
