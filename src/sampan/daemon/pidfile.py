"""How is there one daemon at most for a data root, and how is it found?

A lock (flock(2)) on a file in the data root is what counts: the kernel lets go of it however the daemon ends. The pid
file is for scripts that were written for dockerd's.
"""

import fcntl
import os
from pathlib import Path

from sampan.errors import Conflict


def lock(data_root: Path) -> int:
    """Take the data root; returns the descriptor that holds it. Raises Conflict when another daemon has it."""
    descriptor = os.open(data_root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise Conflict(f"another daemon uses the data root {data_root} (process {owner or 'unknown'})") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
    return descriptor


def write(path: Path) -> None:
    """Leave our number for others. Raises Conflict when the process that the file names lives."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pid = _read(path)
    if pid and pid != os.getpid() and os.path.exists(f"/proc/{pid}"):
        raise Conflict(f"process with PID {pid} is still running: remove {path} if it is no daemon")
    path.write_text(f"{os.getpid()}")


def remove(path: Path) -> None:
    """Take our number back; a file that names another process is not ours."""
    if _read(path) == os.getpid():
        path.unlink(missing_ok=True)


def _read(path: Path) -> int:
    try:
        return int(path.read_text()[:16])
    except (OSError, ValueError):
        return 0
