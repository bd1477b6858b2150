"""Do the detach keys detach, and does everything else reach the container?"""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sampan.client.detach import Watcher

KEYS = b"\x10\x11"


@given(st.binary(max_size=60), st.lists(st.integers(0, 60)))
def test_without_the_keys_every_byte_goes_on(data: bytes, places: list[int]) -> None:
    data = data.replace(KEYS, b"")
    if KEYS in data:
        return
    watcher = Watcher(KEYS)
    edges = sorted({0, len(data), *(min(place, len(data)) for place in places)})
    out = b"".join(watcher.feed(data[a:b]) for a, b in pairwise(edges))
    assert not watcher.detached
    assert out + (KEYS[:1] if data.endswith(KEYS[:1]) else b"") == data


@given(st.binary(max_size=30), st.binary(max_size=30), st.integers(0, 60))
def test_the_keys_detach_wherever_the_input_is_cut(before: bytes, after: bytes, place: int) -> None:
    before = bytes(byte for byte in before if byte not in KEYS)
    data = before + KEYS + after
    watcher = Watcher(KEYS)
    out = watcher.feed(data[:place])
    out += b"" if watcher.detached else watcher.feed(data[place:])
    assert watcher.detached
    assert out == before


def test_a_false_start_may_be_the_start() -> None:
    watcher = Watcher(b"aab")
    assert watcher.feed(b"aa") == b""
    assert watcher.feed(b"ab") == b"a"
    assert watcher.detached
