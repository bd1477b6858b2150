"""What does a command that stays with its process do: pass signals on, carry the terminal, bring home the exit code?

Everything that can be sent to us is for the process, but for what concerns ourselves. With a terminal, keys and output
are carried between ours and the process's until that closes; ours is raw meanwhile, and changes of size are passed on.
"""

import os
import select
import signal
import termios
import tty
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

from sampan.errors import InvalidRequest
from sampan.linux.pidfd import pidfd_send_signal
from sampan.linux.pty import get_size, set_size

OURS = {signal.SIGCHLD, signal.SIGURG, signal.SIGPIPE, signal.SIGWINCH, signal.SIGKILL, signal.SIGSTOP}
PIECE = 32 << 10


def open_terminal() -> int:
    """A descriptor of the terminal that the user sits at. Raises InvalidRequest when there is none."""
    if os.isatty(0):
        return os.dup(0)
    try:
        return os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        raise InvalidRequest(f"open /dev/tty: {(error.strerror or '').lower()}") from None


def attend(pid: int, pidfd: int, *, master: int = -1, terminal: int = -1) -> int:
    """Wait until our child `pid` ends; its exit code, or 128 + n when signal n ended it.

    `master`: its terminal's end to carry, `terminal`: ours; -1 for none. Both are closed.
    """
    with ExitStack() as undo:
        if master >= 0:
            undo.callback(os.close, master)
            undo.callback(os.close, terminal)
            undo.enter_context(_raw(terminal))
            undo.enter_context(_followed_size(terminal, master))
        undo.enter_context(forwarded(pidfd))
        if master >= 0:
            _carry(master, pidfd)
        _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


@contextmanager
def forwarded(pidfd: int) -> Iterator[None]:
    """Signals sent to us go to the process."""

    def forward(number: int, frame: FrameType | None) -> None:
        try:
            pidfd_send_signal(pidfd, number)
        except OSError:
            pass  # it has just ended

    former = {}
    for number in signal.valid_signals() - OURS:
        try:
            former[number] = signal.signal(number, forward)
        except (OSError, ValueError):
            continue  # the C library keeps a few real-time signals for itself
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def _raw(fd: int) -> Iterator[None]:
    former = termios.tcgetattr(fd)
    tty.setraw(fd, termios.TCSANOW)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, former)


@contextmanager
def _followed_size(terminal: int, master: int) -> Iterator[None]:
    def follow(number: int, frame: FrameType | None) -> None:
        try:
            set_size(master, *get_size(terminal))
        except OSError:
            pass  # either end has just gone

    former = signal.signal(signal.SIGWINCH, follow)
    follow(signal.SIGWINCH, None)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, former)


def _carry(master: int, pidfd: int) -> None:
    """Carry between standard input, the terminal and standard output until the terminal closes or the process ends."""
    os.set_blocking(master, False)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.register(0, select.POLLIN)
    typed = b""
    while True:
        poll.register(master, select.POLLIN | (select.POLLOUT if typed else 0))
        ready = dict(poll.poll())
        if ready.get(master, 0) & ~select.POLLOUT and not _show(master):
            return
        if typed and ready.get(master, 0) & select.POLLOUT:
            typed = _type(master, typed)
        if 0 in ready and not typed:
            typed = os.read(0, PIECE)
            if not typed:
                poll.unregister(0)
        if pidfd in ready and not ready.get(master, 0) & select.POLLIN:
            # What it said last has been shown; a process that it left behind may keep the terminal open.
            return


def _show(master: int) -> bool:
    """Copy some output; False at its end, which is EIO for a terminal that nobody has open any more."""
    try:
        data = os.read(master, PIECE)
    except BlockingIOError:
        return True
    except OSError:
        return False
    while data:
        data = data[os.write(1, data) :]
    return True


def _type(master: int, typed: bytes) -> bytes:
    """Pass on what was typed; what the terminal did not take yet."""
    try:
        return typed[os.write(master, typed) :]
    except BlockingIOError:
        return typed
    except OSError:
        return b""
