"""What has a container said?

Reads the frames that the shim wrote, oldest first, while it may still be writing: an unfinished frame at the end is
left for the next look. Lines are cut here, on request, and never by the writer.
"""

import os
from collections.abc import Iterable, Iterator

from sampan.runtime import log_files
from sampan.runtime.log_format import HEAD, OVERHEAD, STDERR, STDOUT, TAIL, Entry

CHUNK = 1 << 20
MAX_LINE = 16 << 10  # a longer line is cut there, as docker's loggers do


def read_log(
    directory: str,
    *,
    since_ns: int = 0,
    until_ns: int | None = None,
    tail: int | None = None,
    stdout: bool = True,
    stderr: bool = True,
) -> Iterator[Entry]:
    """The entries of the log in `directory`, oldest first; `tail` counts lines from the end. Missing: none."""
    files = open_files(directory)
    streams = {number for number, wanted in ((STDOUT, stdout), (STDERR, stderr)) if wanted}
    try:
        if tail is None:
            entries: Iterable[Entry] = (entry for fd in files for entry in forwards(fd))
        else:
            entries = _last_lines(files, tail, streams, since_ns, until_ns)
        for entry in entries:
            if until_ns is not None and entry.time_ns > until_ns:
                return
            if entry.stream in streams and entry.time_ns >= since_ns:
                yield entry
    finally:
        for fd in files:
            os.close(fd)


def open_files(directory: str, *, compressed: bool = True) -> list[int]:
    """Descriptors of the log's files, oldest first. A rotation meanwhile is seen and begun again.

    Without `compressed` only those that a reader may have open already: the same files, told apart by their inodes.
    """
    try:
        parent = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return []
    try:
        return _open_files(parent, compressed)
    finally:
        os.close(parent)


def _open_files(parent: int, compressed: bool) -> list[int]:
    while True:
        fds: list[int] = []
        seen: list[tuple[int, int]] = []
        age = 0
        while True:
            try:
                fd = log_files.open_age(parent, age, compressed=compressed)
            except FileNotFoundError:
                break
            found = os.fstat(fd)
            fds.append(fd)
            seen.append((found.st_dev, found.st_ino))
            age += 1
        if len(set(seen)) == len(seen):
            return fds[::-1]
        for fd in fds:
            os.close(fd)


def forwards(fd: int, offset: int = 0) -> Iterator[Entry]:
    """The whole frames from `offset` on."""
    buffer = b""
    while chunk := os.pread(fd, CHUNK, offset):
        offset += len(chunk)
        buffer = buffer + chunk if buffer else chunk
        at = 0
        while at + HEAD.size <= len(buffer):
            stream, length, time_ns = HEAD.unpack_from(buffer, at)
            end = at + OVERHEAD + length
            if end > len(buffer):
                break
            yield Entry(stream, time_ns, buffer[at + HEAD.size : end - TAIL.size])
            at = end
        buffer = buffer[at:]


def backwards(fd: int) -> Iterator[Entry]:
    """The whole frames from the end."""
    end = os.fstat(fd).st_size
    while end >= OVERHEAD:
        (length,) = TAIL.unpack(os.pread(fd, TAIL.size, end - TAIL.size))
        start = end - OVERHEAD - length
        if start < 0:
            return
        data = os.pread(fd, OVERHEAD + length, start)
        stream, again, time_ns = HEAD.unpack_from(data)
        if again != length:
            return
        yield Entry(stream, time_ns, data[HEAD.size : -TAIL.size])
        end = start


def _last_lines(
    files: list[int], count: int, streams: set[int], since_ns: int, until_ns: int | None
) -> Iterator[Entry]:
    """The entries that hold the last `count` lines, the first of them cut where those begin."""
    kept: list[Entry] = []
    left = count
    seen: set[int] = set()
    for entry in (entry for fd in reversed(files) for entry in backwards(fd)):
        if entry.stream not in streams or (until_ns is not None and entry.time_ns > until_ns):
            continue
        if entry.time_ns < since_ns:
            break
        if entry.stream not in seen:
            # What a stream has not ended with a newline yet is a line too.
            seen.add(entry.stream)
            left -= not entry.payload.endswith(b"\n")
        newlines = entry.payload.count(b"\n")
        if left < 0:
            break
        if newlines > left:
            # One newline more than wanted: it ends the line before the first that is.
            rest = _after_newline(entry.payload, left + 1)
            kept += [entry._replace(payload=rest)] if rest else []
            break
        left -= newlines
        kept.append(entry)
    return iter(kept[::-1])


def _after_newline(payload: bytes, number: int) -> bytes:
    """What follows the `number`-th newline, counted from the end."""
    at = len(payload)
    for _ in range(number):
        at = payload.rfind(b"\n", 0, at)
    return payload[at + 1 :]


def cut_lines(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Whole lines, each with its newline and the time at which it began; the unfinished last ones at the end."""
    begun: dict[int, Entry] = {}
    for entry in entries:
        first = begun.pop(entry.stream, None)
        payload = first.payload + entry.payload if first else entry.payload
        time_ns = first.time_ns if first else entry.time_ns
        *lines, rest = payload.split(b"\n")
        for line in lines:
            yield Entry(entry.stream, time_ns, line + b"\n")
            time_ns = entry.time_ns
        while len(rest) >= MAX_LINE:
            yield Entry(entry.stream, time_ns, rest[:MAX_LINE])
            rest, time_ns = rest[MAX_LINE:], entry.time_ns
        if rest:
            begun[entry.stream] = Entry(entry.stream, time_ns, rest)
    yield from sorted(begun.values(), key=lambda entry: entry.time_ns)
