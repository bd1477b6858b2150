"""One daemon for a data root; what a dead one left is no obstacle."""

import os
from pathlib import Path

import pytest

from sampan.daemon import pidfile
from sampan.errors import Conflict


def test_the_second_daemon_is_told_who_is_first(tmp_path: Path) -> None:
    held = pidfile.lock(tmp_path)
    with pytest.raises(Conflict, match=f"another daemon uses the data root {tmp_path}: process {os.getpid()}"):
        pidfile.lock(tmp_path)
    os.close(held)
    os.close(pidfile.lock(tmp_path))


def test_a_number_without_its_process_s_lock_means_nothing(tmp_path: Path) -> None:
    path = tmp_path / "run" / "pid"
    path.parent.mkdir()
    path.write_text("1")  # init lives, but it is no daemon of ours
    held = pidfile.write(path)
    assert path.read_text() == str(os.getpid())
    with pytest.raises(Conflict, match="another daemon uses the pid file"):
        pidfile.write(path)
    os.close(held)


def test_a_link_in_the_pid_file_s_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "pid").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError):
        pidfile.write(tmp_path / "pid")
    assert not (tmp_path / "victim").exists()
