"""A command line without a process: words in, exit code and text out."""

import io
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from sampan.cli.main import dispatch
from sampan.cli.output import Output


@dataclass(frozen=True, slots=True)
class Said:
    """What a command said."""

    code: int
    out: str
    err: str


@pytest.fixture
def sampan() -> Callable[..., Said]:
    """Runs `sampan WORD…` in this process."""

    def run(*words: str) -> Said:
        out, err = io.StringIO(), io.StringIO()
        code = dispatch("sampan", list(words), Output(out), Output(err))
        return Said(code, out.getvalue(), err.getvalue())

    return run
