"""Framing: any cut of the bytes gives the same streams; a header costs nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import InvalidRequest
from sampan.wire.stdcopy import HEADER, Decoder, Stream, encode

FRAMES = st.lists(st.tuples(st.sampled_from(Stream), st.binary(max_size=50)), max_size=10)


def joined(pieces: list[tuple[Stream, bytes]]) -> list[tuple[Stream, bytes]]:
    """Neighbours of one stream made one; what order means to a reader."""
    found: list[tuple[Stream, bytes]] = []
    for stream, data in pieces:
        if not data:
            continue
        if found and found[-1][0] == stream:
            found[-1] = (stream, found[-1][1] + data)
        else:
            found.append((stream, data))
    return found


@given(FRAMES, st.data())
def test_a_decoder_does_not_care_where_its_input_was_cut(
    frames: list[tuple[Stream, bytes]], data: st.DataObject
) -> None:
    wire = b"".join(encode(stream, payload) for stream, payload in frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=20)))
    decoder, pieces = Decoder(), []
    for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        pieces += list(decoder.feed(wire[start:end]))
    assert joined(pieces) == joined(frames)
    assert decoder.is_between_frames


def test_a_cut_connection_is_noticed() -> None:
    decoder = Decoder()
    list(decoder.feed(encode(Stream.STDOUT, b"abc")[:-1]))
    assert not decoder.is_between_frames


def test_a_promise_of_four_gigabytes_costs_nothing() -> None:
    decoder = Decoder()
    assert list(decoder.feed(HEADER.pack(1, (1 << 32) - 1) + b"x")) == [(Stream.STDOUT, b"x")]


def test_an_unknown_stream_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="Unrecognized stream: 4"):
        list(Decoder().feed(HEADER.pack(4, 0)))
