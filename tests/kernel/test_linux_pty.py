"""Is a pseudoterminal's other end the one that belongs to it, and of the size that was set?"""

import os
import signal
import stat
from pathlib import Path

import pytest

from kernel.namespaced import alone, exit_code, namespaced
from sampan.linux import pty
from sampan.linux.fsmount import fsconfig_create, fsconfig_string, fsmount, fsopen
from sampan.linux.sched import CloneFlag


@pytest.fixture
def master() -> int:
    fd = pty.open_master()
    yield fd
    os.close(fd)


def test_a_locked_master_has_no_peer(master: int) -> None:
    with pytest.raises(OSError, match="Input/output error"):
        pty.peer(master)


def test_the_peer_is_the_masters(master: int) -> None:
    pty.unlock(master)
    peer = pty.peer(master)
    assert os.ttyname(peer) == f"/dev/pts/{pty.number(master)}"
    assert os.major(os.fstat(peer).st_rdev) == 136
    assert not os.get_inheritable(master)
    assert not os.get_inheritable(peer)
    os.write(peer, b"through\n")
    assert os.read(master, 100) == b"through\r\n"
    os.close(peer)


def test_the_size_is_seen_from_both_ends(master: int) -> None:
    pty.unlock(master)
    peer = pty.peer(master)
    pty.set_size(master, 24, 80)
    assert pty.get_size(peer) == (24, 80)
    assert os.get_terminal_size(peer) == (80, 24)
    os.close(peer)


def test_a_session_leader_takes_it_and_hears_of_resizing(master: int) -> None:
    pty.unlock(master)
    reader, writer = os.pipe()

    def leader() -> int:
        os.setsid()
        peer = pty.peer(master)
        pty.make_controlling(peer)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGWINCH})
        os.write(writer, b"x")
        signal.sigwait({signal.SIGWINCH})
        assert os.tcgetpgrp(peer) == os.getpid()
        return sum(pty.get_size(peer))

    def parent() -> int:
        pid = os.fork()
        if pid == 0:
            os._exit(alone(leader))
        os.read(reader, 1)
        pty.set_size(master, 10, 20)
        return exit_code(pid)

    assert alone(parent) == 30
    os.close(reader)
    os.close(writer)


@pytest.mark.needs_root
def test_a_devpts_of_its_own_counts_from_0() -> None:
    def child() -> list[object]:
        fs = fsopen("devpts")
        for key, value in {"newinstance": "", "ptmxmode": "0666", "mode": "0620"}.items():
            if value:
                fsconfig_string(fs, key, value)
        fsconfig_create(fs)
        devpts = fsmount(fs)
        master = pty.open_master(devpts)
        pty.unlock(master)
        peer = pty.peer(master)
        mine = os.stat("0", dir_fd=devpts)
        return [pty.number(master), os.path.samestat(mine, os.fstat(peer)), stat.S_IMODE(mine.st_mode)]

    assert namespaced(child, CloneFlag.NEWNS) == [0, True, 0o620]


def test_a_path_is_taken_as_well() -> None:
    fd = pty.open_master("/dev/ptmx")
    assert stat.S_ISCHR(os.fstat(fd).st_mode)
    os.close(fd)
    with pytest.raises(FileNotFoundError):
        pty.open_master(str(Path("/dev/nowhere")))
