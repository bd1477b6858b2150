"""Does the log give back every byte, in order, whole or by lines, and after a cut?"""

import os
import random
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.runtime.log import cut_lines, read_log
from sampan.runtime.log_writer import LogWriter, Spool
from sampan.runtime.streams import LogOptions

writes = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(min_size=1, max_size=40)), max_size=30)
texts = st.lists(st.tuples(st.sampled_from([1, 2]), st.text("ab\n", min_size=1, max_size=12)), max_size=20)


def fill(directory: Path, entries: list[tuple[int, bytes]], **options: int) -> LogWriter:
    """A log in a fresh `directory` with these entries, one nanosecond apart."""
    for file in directory.iterdir():
        file.unlink()
    writer = LogWriter(LogOptions(directory=str(directory), **options))
    for time_ns, (stream, payload) in enumerate(entries):
        assert writer.append(stream, time_ns, payload)
    return writer


@given(writes)
@settings(deadline=None)
def test_every_byte_is_there_once_and_in_order(tmp_path_factory: object, entries: list[tuple[int, bytes]]) -> None:
    directory = Path(_fresh(tmp_path_factory))
    fill(directory, entries).close()
    assert [(entry.stream, entry.payload) for entry in read_log(str(directory))] == entries
    assert [e.payload for e in read_log(str(directory), stdout=False)] == [p for stream, p in entries if stream == 2]


@given(texts, st.integers(0, 12))
@settings(deadline=None)
def test_a_tail_is_the_last_lines_of_one_stream(
    tmp_path_factory: object, entries: list[tuple[int, str]], count: int
) -> None:
    directory = Path(_fresh(tmp_path_factory))
    fill(directory, [(1, text.encode()) for _, text in entries]).close()
    whole = "".join(text for _, text in entries)
    expected = "".join(whole.splitlines(keepends=True)[-count:] if count else [])
    found = b"".join(entry.payload for entry in read_log(str(directory), tail=count)).decode()
    assert found == expected


@given(texts)
@settings(deadline=None)
def test_cut_lines_lose_nothing_and_end_with_newlines(tmp_path_factory: object, entries: list[tuple[int, str]]) -> None:
    directory = Path(_fresh(tmp_path_factory))
    fill(directory, [(stream, text.encode()) for stream, text in entries]).close()
    lines = list(cut_lines(read_log(str(directory))))
    for stream in (1, 2):
        own = b"".join(line.payload for line in lines if line.stream == stream)
        assert own.decode() == "".join(text for number, text in entries if number == stream)
    for line in lines:
        assert line.payload.count(b"\n") <= 1


def test_since_and_until_choose_by_time(tmp_path: Path) -> None:
    fill(tmp_path, [(1, b"%d\n" % n) for n in range(10)]).close()
    assert b"".join(e.payload for e in read_log(str(tmp_path), since_ns=3, until_ns=5)) == b"3\n4\n5\n"


def test_rotation_keeps_the_newest_and_bounds_the_disk(tmp_path: Path) -> None:
    writer = fill(tmp_path, [(1, b"x" * 100) for _ in range(100)], max_size=1000, max_files=3)
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["log", "log.1", "log.2"]
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 3 * 1000
    times = [entry.time_ns for entry in read_log(str(tmp_path))]
    assert times == list(range(times[0], 100))
    writer.close()


def test_half_a_frame_at_the_end_is_dropped_when_the_log_is_opened_again(tmp_path: Path) -> None:
    fill(tmp_path, [(1, b"first\n"), (2, b"second\n")]).close()
    whole = (tmp_path / "log").read_bytes()
    for cut in random.Random(7).sample(range(len(whole)), 20):
        (tmp_path / "log").write_bytes(whole[:cut])
        writer = LogWriter(LogOptions(directory=str(tmp_path)))
        writer.append(1, 9, b"after\n")
        writer.close()
        payloads = [entry.payload for entry in read_log(str(tmp_path))]
        assert payloads[-1] == b"after\n"
        assert payloads[:-1] in ([], [b"first\n"])


def test_a_full_disk_is_said_once_there_is_room(tmp_path: Path) -> None:
    writer = LogWriter(LogOptions(directory=str(tmp_path)))
    full = os.open("/dev/full", os.O_WRONLY)
    real = os.dup(writer.fd)
    os.dup2(full, writer.fd)
    assert not writer.append(1, 1, b"lost\n")
    os.dup2(real, writer.fd)
    assert writer.append(1, 2, b"kept\n")
    payloads = [entry.payload for entry in read_log(str(tmp_path))]
    assert payloads[1:] == [b"kept\n"] and b"5 bytes of output were lost" in payloads[0]
    writer.close()
    os.close(full)
    os.close(real)


def test_a_spool_keeps_only_what_a_slow_reader_needs(tmp_path: Path) -> None:
    spool = Spool(str(tmp_path), limit=1000)
    spool.append(1, 0, b"nobody needs this")
    assert spool.size == 0
    spool.keep_only_if(True)
    assert spool.append(1, 1, b"x" * 500)
    assert not spool.is_full
    assert spool.append(1, 2, b"x" * 600)
    assert spool.is_full
    spool.keep_only_if(False)
    assert spool.size == 0 and not spool.is_full
    spool.close()


def _fresh(factory: object) -> str:
    return str(factory.mktemp("log"))  # type: ignore[attr-defined]
