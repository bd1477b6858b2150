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


FIRST_TRIES = 10
RETRY_SECONDS = 0.02


@contextmanager
def followed_size(engine: Engine, path: str, *, nudge: bool = False) -> Iterator[None]:
    """Tell `path`/resize the size of our terminal, now and at each SIGWINCH.

    `nudge` sends another size first: a shell draws its prompt again only when the size really changes. An engine may
    refuse the first size because the process has only just been asked for: a timer tries again, a few times.
    """
    tries_left = FIRST_TRIES

    def tell(rows: int, columns: int) -> bool:
        if not rows and not columns:
            return True
        try:
            engine.beside().post(f"{path}/resize", {"h": str(rows), "w": str(columns)})
        except SampanError:
            return False
        return True

    def changed(number: int, frame: object) -> None:
        nonlocal tries_left
        if not tell(*size()) and tries_left:
            tries_left -= 1
            signal.setitimer(signal.ITIMER_REAL, RETRY_SECONDS)

    if nudge:
        rows, columns = size()
        tell(rows + 1, columns + 1)
    former = [(number, signal.signal(number, changed)) for number in (signal.SIGWINCH, signal.SIGALRM)]
    changed(signal.SIGWINCH, None)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in former:
            signal.signal(number, handler)


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
