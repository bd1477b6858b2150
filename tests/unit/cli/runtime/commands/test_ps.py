"""Does ps show what procps would?"""

from sampan.cli.runtime.commands.ps import tty


def test_terminals_have_names() -> None:
    assert [tty(number) for number in (0, 136 << 8, (136 << 8) + 7, (4 << 8) + 1)] == ["?", "pts/0", "pts/7", "tty1"]
