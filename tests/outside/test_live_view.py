"""Does `sampan top` show what happens, and do its keys do what they say? Typed at a real pty."""

import os
import signal

from engine import Client, Engine, eventually
from expect import DETACHED, IMAGE
from test_cli_terminal import Terminal


def test_containers_are_seen_entered_followed_and_stopped(own_engine: Engine) -> None:
    # With no other container: the first of the list is this one. Its name leaves room for the head of every column.
    engine, name = own_engine, "busy"
    busy = "printf 'a\\033[31mred\\n'; while :; do :; done"
    engine.docker(*DETACHED, "--name", name, "--stop-timeout", "0", IMAGE, "sh", "-c", busy)
    view = Terminal(engine, "top")
    try:
        view.expect(r"\d+ running of \d+")
        assert "\x1b[31mred" not in view.expect(rf"(?s)CPU %.*{name}.*a\\x1b\[31mred")
        view.type("e")
        view.expect("# ")
        view.type("echo in-$((40+2)); exit\r")
        view.expect("in-42")
        view.expect(r"\d+ running of")
        view.type("f")
        view.expect("a\x1b\\[31mred")  # as the container wrote it: the terminal is the log's now
        os.kill(view.pid, signal.SIGINT)
        view.expect(r"\d+ running of")
        view.type("s")
        assert eventually(lambda: not engine.docker("ps", "-q", "--filter", f"name={name}").stdout)
        view.expect("Exited")
        view.type("t")
        assert eventually(lambda: bool(engine.docker("ps", "-q", "--filter", f"name={name}").stdout))
        view.type("o\x1b[Bjk\x1b[Aq")
        assert view.code() == 0
        assert not view.is_raw()
    finally:
        try:
            os.kill(view.pid, signal.SIGKILL)
            os.waitpid(view.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass  # it has ended as it should
        os.close(view.master)


def test_without_a_terminal_it_says_what_to_use(engine: Client) -> None:
    refused = engine.sampan("top")
    assert (refused.code, "needs a terminal" in refused.stderr) == (1, True), refused
