"""Where does the master end of a process's terminal go?

To whoever listens on --console-socket, as runc sends it: one descriptor, with a name that nobody reads. Or to `attend`,
when the command itself stays with the process.
"""

import os
import socket

from sampan.errors import InvalidRequest
from sampan.linux.socket import send_with_fds


def connect(path: str, *, terminal: bool, detached: bool) -> socket.socket | None:
    """The connected console socket, None if there is none. Raises InvalidRequest in runc's words."""
    if detached and terminal and not path:
        raise InvalidRequest("cannot allocate tty if runc will detach without setting console socket")
    if not (detached and terminal) and path:
        raise InvalidRequest("cannot use console socket if runc will not detach or allocate tty")
    if not path:
        return None
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _connect(sock, path)
    except OSError as error:
        sock.close()
        raise InvalidRequest(f"dial unix {path}: connect: {(error.strerror or str(error)).lower()}") from None
    return sock


def _connect(sock: socket.socket, path: str) -> None:
    if len(os.fsencode(path)) < 108:
        return sock.connect(path)
    # A socket address has room for 107 bytes (unix(7)); a descriptor's name is shorter.
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        return sock.connect(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)


def hand_over(sock: socket.socket, master: int) -> None:
    """Send the master end and let go of it."""
    try:
        send_with_fds(sock, b"/dev/ptmx", [master])
    finally:
        os.close(master)
        sock.close()
