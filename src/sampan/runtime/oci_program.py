"""How is the program of another OCI runtime run?

The user asked for it by name (`--runtime runc`); it is the one program that the engine ever executes. It gets the
arguments that containerd gives to runc, writes its errors as JSON into a log file, and has a limited time. A terminal
comes over a socket: runc, docs/terminals.md.
"""

import json
import os
import resource
import select
import signal
import socket
from collections.abc import Sequence

from sampan.linux.close_range import CloseRange, close_range
from sampan.linux.sched import CloneFlag, clone3
from sampan.linux.socket import receive_with_fds
from sampan.runtime import credentials, init
from sampan.runtime.status import StartFailed

COMMAND_SECONDS = 30.0  # a virtual machine takes its time, too
TERMINAL_SECONDS = 5.0
LOG_LIMIT = 1 << 20
NOT_FOUND, NOT_EXECUTABLE, FAILED = 127, 126, 128


class Running:
    """A command that was started. `pidfd` becomes readable when it has ended."""

    def __init__(self, words: Sequence[str], log: str, pid: int, pidfd: int) -> None:
        self.words = words
        self.log = log
        self.pid = pid
        self.pidfd = pidfd

    def wait(self, seconds: float = COMMAND_SECONDS) -> None:
        """Until it has ended well. Raises StartFailed with its own words, or when it takes too long."""
        waiting = select.poll()
        waiting.register(self.pidfd, select.POLLIN)
        timely = bool(waiting.poll(seconds * 1000))
        if not timely:
            os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        os.close(self.pidfd)
        self.pidfd = -1
        said = last_error(self.log)
        _unlink(self.log)
        if not timely:
            raise StartFailed(f"{self.words[0]} took more than {seconds:.0f} seconds", FAILED, plain=True)
        code = os.waitstatus_to_exitcode(status)
        if code:
            raise StartFailed(said or f"{self.words[0]} ended with {code} and without a reason", FAILED, plain=True)


def begin(words: Sequence[str], log: str, environment: dict[str, str], stdio: Sequence[int] = ()) -> Running:
    """Run a command, `words`, whose errors go to the file `log`. `stdio`: three descriptors, or none for /dev/null."""
    pid, pidfd = clone3(CloneFlag(0))
    if pid == 0:
        try:
            _execute(words, environment, stdio)
        except BaseException as error:
            # As if it had said so itself.
            reason = error.strerror if isinstance(error, OSError) else str(error)
            line = json.dumps({"level": "error", "msg": f"fork/exec {words[0]}: {str(reason).lower()}"})
            with open(log, "a") as file:
                file.write(line)
            os._exit(NOT_FOUND)
    return Running(words, log, pid, pidfd)


def _execute(words: Sequence[str], environment: dict[str, str], stdio: Sequence[int]) -> None:
    init.reset_signals()
    os.setsid()
    if credentials.core_limit:
        resource.setrlimit(resource.RLIMIT_CORE, credentials.core_limit)
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for number in range(3):
        os.dup2(stdio[number] if stdio else null, number)
    close_range(3, flags=CloseRange.CLOEXEC)
    os.execve(words[0], list(words), environment)


def last_error(path: str) -> str:
    """The last error in a log of JSON lines, "" if there is none. Whatever is in it."""
    try:
        with open(path, "rb") as file:
            lines = file.read(LOG_LIMIT).splitlines()
    except OSError:
        return ""
    for line in reversed(lines):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict) and entry.get("level") in ("error", "fatal") and isinstance(entry.get("msg"), str):
            return str(entry["msg"])
    return ""


class ConsoleSocket:
    """Where the program sends the master of the terminal that it made. `path` is short, wherever `directory` is."""

    def __init__(self, directory: int, name: str) -> None:
        self._directory = directory
        self._name = name
        self.path = f"/proc/{os.getpid()}/fd/{directory}/{name}"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        umask = os.umask(0o177)
        try:
            self._listener.bind(self.path)
        finally:
            os.umask(umask)
        self._listener.listen(1)

    def take(self) -> int:
        """The terminal. Raises StartFailed when none came."""
        self._listener.settimeout(TERMINAL_SECONDS)
        try:
            sock, _ = self._listener.accept()
            with sock:
                sock.settimeout(TERMINAL_SECONDS)
                _, fds = receive_with_fds(sock, 4096, 8)
        except OSError:
            raise StartFailed("no terminal came from the OCI runtime", FAILED, plain=True) from None
        for fd in fds[1:]:
            os.close(fd)
        if not fds:
            raise StartFailed("no terminal came from the OCI runtime", FAILED, plain=True)
        return fds[0]

    def close(self) -> None:
        """Nobody else may come."""
        self._listener.close()
        try:
            os.unlink(self._name, dir_fd=self._directory)
        except FileNotFoundError:
            pass


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
