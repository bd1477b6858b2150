"""F05: does text about containers reach a terminal without its control characters?"""

import io

import pytest

from sampan.cli.output import Output, shown


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "visible"),
    [
        ("plain ü …\n\t", "plain ü …\n\t"),
        ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
        ("a\rb\x08\x7f", "a\\x0db\\x08\\x7f"),
        ("\x9b31m\x85", "\\x9b31m\\x85"),
        ("\x00", "\\x00"),
    ],
)
def test_control_characters_are_shown_not_obeyed(text: str, visible: str) -> None:
    screen = Screen()
    Output(screen).write(text)
    assert shown(text) == screen.getvalue() == visible


def test_a_program_that_reads_us_gets_every_character() -> None:
    pipe = io.StringIO()
    Output(pipe).line("a\x1bb")
    assert pipe.getvalue() == "a\x1bb\n"


def test_our_own_sequences_are_obeyed() -> None:
    screen = Screen()
    Output(screen).control("\x1b[2K")
    assert screen.getvalue() == "\x1b[2K"
