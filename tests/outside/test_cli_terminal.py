"""Does our command line do on a terminal what docker's does? Each test types at a real pty."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator

import pytest

from engine import Client, eventually
from expect import DETACHED, IMAGE, LABEL, Docker

SECONDS = 20.0
ONCE = ("run", "--rm", "--network", "none", "--label", LABEL)
PROMPT = "/ # "


class Terminal:
    """`sampan …` on a terminal of 30 rows and 100 columns."""

    def __init__(self, client: Client, *words: str) -> None:
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
            os.execve(sys.executable, [sys.executable, "-m", "sampan", *words], client.environment())
        self.seen = ""

    def expect(self, pattern: str) -> str:
        """Wait until `pattern` is found in what has come since the last match; what was matched."""
        deadline = time.monotonic() + SECONDS
        while not (match := re.search(pattern, self.seen)):
            left = deadline - time.monotonic()
            ready = select.select([self.master], [], [], max(left, 0))[0]
            data = self._read() if ready else b""
            assert data, f"waited for {pattern!r}, saw {self.seen!r}"
            self.seen += data.decode("utf-8", "replace")
        self.seen = self.seen[match.end() :]
        return match.group()

    def rest(self) -> str:
        """Everything until the command ends."""
        while data := self._read():
            self.seen += data.decode("utf-8", "replace")
        return self.seen

    def _read(self) -> bytes:
        try:
            return os.read(self.master, 4096)
        except OSError:
            return b""  # EIO: nobody holds the other side any more

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self.master, text.encode())

    def resize(self, rows: int, columns: int) -> None:
        """Drag the window."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def is_raw(self) -> bool:
        """Whether keys reach the command unprocessed."""
        return not termios.tcgetattr(self.master)[3] & termios.ICANON

    def code(self) -> int:
        """The exit code, once it has ended."""
        self.rest()
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.fixture
def terminal(engine: Client, docker: Docker) -> Iterator[Callable[..., Terminal]]:
    """Opens terminals; what was started in them is ended afterwards."""
    opened: list[Terminal] = []

    def start(*words: str) -> Terminal:
        opened.append(Terminal(engine, *words))
        return opened[-1]

    yield start
    for each in opened:
        try:
            os.kill(each.pid, signal.SIGKILL)
            os.waitpid(each.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
        os.close(each.master)


Open = Callable[..., Terminal]


def test_a_shell_in_a_new_container(terminal: Open) -> None:
    shell = terminal(*ONCE, "-it", IMAGE, "sh")
    shell.expect(PROMPT)
    assert shell.is_raw()
    shell.type("stty size; tty\r")
    shell.expect("30 100")
    shell.expect("/dev/(pts/0|console)")
    shell.expect(PROMPT)
    shell.type("exit 5\r")
    assert shell.code() == 5
    assert not shell.is_raw()


def test_the_size_follows(terminal: Open) -> None:
    shell = terminal(*ONCE, "-it", IMAGE, "sh")
    shell.expect(PROMPT)
    shell.resize(41, 132)
    shell.type("until stty size | grep -q '41 132'; do :; done; stty size\r")
    shell.expect(r"\n41 132\r")
    shell.type("exit\r")
    assert shell.code() == 0


def test_keys_go_to_the_container(terminal: Open) -> None:
    shell = terminal(*ONCE, "-it", IMAGE, "sh")
    shell.expect(PROMPT)
    # The quotes keep the echo of this line from looking like its output.
    shell.type("echo re''ady; cat\r")
    shell.expect("ready")
    shell.type("ab\x03")
    shell.expect(PROMPT)
    shell.type("echo $?\r")
    shell.expect("130")
    shell.type("exit 8\r")
    assert shell.code() == 8


def test_detach_and_attach(terminal: Open, docker: Docker, name: str) -> None:
    shell = terminal("run", "--network", "none", "--label", LABEL, "--name", name, "-it", IMAGE, "sh")
    shell.expect(PROMPT)
    shell.type("x=kept\r")
    shell.expect(PROMPT)
    shell.type("\x10\x11")
    assert shell.code() == 0
    assert docker("inspect", "-f", "{{.State.Running}}", name).stdout == "true\n"
    again = terminal("attach", "--detach-keys", "ctrl-x,y", name)
    again.type("\recho $x\r")
    again.expect("kept")
    again.type("\x18y")
    assert "read escape sequence" in again.rest()
    assert again.code() == 1
    assert not again.is_raw()


def test_a_shell_in_a_running_container(terminal: Open, sleeper: str) -> None:
    shell = terminal("exec", "-it", sleeper, "sh")
    shell.expect(PROMPT)
    assert shell.is_raw()
    shell.type("stty size; exit 6\r")
    shell.expect("30 100")
    assert shell.code() == 6
    assert not shell.is_raw()


def test_start_interactive(terminal: Open, docker: Docker, name: str) -> None:
    docker("create", "--network", "none", "--name", name, "-it", IMAGE, "sh")
    shell = terminal("start", "-ai", name)
    shell.expect(PROMPT)
    shell.type("exit 3\r")
    assert shell.code() == 3


def test_a_failed_start_gives_the_terminal_back(terminal: Open) -> None:
    shell = terminal(*ONCE, "-it", IMAGE, "nosuch")
    assert "executable file not found" in shell.rest()
    assert shell.code() == 127
    assert not shell.is_raw()


def test_labels_cannot_drive_the_terminal(terminal: Open, docker: Docker, name: str) -> None:
    """F05: metadata reaches a terminal escaped; what a container prints stays raw, as in docker."""
    docker("create", "--network", "none", "--name", name, "-l", "x=\x1b]0;owned\x07", IMAGE, "printf", "\x1b[1mraw")
    for words in (("ps", "-a", "--format", "{{.Labels}}"), ("inspect", "-f", "{{.Config.Labels}}", name)):
        shown = terminal(*words)
        text = shown.rest()
        assert "owned" in text
        assert "\x1b" not in text
        assert "\x07" not in text
        assert shown.code() == 0
    printed = terminal("start", "-a", name)
    assert "\x1b[1mraw" in printed.rest()


def test_errors_cannot_drive_the_terminal(terminal: Open) -> None:
    shown = terminal("rm", "\x1b]0;owned\x07")
    assert "\x1b" not in shown.rest()
    assert shown.code() == 1


def test_ctrl_c_reaches_a_container_without_a_terminal(terminal: Open) -> None:
    script = "trap 'echo got INT; exit 4' INT; echo ready; while :; do sleep 0.05; done"
    shell = terminal(*ONCE, IMAGE, "sh", "-c", script)
    shell.expect("ready")
    shell.type("\x03")
    shell.expect("got INT")
    assert shell.code() == 4


def spawn(engine: Client, *words: str) -> "subprocess.Popen[bytes]":
    """Our command line with pipes and no terminal."""
    pipe = subprocess.PIPE
    argv = [sys.executable, "-m", "sampan", *words]
    return subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, env=engine.environment())


def test_signals_are_passed_on(engine: Client, docker: Docker) -> None:
    script = "trap 'echo got TERM; exit 9' TERM; echo ready; while :; do sleep 0.05; done"
    client = spawn(engine, *ONCE, IMAGE, "sh", "-c", script)
    assert client.stdout is not None
    assert client.stdout.readline() == b"ready\n"
    client.terminate()
    assert client.communicate(timeout=SECONDS)[0] == b"got TERM\n"
    assert client.returncode == 9


def test_the_third_interrupt_ends_the_client(engine: Client, docker: Docker, name: str) -> None:
    script = "trap '' INT; echo ready; while :; do sleep 0.05; done"
    client = spawn(engine, "run", "--network", "none", "--label", LABEL, "--name", name, IMAGE, "sh", "-c", script)
    assert client.stdout is not None
    assert client.stdout.readline() == b"ready\n"
    for _ in range(200):
        if client.poll() is not None:
            break
        client.send_signal(signal.SIGINT)
        eventually(lambda: client.poll() is not None, 0.1)
    assert client.wait(SECONDS) == 1
    assert docker("inspect", "-f", "{{.State.Running}}", name).stdout == "true\n"


def test_much_goes_through(engine: Client, docker: Docker) -> None:
    """The container prints while it is fed, and the end of its input is not the end of its output."""
    client = spawn(engine, *ONCE, "-i", IMAGE, "sh", "-c", "cat; echo done >&2")
    data = bytes(range(256)) * 40_000
    out, err = client.communicate(data, timeout=3 * SECONDS)
    assert out == data
    assert (err, client.returncode) == (b"done\n", 0)


def test_a_reader_that_leaves_ends_the_client(engine: Client, docker: Docker, name: str) -> None:
    docker(*DETACHED, "--name", name, IMAGE, "sh", "-c", "yes | head -c 3000000")
    client = spawn(engine, "logs", "-f", name)
    assert client.stdout is not None
    assert client.stdout.read(2) == b"y\n"
    client.stdout.close()
    assert client.wait(SECONDS) == 141
    assert client.stderr is not None
    assert client.stderr.read() == b""
