"""Where does the container's terminal come from?

Always from the container's own devpts: the master is opened there and goes to the shim, the slave becomes stdio and
/dev/console. The slave is taken from the master by TIOCGPTPEER, never by a path somebody could exchange, and no
terminal of the host is ever passed in (ioctl_tty(2), pty(7); security catalogue A08, A34).
"""

import os
import stat

from sampan.linux.fsmount import OpenTree, move_mount, open_tree
from sampan.linux.inside import create_file_in_root, open_in_root
from sampan.linux.pty import make_controlling, open_master, peer, set_size, unlock
from sampan.runtime.status import StartFailed

PTMX = os.makedev(5, 2)
PTS_MAJOR = 136


def open_terminal(root: int, rows: int, columns: int) -> tuple[int, int]:
    """(master, slave) of a new terminal of the container's devpts."""
    ptmx = open_in_root(root, "/dev/pts/ptmx", os.O_PATH)
    found = os.fstat(ptmx)
    if not stat.S_ISCHR(found.st_mode) or found.st_rdev != PTMX:
        os.close(ptmx)
        raise StartFailed(
            "/dev/pts/ptmx of the container is not a terminal multiplexer: is something mounted over /dev/pts?"
        )
    master = open_master(f"/proc/self/fd/{ptmx}")
    os.close(ptmx)
    unlock(master)
    slave = peer(master)
    if rows and columns:
        set_size(master, rows, columns)
    return master, slave


def bind_console(root: int, slave: int) -> None:
    """Make /dev/console the container's terminal."""
    if os.major(os.fstat(slave).st_rdev) != PTS_MAJOR:
        raise StartFailed("the new terminal is not a pty")
    target = create_file_in_root(root, "/dev/console", 0o600)
    # Cloned from the open file itself: the descriptor, not a name, says what is bound.
    source = open_tree(slave, "", OpenTree.CLONE | OpenTree.CLOEXEC | OpenTree.AT_EMPTY_PATH)
    try:
        move_mount(source, "", target, "")
    finally:
        os.close(source)
        os.close(target)


def take(slave: int) -> None:
    """Make `slave` the controlling terminal and the three standard streams of this session leader."""
    make_controlling(slave)
    for fd in range(3):
        os.dup2(slave, fd)
    if slave > 2:
        os.close(slave)
