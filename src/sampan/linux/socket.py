"""How do descriptors and identities travel over a unix socket, and has the other end read what it was sent?

unix(7): SCM_RIGHTS and SO_PEERCRED; SIOCOUTQ.
"""

import array
import errno
import os
import socket
import struct
from fcntl import ioctl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

FDS_MAX = 253  # SCM_MAX_FD: more in one message is EINVAL

SIOCOUTQ = 0x5411  # linux/sockios.h: it is TIOCOUTQ of asm-generic/ioctls.h

_INT = struct.Struct("i")
# Plain numbers: an operation on members of an enum costs a fresh fork some 20 pages of its own (packing.py).
_CLOSE_ON_EXEC, _CUT_OFF = int(socket.MSG_CMSG_CLOEXEC), int(socket.MSG_CTRUNC)
_UCRED = struct.Struct("iII")  # struct ucred: pid, uid, gid


def send_with_fds(sock: socket.socket, data: bytes, fds: "Sequence[int]") -> None:
    """Send all of `data`, which may not be empty, with copies of `fds` riding on its first byte."""
    if not data:
        raise OSError(errno.EINVAL, "descriptors need at least one byte to travel with")
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    sent = sock.sendmsg([data], rights)
    if sent < len(data):
        sock.sendall(memoryview(data)[sent:])


def receive_with_fds(sock: socket.socket, max_bytes: int, max_fds: int) -> tuple[bytes, list[int]]:
    """Receive one message or piece of a stream, and the descriptors that came with it, close-on-exec.

    More descriptors than `max_fds` is EMSGSIZE, and none of them stays open. (b"", []) at the end of the stream.
    """
    room = socket.CMSG_SPACE(max_fds * 4) if max_fds else 0
    data, messages, flags, _ = sock.recvmsg(max_bytes, room, _CLOSE_ON_EXEC)
    fds = array.array("i")
    for level, kind, content in messages:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    # CMSG_SPACE rounds up to 8, so that one more than asked for may fit.
    if flags & _CUT_OFF or len(fds) > max_fds:
        for fd in fds:
            os.close(fd)
        raise OSError(errno.EMSGSIZE, "more descriptors than expected came with a message")
    return data, fds.tolist()


def peer_credentials(sock: socket.socket) -> tuple[int, int, int]:
    """SO_PEERCRED: pid, uid and gid that the other end had when it connected or made the pair."""
    pid, uid, gid = _UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return int(pid), int(uid), int(gid)


def unread(sock: int) -> int:
    """SIOCOUTQ: how much of what was sent over a unix socket still waits for its reader; 0 is all that counts.

    The kernel's own bookkeeping is in it, so it is no number of bytes. Of a TCP socket: what is not acknowledged yet.
    """
    (size,) = _INT.unpack(ioctl(sock, SIOCOUTQ, _INT.pack(0)))
    return int(size)
