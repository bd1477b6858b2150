"""What is a tar made of, while it is sent?

POSIX.1-2001 pax format. Nothing is held but one piece, however large a file is.
"""

from __future__ import annotations

import tarfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import IO

PIECE = 256 * 1024
END = bytes(2 * tarfile.BLOCKSIZE)


def header(member: tarfile.TarInfo) -> bytes:
    """What stands before a member's data."""
    return member.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def data_of(file: IO[bytes], size: int) -> Iterator[bytes]:
    """So many bytes of a file, whatever happens to it while it is read."""
    while size:
        piece = file.read(min(size, PIECE)) or bytes(min(size, PIECE))
        size -= len(piece)
        yield piece


def padding(size: int) -> bytes:
    """What stands behind so many bytes of data."""
    return bytes(-size % tarfile.BLOCKSIZE)


def gathered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces that are worth sending."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= PIECE:
            yield b"".join(waiting)
            waiting.clear()
            size = 0
    yield b"".join(waiting)
