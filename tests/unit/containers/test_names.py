"""Is a name like Docker's, unique, and found again?"""

import re

import pytest

from sampan.containers import names
from sampan.errors import InvalidRequest, NotFound

IDS = {"aaaa1": 1, "aaab2": 2, "cccc": 3}
NAMES = {"web": "aaaa1", "aaab": "cccc"}


def test_ids_are_64_hex_digits_that_do_not_begin_like_a_number() -> None:
    for _ in range(200):
        identifier = names.new_id()
        assert re.fullmatch(r"[0-9a-f]{64}", identifier)
        assert not identifier[:12].isdecimal()


def test_invented_names_are_legal_and_the_lists_hold_no_word_twice() -> None:
    for _ in range(200):
        assert names.check(names.invent(lambda name: False, "i" * 64))
    for words in (names.ADJECTIVES, names.SURNAMES):
        assert len(set(words)) == len(words) > 100
        assert all(re.fullmatch("[a-z]+", word) for word in words)


def test_when_every_name_is_taken_the_short_id_serves() -> None:
    assert names.invent(lambda name: True, "abcdef0123456789") == "abcdef012345"


@pytest.mark.parametrize("name", ["a", "/a", "_ab", "a/b", "a b", "", "/", "ä1", "a\n", "-a"])
def test_illegal_names(name: str) -> None:
    with pytest.raises(InvalidRequest, match="only"):
        names.check(name)


def test_a_leading_slash_is_not_part_of_the_name() -> None:
    assert names.check("/ab") == "ab"


@pytest.mark.parametrize(
    ("reference", "found"),
    [("aaaa1", "aaaa1"), ("web", "aaaa1"), ("/web", "aaaa1"), ("c", "cccc"), ("aaab", "cccc"), ("aaab2", "aaab2")],
)
def test_an_id_then_a_name_then_a_beginning(reference: str, found: str) -> None:
    assert names.resolve(reference, NAMES, IDS) == found


def test_what_means_nothing_or_two_things() -> None:
    for reference in ("", "nope", "/"):
        with pytest.raises(NotFound, match=f"^No such container: {reference}$"):
            names.resolve(reference, NAMES, IDS)
    with pytest.raises(InvalidRequest, match=r"^Multiple IDs found with provided prefix: aa$"):
        names.resolve("aa", NAMES, IDS)
