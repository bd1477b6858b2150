"""Are ps's usual options understood, and its lines laid out?"""

import os

import pytest

from sampan.errors import InvalidRequest
from sampan.linux.procfs import Stat
from sampan.runtime import ps


def titles(arguments: str) -> list[str]:
    """The first line that ps prints."""
    return [title for title, _ in ps.parse(arguments)]


def test_the_usual_options() -> None:
    assert titles("-ef") == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert titles("-e -x") == ["PID", "TTY", "STAT", "TIME", "COMMAND"]
    assert titles("-e") == ["PID", "TTY", "TIME", "CMD"]
    assert titles("-o pid,comm=NAME -o rss") == ["PID", "NAME", "RSS"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("-o foo", 'ps: error: unknown user-defined format specifier "foo"'),
        ("-e --forest", "ps: --forest: only -ef, aux and -o FORMAT are supported"),
    ],
)
def test_what_is_not_understood_is_said(arguments: str, sentence: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ps.parse(arguments)
    assert str(caught.value) == sentence


def test_who_has_gone_is_left_out_and_who_is_there_has_a_line() -> None:
    found = ps.rows([2**22 + 1, os.getpid()])
    assert [row.stat.pid for row in found] == [os.getpid()]
    lines = ps.table(ps.parse("-o pid,ppid,args"), found)
    assert [line.split()[:2] for line in lines] == [["PID", "PPID"], [str(os.getpid()), str(os.getppid())]]
    assert len({line.index(word) + len(word) for line, word in zip(lines, ("PID", str(os.getpid())), strict=True)}) == 1


def test_terminals_have_names() -> None:
    numbers = dict(zip(("?", "pts/0", "pts/7", "tty1"), (0, 136 << 8, (136 << 8) + 7, (4 << 8) + 1), strict=True))
    stat = Stat(1, "x", "S", *[0] * 12)
    for name, number in numbers.items():
        row = ps.Row(stat._replace(terminal=number), {}, (), 0.0, 0.0, 1)
        assert dict(ps.SHORT)["TTY"](row) == name
