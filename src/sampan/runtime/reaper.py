"""What does our own init do as pid 1 (docker run --init)?

It starts the user's program as its child, passes every signal on to it, reaps whoever ends, and ends as the program
ended. Nothing is imported here after the root has changed: this code was loaded by the zygote.
"""

import os
import signal
from typing import NoReturn

# Not to be passed on: the kernel aims these at the process that caused them (signal(7)).
SYNCHRONOUS = {
    signal.SIGFPE,
    signal.SIGILL,
    signal.SIGSEGV,
    signal.SIGBUS,
    signal.SIGABRT,
    signal.SIGTRAP,
    signal.SIGSYS,
}
# Stops are for a terminal's job control, and pid 1 must never be stopped by them.
TERMINAL = {signal.SIGTTIN, signal.SIGTTOU}


def split() -> int:
    """Fork the program off: 0 in the child, which goes on to execute it; its pid in pid 1, which must call `reap`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - SYNCHRONOUS)
    child = os.fork()
    if child == 0:
        # A process group of its own, so that a signal from the terminal reaches the program and its children only.
        os.setpgid(0, 0)
        if os.isatty(0):
            os.tcsetpgrp(0, os.getpid())
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
    return child


def reap(child: int) -> NoReturn:
    """Pass signals to `child` and collect the dead until it ends; then end with its exit code."""
    watched = signal.valid_signals() - SYNCHRONOUS - TERMINAL
    while True:
        number = signal.sigwait(watched)
        if number != signal.SIGCHLD:
            try:
                os.kill(child, number)
            except ProcessLookupError:
                pass
            continue
        status = _collect(child)
        if status is not None:
            os._exit(status)


def _collect(child: int) -> int | None:
    """Reap all who have ended; the exit code of `child` if it is among them."""
    result = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return result
        if pid == 0:
            return result
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            result = code if code >= 0 else 128 - code
