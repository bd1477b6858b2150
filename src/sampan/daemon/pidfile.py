"""How is there one daemon at most for a data root, and how is it found?

Locks (flock(2)) are what counts, on a file in the data root and on the pid file: the kernel lets go of them however the
daemon ends. A number alone would not do: after a crash it may name a stranger, or the dead daemon that nobody has
waited for.
"""

import fcntl
import os
from pathlib import Path

from sampan.errors import Conflict


def lock(data_root: Path) -> int:
    """Take the data root; returns the descriptor that holds it. Raises Conflict when another daemon has it."""
    return _hold(data_root / "lock", 0o600, f"another daemon uses the data root {data_root}")


def write(path: Path) -> int:
    """Leave our number for others; returns the descriptor that holds the file. Raises Conflict."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return _hold(path, 0o644, f"another daemon uses the pid file {path}")


def _hold(path: Path, mode: int, sentence: str) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(descriptor, 16, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise Conflict(f"{sentence}: process {owner or 'unknown'}") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, b"%d" % os.getpid(), 0)
    return descriptor
