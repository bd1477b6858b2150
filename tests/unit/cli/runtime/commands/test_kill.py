"""Which signal is meant?"""

import pytest

from sampan.cli.runtime.commands.kill import signal_number
from sampan.errors import InvalidRequest


def test_numbers_and_names_are_signals() -> None:
    assert [signal_number(text) for text in ("9", "KILL", "SIGKILL", "sigkill", "term")] == [9, 9, 9, 9, 15]


@pytest.mark.parametrize("text", ["", "NOSUCH", "-9", "999", "9.5", "SIG_DFL"])
def test_nothing_else_is(text: str) -> None:
    with pytest.raises(InvalidRequest):
        signal_number(text)
