"""Is each key read once, and none lost behind an arrow?"""

import os

import pytest

from sampan.cli.watch.keys import read


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        (b"q", ["q"]),
        (b"o\x1b[Bjk\x1b[Aq", ["o", "down", "j", "k", "up", "q"]),
        (b"\x1bOA\x1b[5~\x1b[6~", ["up", "page up", "page down"]),
        (b"\x1b[1;5Cx", ["", "x"]),
        (b"\x1b", [""]),
    ],
)
def test_keys_come_one_by_one(typed: bytes, keys: list[str]) -> None:
    reading, writing = os.pipe()
    try:
        os.write(writing, typed)
        assert [read(reading, 1) for _ in keys] == keys
        assert read(reading, 0) == ""
        os.close(writing)
        writing = -1
        assert read(reading, 1) == "q"  # nobody is there any more
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)
