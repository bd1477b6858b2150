"""How is a layer decompressed without trusting it?

The format is told by its first bytes, never by a name or a media type: gzip (RFC 1952), zstd (RFC 8878), xz, bzip2,
else the bytes are taken as they are. Everything runs in this process, bounded: output comes in pieces, the window or
dictionary that a stream may ask for is capped, and a stream that grows out of all proportion is a bomb, not a layer.

Several members, streams or frames in a row are one stream, as gzip(1), Go and RFC 1952 have it; zero padding behind the
last is ignored; anything else there, or an end in the middle, is an error.
"""

import bz2
import lzma
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

import zstandard
from isal import igzip_lib

from sampan.layers.header import BadLayer
from sampan.layers.stream import CHUNK_BYTES, Source

INPUT_BYTES = 1 << 17
GZIP_MAGIC = b"\x1f\x8b\x08"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
XZ_MAGIC = b"\xfd7zXZ\0"
BZIP2_MAGIC = b"BZh"
MAGIC_BYTES_MAX = 6
ZSTD_WINDOW_MAX = 32 << 20
# A zstd block of 4 bytes can hold 128 KiB and the decoder has no output limit: so it is fed little at a time.
ZSTD_INPUT_BYTES = 1 << 10
XZ_MEMORY_MAX = 66 << 20  # `xz -9` asks for 65 MiB; refusing it would refuse what docker takes


@dataclass(frozen=True, slots=True)
class Budget:
    """How far a stream may grow."""

    bytes_max: int = 1 << 40
    ratio_max: int = 200
    ratio_from: int = 64 << 20  # bytes of output before the ratio counts: a little can be mostly zeros


class Decoder(Protocol):
    """What bz2, lzma and isal have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class ZstdDecoder:
    """One zstd frame, behind the same face; gives more than `max_length` where it cannot help it."""

    def __init__(self) -> None:
        self._frame = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_MAX).decompressobj()
        self._input = memoryview(b"")
        self.eof = False
        self.unused_data = b""

    @property
    def needs_input(self) -> bool:
        """Whether all input was used."""
        return not self._input

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Decode until `max_length` is reached or the input is used up."""
        if data:
            self._input = memoryview(data)
        pieces, produced = [], 0
        while self._input and not self.eof and (max_length < 0 or produced < max_length):
            piece = self._frame.decompress(self._input[:ZSTD_INPUT_BYTES])
            self._input = self._input[ZSTD_INPUT_BYTES:]
            pieces.append(piece)
            produced += len(piece)
            if self._frame.eof:
                self.eof = True
                self.unused_data = self._frame.unused_data + bytes(self._input)
        return b"".join(pieces)


FORMATS: tuple[tuple[bytes, str, Callable[[], Decoder]], ...] = (
    (GZIP_MAGIC, "gzip", lambda: igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)),
    (ZSTD_MAGIC, "zstd", ZstdDecoder),
    (XZ_MAGIC, "xz", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY_MAX)),
    (BZIP2_MAGIC, "bzip2", bz2.BZ2Decompressor),
)
ISAL_ERROR = cast(type[Exception], igzip_lib.error)  # its stub calls the class an instance
BROKEN = (ISAL_ERROR, lzma.LZMAError, zstandard.ZstdError, EOFError, OSError, ValueError)


def open_decompressed(source: Source, budget: Budget | None = None) -> Source:
    """The uncompressed bytes of `source`. Reading raises BadLayer when it is damaged or grows beyond the budget."""
    return _Decompressed(source, budget or Budget())


def _is_zstd_skippable(data: bytes) -> bool:
    return len(data) >= 4 and data[0] & 0xF0 == 0x50 and data[1:4] == b"\x2a\x4d\x18"


class _Decompressed:
    def __init__(self, source: Source, budget: Budget) -> None:
        self._source = source
        self._budget = budget
        self._input = b""  # read, not yet given to a decoder
        self._ready = b""  # decoded, not yet handed out
        self._taken = self._given = 0
        self._look_ahead()
        self._name, self._new = self._detect()
        self._decoder = self._new() if self._new else None

    def read(self, size: int) -> bytes:
        """At most `size` bytes; empty at the end."""
        if not self._ready:
            self._ready = self._decode() if self._decoder else self._plain()
            self._given += len(self._ready)
            self._check_budget()
        piece, self._ready = self._ready[:size], self._ready[size:]
        return piece

    def _detect(self) -> tuple[str, Callable[[], Decoder] | None]:
        for magic, name, new in FORMATS:
            if self._input.startswith(magic):
                return name, new
        return ("zstd", ZstdDecoder) if _is_zstd_skippable(self._input) else ("", None)

    def _plain(self) -> bytes:
        data, self._input = self._input, b""
        if not data:
            data = self._source.read(CHUNK_BYTES)
            self._taken += len(data)
        return data

    def _decode(self) -> bytes:
        while self._decoder:
            if self._decoder.eof:
                self._next_member()
                continue
            if self._decoder.needs_input and not self._input and not self._more():
                raise BadLayer(f"unexpected end of the {self._name} data")
            data, self._input = (self._input, b"") if self._decoder.needs_input else (b"", self._input)
            try:
                output = self._decoder.decompress(data, CHUNK_BYTES)
            except BROKEN as error:
                raise BadLayer(f"invalid {self._name} data: {error}") from None
            if output:
                return output
        return b""

    def _next_member(self) -> None:
        """Begin the member that follows the finished one, or end."""
        finished, self._decoder = self._decoder, None
        if finished:
            self._input = finished.unused_data + self._input
        self._look_ahead()
        while self._input and not self._input.strip(b"\0"):
            self._input = b""
            self._more()
        if not self._input:
            return
        name, new = self._detect()
        if name != self._name or not new:
            raise BadLayer(f"invalid {self._name} data: something else follows its end")
        self._decoder = new()

    def _look_ahead(self) -> None:
        while len(self._input) < MAGIC_BYTES_MAX and self._more():
            pass

    def _more(self) -> bool:
        data = self._source.read(INPUT_BYTES)
        self._taken += len(data)
        self._input += data
        return bool(data)

    def _check_budget(self) -> None:
        budget = self._budget
        if self._given > budget.bytes_max:
            raise BadLayer(f"the layer is larger than {budget.bytes_max} bytes")
        if self._given > budget.ratio_from and self._given > budget.ratio_max * self._taken:
            raise BadLayer(f"the layer grows more than {budget.ratio_max} times when decompressed")
