"""Do the events come out of the bytes that inotify wrote?"""

import os
import struct
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sampan.linux.inotify import Event, Mask, add_watch, inotify_init, parse, rm_watch

NAMES = st.binary(max_size=40).filter(lambda name: b"\0" not in name and b"/" not in name)


@given(st.lists(st.tuples(st.integers(-1, 1000), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), NAMES)))
def test_events_come_back(events: list[tuple[int, int, int, bytes]]) -> None:
    written = b""
    for watch, mask, cookie, name in events:
        # The kernel pads a name with zeros, at least one, so that the next event is aligned.
        padded = name.ljust((len(name) // 16 + 1) * 16, b"\0") if name else b""
        written += struct.pack("iIII", watch, mask, cookie, len(padded)) + padded
    assert parse(written) == [Event(w, Mask(m), c, os.fsdecode(n)) for w, m, c, n in events]


def test_a_directory_tells_of_its_files(tmp_path: Path) -> None:
    fd = inotify_init()
    watch = add_watch(fd, str(tmp_path), Mask.CREATE | Mask.MOVED_TO | Mask.CLOSE_WRITE)
    (tmp_path / "log").write_bytes(b"x")
    (tmp_path / "log").rename(tmp_path / "log.1")
    events = parse(os.read(fd, 4096))
    assert [(e.watch, e.mask, e.name) for e in events] == [
        (watch, Mask.CREATE, "log"),
        (watch, Mask.CLOSE_WRITE, "log"),
        (watch, Mask.MOVED_TO, "log.1"),
    ]
    assert not os.get_inheritable(fd)
    rm_watch(fd, watch)
    assert parse(os.read(fd, 4096)) == [Event(watch, Mask.IGNORED, 0, "")]
    os.close(fd)
