"""Are a source's bytes handed out exactly, however they arrive?"""

import io

from hypothesis import given
from hypothesis import strategies as st

from sampan.layers.stream import Pieces, Stream


class Recorded(Stream):
    """A stream that keeps what arrived."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        chunks = iter(sizes)
        source = io.BytesIO(data)
        super().__init__(Chopped(source, chunks))
        self.seen = b""

    def arrived(self, chunk: bytes) -> None:
        """Keep the chunk."""
        self.seen += chunk


class Chopped:
    """A source that gives chunks of the sizes it is told, then all that is left."""

    def __init__(self, source: io.BytesIO, sizes: "object") -> None:
        self._source = source
        self._sizes = sizes

    def read(self, size: int, /) -> bytes:
        """One chunk."""
        return self._source.read(min(size, next(self._sizes, size)))  # type: ignore[call-overload, no-any-return]


@given(
    st.binary(max_size=300),
    st.lists(st.integers(1, 50), max_size=20),
    st.lists(st.tuples(st.booleans(), st.integers(0, 60))),
)
def test_reads_and_skips_are_exact(data: bytes, sizes: list[int], steps: list[tuple[bool, int]]) -> None:
    stream = Recorded(data, sizes)
    position = 0
    for skips, size in steps:
        expected = data[position : position + size]
        if skips:
            assert stream.skip(size) == len(expected)
        else:
            assert stream.read(size) == expected
        position += len(expected)
        assert stream.position == position
    assert stream.drain() == len(data) - position
    assert stream.seen == data


@given(st.lists(st.binary(max_size=20)), st.lists(st.integers(1, 30)))
def test_pieces_are_joined_and_cut(pieces: list[bytes], sizes: list[int]) -> None:
    source = Pieces(pieces)
    data = b"".join(pieces)
    for size in sizes:
        assert source.read(size) == data[:size]
        data = data[size:]
