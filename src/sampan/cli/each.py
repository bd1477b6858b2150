"""What happens when a command is given many names? Each is tried; failures are told, and the exit code remembers."""

from __future__ import annotations

from collections.abc import Callable

from sampan.cli.command import Call
from sampan.client.connection import CannotConnect
from sampan.errors import SampanError


def for_each(
    call: Call,
    names: list[str],
    act: Callable[[str], object],
    *,
    says: Callable[[str, object], str | None] = lambda name, result: name,
    forgives: Callable[[Exception], bool] = lambda error: False,
) -> int:
    """`act` on each name; prints what `says` makes of the result. 1 if anything failed that is not forgiven."""
    failed = False
    for name in names:
        try:
            text = says(name, act(name))
        except CannotConnect:
            raise  # the other names would fail alike
        except SampanError as error:
            call.out.flush()
            call.err.line(str(error))
            failed = failed or not forgives(error)
            continue
        if text is not None:
            call.out.line(text)
            call.out.flush()
    return 1 if failed else 0
