"""Are the detach keys found in what is typed, wherever it is cut?"""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sampan.runtime.input import DetachKeys


@given(st.binary(max_size=30), st.lists(st.integers(0, 40), max_size=5))
def test_without_the_sequence_everything_typed_arrives(typed: bytes, cuts: list[int]) -> None:
    typed = typed.replace(b"\x11", b"")  # no ctrl-q: the sequence cannot be complete
    keys = DetachKeys(b"\x10\x11")
    edges = [0, *sorted(cuts), len(typed)]
    passed = b""
    for start, end in pairwise(edges):
        piece, detached = keys.filter(typed[start:end])
        assert not detached
        passed += piece
    # One ctrl-p at the very end is held back: it may be the beginning of the sequence.
    assert passed in (typed, typed.removesuffix(b"\x10"))


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_the_sequence_detaches_and_is_not_passed_on(before: bytes, after: bytes) -> None:
    before = before.replace(b"\x10", b"")
    passed, detached = DetachKeys(b"\x10\x11").filter(before + b"\x10\x11" + after)
    assert detached
    assert passed == before


def test_no_keys_means_no_detaching() -> None:
    assert DetachKeys(b"").filter(b"\x10\x11") == (b"\x10\x11", False)
