"""How do the trees of several platforms become one tar? Each below a directory of its own."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator

from sampan.cli.tar_in import Pieces
from sampan.client.tar_pieces import END, PIECE, gathered, header, padding


def joined(trees: Iterable[tuple[str, Iterator[bytes]]]) -> Iterator[bytes]:
    """The tar of (directory, tar) pairs."""
    return gathered(_pieces(trees))


def _pieces(trees: Iterable[tuple[str, Iterator[bytes]]]) -> Iterator[bytes]:
    for directory, pieces in trees:
        top = tarfile.TarInfo(directory)
        top.type, top.mode = tarfile.DIRTYPE, 0o755
        yield header(top)
        source = Pieces(pieces)
        with tarfile.open(fileobj=source, mode="r|", bufsize=PIECE) as tar:  # type: ignore[call-overload]
            for info in tar:
                yield from _member(tar, info, directory)
    yield END


def _member(tar: tarfile.TarFile, info: tarfile.TarInfo, directory: str) -> Iterator[bytes]:
    """One member below the directory. The name that a PAX record has is that of before: it is made anew."""
    data = tar.extractfile(info) if info.isreg() else None
    info.name = f"{directory}/{info.name}"
    if info.islnk():
        info.linkname = f"{directory}/{info.linkname}"
    info.pax_headers = {key: value for key, value in info.pax_headers.items() if key not in ("path", "linkpath")}
    yield header(info)
    if data is not None:
        while piece := data.read(PIECE):
            yield piece
        yield padding(info.size)
