"""What has a container said?

Reads the frames that the shim wrote, oldest first, while it may still be writing: an unfinished frame at the end is
left for the next look. Lines are cut here, on request, and never by the writer.
"""

import os
from collections.abc import Iterable, Iterator

from sampan.runtime.log_format import HEAD, OVERHEAD, STDERR, STDOUT, TAIL, Entry, file_name

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


def open_files(directory: str) -> list[int]:
    """Descriptors of the log's files, oldest first. A rotation meanwhile is seen and begun again."""
    while True:
        fds: list[int] = []
        seen: list[tuple[int, int]] = []
        age = 0
        while True:
            try:
                fd = os.open(f"{directory}/{file_name(age)}", os.O_RDONLY | os.O_CLOEXEC)
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
    # A line that the program has not ended yet counts as one, and each stream may have one.
    left = {"lines": count}
    ended: set[int] = set()
    for fd in reversed(files):
        for entry in backwards(fd):
            if entry.stream not in streams or (until_ns is not None and entry.time_ns > until_ns):
                continue
            if entry.time_ns < since_ns or count == 0:
                return iter(kept[::-1])
            payload = entry.payload
            newlines = payload.count(b"\n")
            if entry.stream not in ended:
                # The newline that ends the last line does not begin another.
                ended.add(entry.stream)
                if payload.endswith(b"\n"):
                    newlines -= 1
                left["lines"] -= 1
                if left["lines"] < 0:
                    return iter(kept[::-1])
            if newlines <= left["lines"]:
                left["lines"] -= newlines
                kept.append(entry)
                continue
            kept.append(entry._replace(payload=_after_lines(payload, left["lines"])))
            return iter(kept[::-1])
    return iter(kept[::-1])


def _after_lines(payload: bytes, count: int) -> bytes:
    """The end of `payload` from the line on that has `count` newlines after its own start, its last one not counted."""
    at = len(payload) - payload.endswith(b"\n")
    for _ in range(count + 1):
        at = payload.rfind(b"\n", 0, at)
        if at < 0:
            return payload
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
