"""Is a daemon that is started on demand waited for, and is one that fails explained?"""

import os
import sys
from pathlib import Path

import pytest

from sampan.cli.wake import answers, spawn, tail, wait
from sampan.client.endpoint import Endpoint
from sampan.errors import Unavailable

LISTEN = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); s.accept()"


def test_a_daemon_that_listens_is_waited_for(tmp_path: Path) -> None:
    path = f"{tmp_path}/s"
    assert not answers(path)
    alive = spawn([sys.executable, "-c", LISTEN, path], f"{tmp_path}/log")
    assert wait(Endpoint(f"unix://{path}"), alive, f"{tmp_path}/log")
    os.close(alive)


def test_a_daemon_that_ends_at_once_is_quoted(tmp_path: Path) -> None:
    log = f"{tmp_path}/log"
    alive = spawn(["/bin/sh", "-c", "echo one; echo 'failed to start daemon: no' >&2; exit 1"], log)
    with pytest.raises(Unavailable, match=r"(?s)ended at once; its last words.*failed to start daemon: no"):
        wait(Endpoint(f"unix://{tmp_path}/s"), alive, log)
    os.close(alive)


def test_what_cannot_be_started_is_explained(tmp_path: Path) -> None:
    log = f"{tmp_path}/log"
    alive = spawn(["/nonexistent/python"], log)
    with pytest.raises(Unavailable, match="cannot start the daemon"):
        wait(Endpoint(f"unix://{tmp_path}/s"), alive, log)
    os.close(alive)


def test_the_log_is_nobody_elses(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.symlink_to(tmp_path / "target")
    alive = spawn(["/bin/echo", "x"], str(log))
    assert os.read(alive, 1) == b""
    os.close(alive)
    assert not (tmp_path / "target").exists()


def test_last_words(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("\n".join(str(number) for number in range(50)))
    assert tail(str(log)).split() == [str(number) for number in range(38, 50)]
    assert "No such file" in tail(str(tmp_path / "none"))
