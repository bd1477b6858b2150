"""Under which names are the files of a log, and how is one of them opened?

`log`, `log.1`, `log.2`, …, the newest first; with compression those that were rotated twice are `log.2.gz`, …. A
compressed file is read through an unlinked copy, so that readers find frames at offsets either way.
"""

import os
import zlib
from collections.abc import Iterator

from sampan.runtime.log_format import file_name

CHUNK = 1 << 20
GZIP_WINDOW = 31  # zlib's word for "with a gzip header"
FASTEST = 1
FIRST_COMPRESSED = 2
"""Not the one just rotated: whoever follows the log is still reading that."""


def open_age(directory: int, age: int, *, compressed: bool = True) -> int:
    """A descriptor to read the file that was rotated `age` times. Raises FileNotFoundError."""
    try:
        return os.open(file_name(age), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=directory)
    except FileNotFoundError:
        if not compressed:
            raise
    source = os.open(_packed(age), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=directory)
    try:
        return _unpacked_copy(source, directory)
    finally:
        os.close(source)


def _unpacked_copy(source: int, directory: int) -> int:
    copy = os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600, dir_fd=directory)
    try:
        unpacker = zlib.decompressobj(GZIP_WINDOW)
        while data := os.read(source, CHUNK):
            while data:
                _write(copy, unpacker.decompress(data, CHUNK))
                data = unpacker.unconsumed_tail
        _write(copy, unpacker.flush())
    except BaseException:
        os.close(copy)
        raise
    return copy


def exists(directory: int, age: int) -> bool:
    """Whether there is a file of that age, compressed or not."""
    return any(True for _ in _names(directory, age))


def shift(directory: int, most: int, *, compress: bool) -> None:
    """Make room for a new `log`: every file one older, the oldest of `most` gone. Raises OSError."""
    for name in list(_names(directory, most - 1)):
        os.unlink(name, dir_fd=directory)
    for age in range(most - 2, -1, -1):
        for name in list(_names(directory, age)):
            target = _packed(age + 1) if name == _packed(age) else file_name(age + 1)
            os.rename(name, target, src_dir_fd=directory, dst_dir_fd=directory)
    if compress and most > FIRST_COMPRESSED:
        _compress(directory, FIRST_COMPRESSED)


def _compress(directory: int, age: int) -> None:
    """Replace a file by its compressed form; where the disk has no room for both, it stays as it is."""
    try:
        source = os.open(file_name(age), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=directory)
    except FileNotFoundError:
        return
    temporary = f".{_packed(age)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        target = os.open(temporary, flags, 0o640, dir_fd=directory)
        try:
            packer = zlib.compressobj(FASTEST, zlib.DEFLATED, GZIP_WINDOW)
            while data := os.read(source, CHUNK):
                _write(target, packer.compress(data))
            _write(target, packer.flush())
        finally:
            os.close(target)
        os.rename(temporary, _packed(age), src_dir_fd=directory, dst_dir_fd=directory)
        os.unlink(file_name(age), dir_fd=directory)
    except OSError:
        pass
    finally:
        os.close(source)


def _names(directory: int, age: int) -> Iterator[str]:
    for name in (file_name(age), _packed(age)):
        try:
            os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            continue
        yield name


def _packed(age: int) -> str:
    return f"{file_name(age)}.gz"


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
