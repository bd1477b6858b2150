"""Which ids do containers get when the daemon is told whose?"""

from pathlib import Path

import pytest

from sampan.daemon.subordinate import remap
from sampan.errors import InvalidRequest


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    (tmp_path / "subuid").write_text("# a comment\nbroken\nroot:5:10\ndockremap:100000:65536\nx:1:2:3\n")
    (tmp_path / "subgid").write_text("dockremap:300000:65536\nroot:400000:65536\n")
    return str(tmp_path / "subuid"), str(tmp_path / "subgid")


def test_ranges_come_from_the_machines_files_or_are_given(files: tuple[str, str]) -> None:
    assert remap("default", files) == ((100_000, 65_536), (300_000, 65_536))
    assert remap("dockremap:root", files) == ((100_000, 65_536), (400_000, 65_536))
    assert remap("500000-65536", files) == ((500_000, 65_536), (500_000, 65_536))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nobody-like-this", "no subuid ranges found"),
        ("dockremap:nobody-like-this", "no subgid ranges found"),
        ("root", "65536 ids or more"),
        ("0-65536", "without root"),
        ("100000-10", "65536 ids or more"),
        ("4294967295-65536", "65536 ids or more"),
    ],
)
def test_a_range_that_is_none_is_refused(files: tuple[str, str], text: str, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        remap(text, files)
