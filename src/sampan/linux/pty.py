"""How is a pseudoterminal made and sized, with no path that a container could swap?

pty(7), ioctl_tty(2). The far end is opened from the master itself (TIOCGPTPEER, Linux 4.13), never by its name in
/dev/pts.
"""

import os
import struct
from fcntl import ioctl

# asm-generic/ioctls.h, the same numbers on x86-64 and arm64.
TIOCSCTTY = 0x540E
TIOCGWINSZ = 0x5413
TIOCSWINSZ = 0x5414
TIOCGPTN = 0x80045430
TIOCSPTLCK = 0x40045431
TIOCGPTPEER = 0x5441

_OPEN = os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC
_INT = struct.Struct("i")
_WINSIZE = struct.Struct("HHHH")  # rows, columns, and two pixel counts that nobody uses


def open_master(ptmx: int | str = "/dev/ptmx") -> int:
    """Open a new pair's master end, still locked. `ptmx`: the device's path, or a descriptor of a devpts root."""
    if isinstance(ptmx, int):
        return os.open("ptmx", _OPEN, dir_fd=ptmx)
    return os.open(ptmx, _OPEN)


def unlock(master: int) -> None:
    """TIOCSPTLCK: let the peer be opened, as unlockpt(3)."""
    ioctl(master, TIOCSPTLCK, _INT.pack(0))


def peer(master: int) -> int:
    """TIOCGPTPEER: open the other end, close-on-exec and without becoming a controlling terminal."""
    return ioctl(master, TIOCGPTPEER, _OPEN)


def number(master: int) -> int:
    """TIOCGPTN: the N of /dev/pts/N, in the devpts that the master belongs to."""
    (index,) = _INT.unpack(ioctl(master, TIOCGPTN, _INT.pack(0)))
    return int(index)


def set_size(fd: int, rows: int, columns: int) -> None:
    """TIOCSWINSZ; the foreground process group gets SIGWINCH when the size changed."""
    ioctl(fd, TIOCSWINSZ, _WINSIZE.pack(rows, columns, 0, 0))


def get_size(fd: int) -> tuple[int, int]:
    """TIOCGWINSZ: rows, columns."""
    rows, columns, _, _ = _WINSIZE.unpack(ioctl(fd, TIOCGWINSZ, bytes(_WINSIZE.size)))
    return int(rows), int(columns)


def make_controlling(fd: int) -> None:
    """TIOCSCTTY: make it the caller's controlling terminal; the caller leads a session that has none yet."""
    ioctl(fd, TIOCSCTTY, 0)
