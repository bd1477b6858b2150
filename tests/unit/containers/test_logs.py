"""Does a client get every byte of the log once, in order, in the form it asked for?"""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.containers.conftest import World, request, run

from sampan.containers.follow import Tail, without
from sampan.containers.logs import CHUNK_BYTES, Lines, Wanted, joined, moment, parse_tail, render
from sampan.errors import NotSupported
from sampan.runtime.log_format import STDERR, STDOUT, Entry, frame
from sampan.wire.stdcopy import Decoder, Stream


def write(path: Path, *entries: Entry) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        for entry in entries:
            file.write(b"".join(frame(*entry)))


def decoded(pieces: list[bytes]) -> list[tuple[Stream, bytes]]:
    """Frames put together again, neighbours of one stream as one."""
    result: list[tuple[Stream, bytes]] = []
    decoder = Decoder()
    for stream, payload in decoder.feed(b"".join(pieces)):
        if result and result[-1][0] == stream:
            result[-1] = (stream, result[-1][1] + payload)
        else:
            result.append((stream, payload))
    assert decoder.is_between_frames
    return result


ENTRIES = st.lists(
    st.builds(Entry, st.sampled_from((STDOUT, STDERR)), st.integers(0, 10**18), st.binary(min_size=1, max_size=40))
)


@given(ENTRIES)
def test_framing_loses_and_reorders_nothing(entries: list[Entry]) -> None:
    flat = [(stream, payload) for stream, payload in decoded(list(joined(entries, framed=True)))]
    expected: list[tuple[Stream, bytes]] = []
    for entry in entries:
        if expected and expected[-1][0] == entry.stream:
            expected[-1] = (expected[-1][0], expected[-1][1] + entry.payload)
        else:
            expected.append((Stream(entry.stream), entry.payload))
    assert flat == expected
    assert b"".join(joined(entries, framed=False)) == b"".join(entry.payload for entry in entries)


@given(ENTRIES, st.data())
def test_lines_do_not_depend_on_how_the_entries_come(entries: list[Entry], data: st.DataObject) -> None:
    wanted = Wanted(timestamps=True)
    cut = data.draw(st.integers(0, len(entries)))
    lines = Lines(wanted)
    at_two_times = [*lines.feed(entries[:cut]), *lines.feed(entries[cut:]), *lines.flush()]
    assert decoded(at_two_times) == decoded(list(render(entries, wanted)))


LINES = st.lists(st.builds(Entry, st.just(STDOUT), st.integers(0, 10**18), st.text("ab\n", min_size=1).map(str.encode)))


@given(LINES)
def test_a_line_has_the_time_of_its_first_byte(entries: list[Entry]) -> None:
    bytes_with_times = [
        (entry.payload[i : i + 1], entry.time_ns) for entry in entries for i in range(len(entry.payload))
    ]
    expected = b""
    at_start = True
    for byte, time_ns in bytes_with_times:
        expected += (moment(time_ns) + b" " if at_start else b"") + byte
        at_start = byte == b"\n"
    assert b"".join(render(entries, Wanted(timestamps=True, framed=False))) == expected


def test_a_large_log_goes_out_in_large_pieces() -> None:
    entries = [Entry(STDOUT, 1, b"x" * 100)] * 10_000
    pieces = list(joined(entries, framed=True))
    assert min(len(piece) for piece in pieces[:-1]) >= CHUNK_BYTES


def test_each_line_is_behind_its_time() -> None:
    first = 1_700_000_000_000_000_001
    entries = [Entry(STDOUT, first, b"a\nb"), Entry(STDERR, first + 1, b"e\n"), Entry(STDOUT, first + 2, b"c\nd")]
    text = b"".join(render(entries, Wanted(timestamps=True, framed=False)))
    assert text.splitlines() == [
        b"2023-11-14T22:13:20.000000001Z a",
        b"2023-11-14T22:13:20.000000002Z e",
        b"2023-11-14T22:13:20.000000001Z bc",
        b"2023-11-14T22:13:20.000000003Z d",
    ]
    assert b"".join(render([Entry(STDOUT, 5, b"x\n")], Wanted(details="", framed=False))) == b" x\n"


def test_a_moment_has_nine_digits() -> None:
    assert moment(0) == b"1970-01-01T00:00:00.000000000Z"


def test_tail_is_a_number_or_everything() -> None:
    assert [parse_tail(text) for text in ("all", "", "5", "0", "-1", "x")] == [None, None, 5, 0, None, None]


def test_a_tail_reads_what_is_new_across_rotations(tmp_path: Path) -> None:
    log, old = tmp_path / "log", tmp_path / "log.1"
    write(log, Entry(1, 1, b"one"))
    tail = Tail(str(tmp_path))
    assert [entry.payload for entry in tail.read()] == [b"one"]
    assert list(tail.read()) == []
    write(log, Entry(1, 2, b"two"))
    os.rename(log, old)
    write(log, Entry(1, 3, b"three"))
    assert [entry.payload for entry in tail.read()] == [b"two", b"three"]
    os.rename(old, tmp_path / "log.2")
    os.rename(log, old)
    write(log, Entry(1, 4, b"four"))
    write(log, Entry(1, 5, b"five"))
    assert [entry.payload for entry in tail.read()] == [b"four", b"five"]
    tail.close()


def test_a_tail_leaves_a_frame_that_is_not_whole_for_later(tmp_path: Path) -> None:
    log = tmp_path / "log"
    write(log, Entry(1, 1, b"one"))
    tail = Tail(str(tmp_path), from_end=True)
    data = b"".join(frame(1, 2, b"two"))
    with log.open("ab") as file:
        file.write(data[:10])
    assert list(tail.read()) == []
    with log.open("ab") as file:
        file.write(data[10:])
    assert [entry.payload for entry in tail.read()] == [b"two"]
    tail.close()


def test_a_tail_of_nothing_waits_for_the_first_file(tmp_path: Path) -> None:
    tail = Tail(str(tmp_path), from_end=True)
    assert list(tail.read()) == []
    write(tmp_path / "log", Entry(1, 1, b"one"))
    assert [entry.payload for entry in tail.read()] == [b"one"]
    tail.close()


@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6))
def test_what_was_seen_is_not_told_again(count: int, place: int, limit: int) -> None:
    """A log of `count` entries of which `limit` were seen from the end, followed from `place` on."""
    log = [Entry(1, number, b"%d" % number) for number in range(count)]
    place = min(place, count)
    seen = log[-limit:] if limit else []
    fresh = list(without(seen, log[place:]))
    assert fresh == ([] if seen else log[place:])


async def take(pieces: AsyncIterator[bytes], size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += await anext(pieces)
    return data


@pytest.mark.parametrize("tail", ["all", "1"])
def test_following_tells_the_past_then_what_comes_then_ends_with_the_container(world: World, tail: str) -> None:
    async def story() -> None:
        containers = world.daemon()
        container_id, _ = await containers.create("one", request(Tty=True))
        await containers.start("one")
        log = world.root / "containers" / container_id / "log"
        write(log, Entry(1, 10, b"one\n"), Entry(1, 20, b"two\n"))
        has_terminal, pieces = containers.logs("one", stdout=True, stderr=True, follow=True, tail=tail)
        assert has_terminal
        past = b"one\ntwo\n" if tail == "all" else b"two\n"
        assert await take(pieces, len(past)) == past
        coming = asyncio.ensure_future(take(pieces, 6))
        write(log, Entry(1, 30, b"three\n"))
        assert await coming == b"three\n"
        write(log, Entry(1, 40, b"last\n"))
        world.runtime.shims[container_id].end(0)
        assert b"".join([piece async for piece in pieces]) == b"last\n"

    run(story)


def test_following_ends_at_until(world: World) -> None:
    async def story() -> None:
        containers = world.daemon()
        container_id, _ = await containers.create("one", request())
        await containers.start("one")
        write(world.root / "containers" / container_id / "log", Entry(1, 10, b"one\n"), Entry(1, 20, b"two\n"))
        _, pieces = containers.logs("one", stdout=True, stderr=True, follow=True, until_ns=15)
        assert decoded([piece async for piece in pieces]) == [(Stream.STDOUT, b"one\n")]

    run(story)


def test_one_stream_since_a_moment(world: World) -> None:
    async def story() -> None:
        containers = world.daemon()
        container_id, _ = await containers.create("one", request())
        log = world.root / "containers" / container_id / "log"
        write(log, Entry(1, 10, b"a\n"), Entry(2, 20, b"b\n"), Entry(1, 30, b"c\n"))
        _, pieces = containers.logs("one", stdout=True, stderr=False, since_ns=15)
        assert decoded([piece async for piece in pieces]) == [(Stream.STDOUT, b"c\n")]

    run(story)


def test_a_container_that_was_never_started_has_said_nothing(world: World) -> None:
    async def story() -> None:
        containers = world.daemon()
        await containers.create("one", request())
        _, pieces = containers.logs("one", stdout=True, stderr=True, follow=True)
        assert [piece async for piece in pieces] == []

    run(story)


def test_without_a_log_there_is_nothing_to_read(world: World) -> None:
    async def story() -> None:
        containers = world.daemon()
        container_id, _ = await containers.create("one", request({"LogConfig": {"Type": "none"}}))
        await containers.start("one")
        assert world.runtime.shims[container_id].log.directory == ""
        with pytest.raises(NotSupported, match=r"^configured logging driver does not support reading$"):
            containers.logs("one", stdout=True, stderr=True)

    run(story)
