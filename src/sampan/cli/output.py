"""What may reach the user's terminal? Text about containers, never their control characters.

Names, labels, error sentences and image histories come from strangers: on a terminal, control characters in them are
shown, not obeyed (security catalogue, F05). Output of containers themselves goes by another way (`client/stream.py`)
and stays raw, as does everything that is piped into a program.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

CONTROLS = {code: f"\\x{code:02x}" for code in [*range(32), *range(127, 160)] if chr(code) not in "\n\t"}


def shown(text: str) -> str:
    """`text` with control characters made visible, all but newline and tab."""
    return text if text.isprintable() else text.translate(CONTROLS)


class Output:
    """Standard output or standard error."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.is_terminal = stream.isatty()

    def line(self, text: str = "") -> None:
        """Write a line."""
        self.write(text + "\n")

    def write(self, text: str) -> None:
        """Write text as it is, but for control characters on a terminal."""
        self._stream.write(shown(text) if self.is_terminal else text)

    def control(self, sequence: str) -> None:
        """Write our own control sequence: for progress on a terminal."""
        self._stream.write(sequence)

    def flush(self) -> None:
        """Hand everything over to the system."""
        self._stream.flush()


def standard() -> tuple[Output, Output]:
    """(standard output, standard error); bytes that are not UTF-8 pass through them unchanged."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]
    return Output(sys.stdout), Output(sys.stderr)
