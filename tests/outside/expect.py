"""What does a run of a client have to show? One `Case` is a command, and what dockerd's client printed for it."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass

from engine import Result

OUTSIDE = os.environ.get("SAMPAN_TEST_SOCK", "")  # an engine that runs already
IMAGE = f"sampan-test:{os.getpid()}" if OUTSIDE else "sampan-test:latest"  # others may test the same engine
LABEL = f"sampan-test={os.getpid()}"
ONCE = ("run", "--rm", "--network", "none")
DETACHED = ("run", "-d", "--network", "none")
CREATE = ("create", "--network", "none")
Docker = Callable[..., Result]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`flags` go before the image, `command` after it; `out` is a regular expression for the whole of stdout.

    `err` need only be found in stderr, in any case: the sense of a message is promised, its frame is the client's.
    `peer` says why the real dockerd, where these were recorded, does otherwise.
    """

    flags: tuple[str, ...] = ()
    command: tuple[str, ...] = ("true",)
    out: str = ""
    err: str = ""
    code: int | tuple[int, ...] = 0
    stdin: str = ""
    peer: str = ""

    def __str__(self) -> str:
        return " ".join([*self.flags, "::", *self.command])[:70]


def case(line: str, *command: str, **expected: object) -> Case:
    """A Case whose flags are the words of `line`."""
    return Case(flags=tuple(line.split()), command=command or ("true",), **expected)  # type: ignore[arg-type]


def check(result: Result, wanted: Case) -> None:
    """Fail with everything that was said unless the result is the one wanted."""
    said = f"exit {result.code}\nstdout: {result.stdout!r}\nstderr: {result.stderr!r}"
    assert result.code in (wanted.code if isinstance(wanted.code, tuple) else (wanted.code,)), said
    assert re.fullmatch(wanted.out, result.stdout, re.DOTALL), f"wanted stdout {wanted.out!r}\n{said}"
    if wanted.err:
        assert re.search(wanted.err, result.stderr, re.IGNORECASE | re.DOTALL), f"wanted stderr {wanted.err!r}\n{said}"
    elif wanted.code == 0:
        assert not result.stderr, said


def says(result: Result, out: str = "", *, err: str = "", code: int | tuple[int, ...] = 0) -> None:
    """`check` for a result that needs no row of a table."""
    check(result, Case(out=out, err=err, code=code))
