"""What does the user's terminal need while it belongs to a container: raw mode, and its size passed on.

termios(3), tty_ioctl(4). `termios` is imported where it is used: a run without a terminal does not need it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sampan.client.engine import Engine
from sampan.errors import SampanError

STDIN, STDOUT = 0, 1


def size() -> tuple[int, int]:
    """(rows, columns) of the terminal at standard output; (0, 0) if there is none."""
    try:
        columns, rows = os.get_terminal_size(STDOUT)
    except OSError:
        return 0, 0
    return rows, columns


@contextmanager
def raw(fd: int) -> Iterator[None]:
    """Keys reach the container unprocessed, ctrl-c included; the former state comes back whatever happens."""
    if not os.isatty(fd):
        yield
        return
    import termios
    import tty

    former = termios.tcgetattr(fd)
    tty.setraw(fd, termios.TCSANOW)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, former)


@contextmanager
def followed_size(engine: Engine, path: str, *, nudge: bool = False) -> Iterator[None]:
    """Tell `path`/resize the size of our terminal, now and at each SIGWINCH.

    `nudge` sends another size first: a shell draws its prompt again only when the size really changes.
    """

    def tell(rows: int, columns: int) -> None:
        if not rows and not columns:
            return
        try:
            engine.beside().post(f"{path}/resize", {"h": str(rows), "w": str(columns)})
        except SampanError:
            pass  # the process is not there yet, or no more: the next change of size tells it

    def changed(number: int, frame: object) -> None:
        tell(*size())

    if nudge:
        rows, columns = size()
        tell(rows + 1, columns + 1)
    former = signal.signal(signal.SIGWINCH, changed)
    tell(*size())
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, former)


NOT_FORWARDED = {signal.SIGCHLD, signal.SIGPIPE, signal.SIGURG, signal.SIGWINCH}
# A third ctrl-c, or SIGTERM, means that the user wants to be out, whatever the container does with them.
PATIENCE = 3


@contextmanager
def forwarded_signals(engine: Engine, kill_path: str, *, give_up: Callable[[], None]) -> Iterator[None]:
    """Signals sent to us go to the container (`--sig-proxy`); `give_up` is called at the third SIGINT or SIGTERM."""
    impatient = 0

    def forward(number: int, frame: object) -> None:
        nonlocal impatient
        try:
            engine.beside().post(kill_path, {"signal": str(number)})
        except SampanError:
            pass  # the container has just ended: there is nobody left to tell
        if number in (signal.SIGINT, signal.SIGTERM):
            impatient += 1
            if impatient == PATIENCE:
                give_up()

    former = {}
    for number in signal.valid_signals() - NOT_FORWARDED - {signal.SIGKILL, signal.SIGSTOP}:
        try:
            former[number] = signal.signal(number, forward)
        except (OSError, ValueError):
            continue  # the C library keeps a few real-time signals for itself
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
