"""Does decompression give every byte or an error, and never more than was allowed? (security catalogue C10, C12)"""

import bz2
import gzip
import io
import lzma
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.layers.compression import Budget, open_decompressed
from sampan.layers.header import BadLayer

DATA = b"".join(b"%d %d\n" % (number, number * number) for number in range(30_000))


def zstd(data: bytes) -> bytes:
    """One zstd frame."""
    return zstandard.ZstdCompressor().compress(data)


FORMATS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstd,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}
every_format = pytest.mark.parametrize("compress", FORMATS.values(), ids=FORMATS)


class Dribble(io.BytesIO):
    """A source that gives little at a time."""

    def __init__(self, data: bytes, most: int) -> None:
        super().__init__(data)
        self._most = most

    def read(self, size: int | None = -1, /) -> bytes:
        """At most `most` bytes."""
        return super().read(min(size or 0, self._most))


def decompressed(data: bytes, most: int = 1 << 20, budget: Budget | None = None) -> bytes:
    """All that comes out."""
    source = open_decompressed(Dribble(data, most), budget)
    pieces = []
    while piece := source.read(10_000):
        assert len(piece) <= 10_000
        pieces.append(piece)
    assert source.read(10) == b""
    return b"".join(pieces)


@every_format
@pytest.mark.parametrize("most", [1, 7, 1000, 1 << 20])
def test_what_went_in_comes_out(compress: Callable[[bytes], bytes], most: int) -> None:
    data = DATA[: 2000 if most == 1 else None]
    assert decompressed(compress(data), most) == data


@every_format
def test_members_in_a_row_are_one_stream(compress: Callable[[bytes], bytes]) -> None:
    assert decompressed(compress(DATA[:100]) + compress(b"") + compress(DATA[100:])) == DATA


@every_format
@pytest.mark.parametrize("most", [1, 1 << 20])
def test_zeros_behind_the_end_are_padding(compress: Callable[[bytes], bytes], most: int) -> None:
    assert decompressed(compress(b"data") + bytes(1000), most) == b"data"


def test_frames_to_skip_are_skipped() -> None:
    skippable = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"
    assert decompressed(skippable + zstd(DATA) + skippable) == DATA


@pytest.mark.parametrize("data", [b"", b"a", b"BZ", b"plain text", bytes(5000), DATA])
def test_what_has_no_magic_is_taken_as_it_is(data: bytes) -> None:
    assert decompressed(data, 3 if len(data) < 100 else 4096) == data


@every_format
def test_c12_an_end_in_the_middle_is_an_error(compress: Callable[[bytes], bytes]) -> None:
    packed = compress(DATA[:5000])
    for length in range(6, len(packed), max(1, len(packed) // 50)):
        with pytest.raises(BadLayer):
            decompressed(packed[:length])
    with pytest.raises(BadLayer):
        decompressed(packed[:-1])


@every_format
@pytest.mark.parametrize("rest", [b"x", b"garbage behind the end", b"\0\0\0x", b"\x1f\x8b", b"PK\3\4"])
def test_c13_anything_else_behind_the_end_is_an_error(compress: Callable[[bytes], bytes], rest: bytes) -> None:
    with pytest.raises(BadLayer):
        decompressed(compress(DATA) + rest)


def test_c13_another_format_behind_the_end_is_an_error() -> None:
    with pytest.raises(BadLayer):
        decompressed(gzip.compress(b"a") + zstd(b"b"))


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress, bz2.compress], ids=["gzip", "xz", "bzip2"])
def test_a_wrong_checksum_is_an_error(compress: Callable[[bytes], bytes]) -> None:
    packed = bytearray(compress(DATA))
    packed[len(packed) // 2] ^= 0x10
    with pytest.raises(BadLayer):
        decompressed(bytes(packed))
    tail = bytearray(gzip.compress(DATA))
    tail[-6] ^= 1
    with pytest.raises(BadLayer):
        decompressed(bytes(tail))


def zeros(compressor: "zlib._Compress | bz2.BZ2Compressor | lzma.LZMACompressor", mebibytes: int) -> bytes:
    """Many zeros, packed without holding them."""
    block = bytes(1 << 20)
    return b"".join([compressor.compress(block) for _ in range(mebibytes)]) + compressor.flush()


BOMBS: dict[str, Callable[[], bytes]] = {
    "gzip": lambda: zeros(zlib.compressobj(9, zlib.DEFLATED, 31), 200),
    "bzip2": lambda: zeros(bz2.BZ2Compressor(), 200),
    "xz": lambda: zeros(lzma.LZMACompressor(preset=6), 200),
    "zstd": lambda: zstandard.ZstdCompressor().compress(bytes(200 << 20)),
    "gzip in many members": lambda: zeros(zlib.compressobj(9, zlib.DEFLATED, 31), 20) * 10,
    # 128 KiB for each four bytes: all of it in less input than one read.
    "zstd run-length blocks": lambda: (
        b"\x28\xb5\x2f\xfd\x00\x58" + 20_000 * ((0x20000 << 3 | 2).to_bytes(3, "little") + b"\0")
    ),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_c10_a_bomb_is_an_error_after_a_bounded_amount(bomb: Callable[[], bytes]) -> None:
    source = open_decompressed(io.BytesIO(bomb()))
    tracemalloc.start()
    total = 0
    with pytest.raises(BadLayer, match="200 times"):
        while piece := source.read(1 << 20):
            total += len(piece)
    assert total <= (64 + 33) << 20
    assert tracemalloc.get_traced_memory()[1] < 100 << 20
    tracemalloc.stop()


def test_c10_a_layer_larger_than_the_budget_is_an_error() -> None:
    for data in (gzip.compress(DATA), DATA):
        with pytest.raises(BadLayer, match="larger than"):
            decompressed(data, budget=Budget(bytes_max=len(DATA) - 1))


def test_c10_a_window_of_2_gib_is_an_error() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=30)
    packed = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = packed.compress(DATA) + packed.flush()
    with pytest.raises(BadLayer, match="zstd"):
        decompressed(data)


def test_c10_a_dictionary_of_1_gib_is_an_error() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 1, "dict_size": 1 << 20}]
    packed = lzma.compress(DATA, filters=filters)
    assert decompressed(packed) == DATA
    # The dictionary's size is one byte of the block header, whose CRC32 ends the header.
    size = (packed[12] + 1) * 4
    header = bytearray(packed[12 : 12 + size - 4])
    header[header.index(b"\x21\x01") + 2] = 36  # 1 GiB
    hostile = packed[:12] + bytes(header) + zlib.crc32(header).to_bytes(4, "little") + packed[12 + size :]
    with pytest.raises(BadLayer, match="xz"):
        decompressed(hostile)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(list(FORMATS)), st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=4))
def test_damage_never_ends_in_anything_but_bad_layer(name: str, damages: list[tuple[int, int]]) -> None:
    packed = bytearray(FORMATS[name](DATA[:3000]))
    for position, value in damages:
        packed[position % len(packed)] = value
    try:
        decompressed(bytes(packed), 100)
    except BadLayer:
        pass
