"""Words of instructions, as docker's builder cuts and expands them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import InvalidRequest
from sampan.images.words import cut, expand

VARIABLES = {"A": "b", "EMPTY": "", "P": "/a/b/c.tar.gz"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a b  c", ["a", "b", "c"]),
        ("", []),
        ("  ", []),
        ('a="b c" d', ['a="b c"', "d"]),
        ("a='b c' d", ["a='b c'", "d"]),
        (r"a=b\ c d", [r"a=b\ c", "d"]),
        ('a="b\\" c" d', ['a="b\\" c"', "d"]),
        ("a='b\\' c", ["a='b\\'", "c"]),
        ('"" x', ['""', "x"]),
        ('a="it\'s" b', ['a="it\'s"', "b"]),
    ],
)
def test_words_end_at_blanks_outside_of_quotes(text: str, words: list[str]) -> None:
    assert cut(text) == words


@pytest.mark.parametrize(
    ("word", "expanded"),
    [
        ("plain", "plain"),
        ("$A", "b"),
        ("${A}x", "bx"),
        ("$Ax", ""),
        ("$NONE", ""),
        ("'$A'", "$A"),
        ('"$A"', "b"),
        (r"\$A", "$A"),
        (r'"\$A\x"', r"$A\x"),
        (r"a\ b", "a b"),
        ("a$", "a$"),
        ("${NONE:-x}", "x"),
        ("${EMPTY:-x}", "x"),
        ("${EMPTY-x}", ""),
        ("${A:-x}", "b"),
        ("${A:+x}", "x"),
        ("${EMPTY:+x}", ""),
        ("${EMPTY+x}", "x"),
        ("${NONE:-${A}c}", "bc"),
        ("${A:?gone}", "b"),
        ("${P#*/}", "a/b/c.tar.gz"),
        ("${P##*/}", "c.tar.gz"),
        ("${P%.*}", "/a/b/c.tar"),
        ("${P%%.*}", "/a/b/c"),
        ("${P%x}", "/a/b/c.tar.gz"),
        ("${P#?a}", "/b/c.tar.gz"),
        ("${P/a/x}", "/x/b/c.tar.gz"),
        ("${P//a/x}", "/x/b/c.txr.gz"),
        (r"${P//\//-}", "-a-b-c.tar.gz"),
        ("${P/b*r/}", "/a/.gz"),
        ("${NONE#x}", ""),
        ("some  thing", "some  thing"),
        ("'a'\"b\"c", "abc"),
    ],
)
def test_quotes_go_and_variables_become_values(word: str, expanded: str) -> None:
    assert expand(word, VARIABLES) == expanded


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ('"x', 'failed to process "\\"x": unexpected end of statement while looking for matching double-quote'),
        ("'x", 'failed to process "\'x": unexpected end of statement while looking for matching single-quote'),
        ("${A", 'failed to process "${A": unsupported modifier () in substitution'),
        ("${A:-x", "failed to process \"${A:-x\": syntax error: missing '}'"),
        ("${A~x}", 'failed to process "${A~x}": unsupported modifier (~) in substitution'),
        ("${}", 'failed to process "${}": syntax error: bad substitution'),
        ("${NONE:?gone}", 'failed to process "${NONE:?gone}": NONE: gone'),
    ],
)
def test_what_is_open_or_unknown_is_refused(word: str, sentence: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        expand(word, VARIABLES)
    assert str(caught.value) == sentence


@given(st.text(st.sampled_from("aA${}:-+?'\"\\ "), max_size=20))
def test_no_word_breaks_the_parser(word: str) -> None:
    cut(word)
    try:
        expand(word, VARIABLES)
    except InvalidRequest:
        pass


@given(st.text(st.characters(exclude_characters="'", exclude_categories=["Cs"])))
def test_single_quotes_keep_everything(text: str) -> None:
    assert expand(f"'{text}'", VARIABLES) == text
