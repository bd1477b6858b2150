"""How is a network interface brought up without netlink?

netdevice(7). For the loopback device of a fresh network namespace; everything more is netlink's.
"""

import errno
import os
import socket
import struct
from fcntl import ioctl

SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
IFF_UP = 1
IFNAMSIZ = 16

_IFREQ = struct.Struct(f"{IFNAMSIZ}sH22x")  # struct ifreq, 40 bytes, with the member ifr_flags of its union


def set_up(name: str) -> None:
    """SIOCSIFFLAGS: set IFF_UP on an interface of this network namespace. ENODEV when there is none so called."""
    encoded = os.fsencode(name)
    if len(encoded) >= IFNAMSIZ:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), name)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as any_socket:
        try:
            _, flags = _IFREQ.unpack(ioctl(any_socket, SIOCGIFFLAGS, _IFREQ.pack(encoded, 0)))
            ioctl(any_socket, SIOCSIFFLAGS, _IFREQ.pack(encoded, flags | IFF_UP))
        except OSError as error:
            raise OSError(error.errno, error.strerror, name) from None
