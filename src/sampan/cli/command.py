"""What is a command: its usage, flags and arguments; and what does it get when it is called?"""

from __future__ import annotations

from collections.abc import Callable

from sampan.cli.flags import Flag, Options
from sampan.cli.output import Output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.client.engine import Engine

ANY = 1 << 30


class Command:
    """A command as its module declares it. `run` returns the exit code."""

    __slots__ = ("details", "flags", "interspersed", "least", "most", "raw", "run", "usage")

    def __init__(
        self,
        usage: str,
        run: Callable[[Call], int],
        *,
        flags: tuple[Flag, ...] = (),
        least: int = 0,
        most: int = 0,
        interspersed: bool = True,
        details: str = "",
        raw: bool = False,
    ) -> None:
        self.usage = usage
        self.run = run
        self.flags = flags
        self.least = least
        self.most = most
        self.interspersed = interspersed
        self.details = details
        self.raw = raw  # reads its own flags: all words are its arguments, --help included

    def complaint(self, count: int) -> str:
        """What is wrong with so many arguments; empty when nothing is."""
        if self.least <= count <= self.most:
            return ""
        if self.most == 0:
            return "accepts no arguments"
        if self.least == self.most:
            return f"requires {plural(self.least)}"
        if count < self.least:
            return f"requires at least {plural(self.least)}"
        return f"requires at most {plural(self.most)}"


def plural(count: int) -> str:
    """`1 argument`, `2 arguments`."""
    return f"{count} argument" if count == 1 else f"{count} arguments"


class Failure(Exception):
    """The command failed: print the text (if any) as it is and exit with `code`."""

    def __init__(self, text: str = "", code: int = 1) -> None:
        super().__init__(text)
        self.code = code


class Call:
    """One run of a command: what the user gave, where output goes, and the engine, connected on first use."""

    def __init__(
        self,
        *,
        program: str,
        name: str,
        options: Options,
        arguments: list[str],
        out: Output,
        err: Output,
        config_directory: str,
        open_engine: Callable[[], Engine],
    ) -> None:
        self.program = program
        self.name = name
        self.options = options
        self.arguments = arguments
        self.out = out
        self.err = err
        self.config_directory = config_directory
        self._open_engine = open_engine
        self._engine: Engine | None = None

    @property
    def engine(self) -> Engine:
        """The engine that flags and environment name."""
        if self._engine is None:
            self._engine = self._open_engine()
        return self._engine
