"""Are netlink attributes packed so that they can be read again, and is rubbish read without harm?"""

from hypothesis import given
from hypothesis import strategies as st

from sampan.linux import nlattr


@given(st.lists(st.tuples(st.integers(1, 100), st.binary(max_size=40))))
def test_there_and_back(pairs: list[tuple[int, bytes]]) -> None:
    packed = b"".join(nlattr.attribute(kind, value) for kind, value in pairs)
    assert len(packed) % 4 == 0
    assert list(nlattr.attributes(packed)) == pairs
    assert nlattr.unpack(nlattr.nested(7, packed))[7] == packed


@given(st.binary(max_size=100))
def test_rubbish(data: bytes) -> None:
    assert all(isinstance(value, bytes) for _, value in nlattr.attributes(data))
