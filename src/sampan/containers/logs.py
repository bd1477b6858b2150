"""What has a container said, and what does it say now?

The shim's log is read by `runtime.log`; here its entries become what a client asked for: framed (stdcopy) or raw, from
some moment or line on, each line with its time if wanted. Frames of one stream that follow each other are sent as one,
in chunks of CHUNK_BYTES and more. `follow.py` watches a log that still grows.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass

from sampan.containers.engine import Engine
from sampan.containers.follow import Tail, changes, without
from sampan.containers.model import Container
from sampan.containers.waits import Condition
from sampan.errors import NotSupported
from sampan.runtime.log import MAX_LINE, read_log
from sampan.runtime.log_format import STDOUT, Entry
from sampan.wire import stdcopy

CHUNK_BYTES = 256 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which part of a log is asked for, and in which form. Times in Unix nanoseconds; `tail` counts lines.

    `details`: what the log options say of every line; None: that is not asked for.
    """

    stdout: bool = True
    stderr: bool = True
    since_ns: int = 0
    until_ns: int | None = None
    tail: int | None = None
    timestamps: bool = False
    details: str | None = None
    framed: bool = True

    @property
    def needs_lines(self) -> bool:
        """Must lines be told apart?"""
        return self.timestamps or self.details is not None

    def includes(self, entry: Entry) -> bool:
        """Is this entry asked for, `tail` aside?"""
        stream_wanted = self.stdout if entry.stream == STDOUT else self.stderr
        before_end = self.until_ns is None or entry.time_ns <= self.until_ns
        return stream_wanted and before_end and entry.time_ns >= self.since_ns


def directory(engine: Engine, container: Container) -> str:
    """Where the log is. Raises NotSupported when the container keeps none."""
    if container.host.log_config.type == "none":
        raise NotSupported("configured logging driver does not support reading")
    return str(engine.directory(container.id))


def parse_tail(text: str) -> int | None:
    """The number of lines; None for all of them, which dockerd also takes anything else to mean."""
    return int(text) if text.isdecimal() else None


async def logs(engine: Engine, container: Container, wanted: Wanted, *, follow: bool) -> AsyncGenerator[bytes, None]:
    """The log as bytes for the client; with `follow` until the container ends, or until the moment asked for."""
    where = directory(engine, container)
    if follow and container.state.is_running:
        async with aclosing(_followed(engine, container, where, wanted)) as pieces:
            async for piece in pieces:
                yield piece
    else:
        past = render(_past(where, wanted), wanted)
        while piece := await asyncio.to_thread(next, past, b""):
            yield piece


async def _followed(engine: Engine, container: Container, where: str, wanted: Wanted) -> AsyncGenerator[bytes, None]:
    ended = engine.waits.add(container.id, Condition.NEXT_EXIT)
    # The place to go on from is taken before the last lines are read, so that nothing can fall between.
    tail = Tail(where, from_end=wanted.tail is not None)
    lines = Lines(wanted)
    seconds = None if wanted.until_ns is None else max(0, wanted.until_ns - time.time_ns()) / 1e9
    seen = list(_past(where, wanted)) if wanted.tail is not None else []
    try:
        for piece in lines.feed(seen):
            yield piece
        async with aclosing(changes(where, ended, seconds)) as looks:
            async for _ in looks:
                fresh = lines.feed(entry for entry in without(seen, tail.read()) if wanted.includes(entry))
                while piece := await asyncio.to_thread(next, fresh, b""):
                    yield piece
                seen = []
        for piece in lines.flush():
            yield piece
    finally:
        ended.cancel()
        tail.close()


def pieces(engine: Engine, container: Container, stdout: bool, stderr: bool) -> Iterator[bytes]:
    """All of the log, in the form that an attached client gets."""
    wanted = Wanted(stdout=stdout, stderr=stderr, framed=not container.config.tty)
    return render(_past(directory(engine, container), wanted), wanted)


def _past(where: str, wanted: Wanted) -> Iterator[Entry]:
    return read_log(
        where,
        since_ns=wanted.since_ns,
        until_ns=wanted.until_ns,
        tail=wanted.tail,
        stdout=wanted.stdout,
        stderr=wanted.stderr,
    )


def render(entries: Iterable[Entry], wanted: Wanted) -> Iterator[bytes]:
    """Entries as the client wants them, in large pieces."""
    lines = Lines(wanted)
    yield from lines.feed(entries)
    yield from lines.flush()


class Lines:
    """Turns entries, as they come, into what the client wants; cuts lines only if it wants something said at each."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._begun: dict[int, Entry] = {}

    def feed(self, entries: Iterable[Entry]) -> Iterator[bytes]:
        """The pieces that `entries` complete."""
        return joined(self._cut(entries) if self._wanted.needs_lines else entries, framed=self._wanted.framed)

    def flush(self) -> Iterator[bytes]:
        """Lines that the program has not ended."""
        rest = sorted(self._begun.values(), key=lambda entry: entry.time_ns)
        self._begun = {}
        prefixed = (entry._replace(payload=self._prefix(entry.time_ns) + entry.payload) for entry in rest)
        return joined(prefixed if self._wanted.needs_lines else rest, framed=self._wanted.framed)

    def _cut(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Whole lines, each behind its time; all that came at once have the same one, and are dealt with at once."""
        for stream, time_ns, payload in entries:
            begun = self._begun.pop(stream, None)
            lines, newline, rest = payload.rpartition(b"\n")
            if newline:
                if begun:
                    first, more, lines = lines.partition(b"\n")
                    yield self._behind_time(stream, begun.time_ns, begun.payload + first)
                    newline = more
                if newline:
                    yield self._behind_time(stream, time_ns, lines)
            elif begun:
                time_ns, rest = begun.time_ns, begun.payload + rest
            while len(rest) >= MAX_LINE:
                yield Entry(stream, time_ns, self._prefix(time_ns) + rest[:MAX_LINE])
                rest = rest[MAX_LINE:]
            if rest:
                self._begun[stream] = Entry(stream, time_ns, rest)

    def _behind_time(self, stream: int, time_ns: int, lines: bytes) -> Entry:
        prefix = self._prefix(time_ns)
        return Entry(stream, time_ns, prefix + lines.replace(b"\n", b"\n" + prefix) + b"\n")

    def _prefix(self, time_ns: int) -> bytes:
        """What stands before a line; details are the same for each."""
        time_text = moment(time_ns) + b" " if self._wanted.timestamps else b""
        return time_text + (b"" if self._wanted.details is None else self._wanted.details.encode() + b" ")


def joined(entries: Iterable[Entry], *, framed: bool) -> Iterator[bytes]:
    """The payloads, those of one stream that follow each other as one frame; each piece holds whole frames."""
    parts: list[bytes] = []
    run: list[bytes] = []
    stream = size = run_size = 0
    for entry in entries:
        if entry.stream != stream and run:
            parts += _frame(stream, run, run_size, framed)
            run, run_size = [], 0
        stream = entry.stream
        run.append(entry.payload)
        run_size += len(entry.payload)
        size += len(entry.payload)
        if size >= CHUNK_BYTES:
            yield b"".join((*parts, *_frame(stream, run, run_size, framed)))
            parts, run, size, run_size = [], [], 0, 0
    if size:
        yield b"".join((*parts, *_frame(stream, run, run_size, framed)))


def _frame(stream: int, run: list[bytes], size: int, framed: bool) -> list[bytes]:
    return [stdcopy.HEADER.pack(stream, size), *run] if framed else run


def moment(time_ns: int) -> bytes:
    """RFC 3339 with all nine digits, in UTC."""
    seconds, rest = divmod(time_ns, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)).encode() + b".%09dZ" % rest
