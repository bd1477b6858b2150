"""How does a process get a session keyring that it shares with nobody?

keyctl(2), session-keyring(7). Keys are not namespaced: a process that keeps its session keyring shares it with all
others of the session it came from.
"""

import os
from ctypes import addressof, create_string_buffer

from sampan.linux.call import syscall

KEYCTL_JOIN_SESSION_KEYRING = 1
KEYCTL_SETPERM = 5
KEYCTL_DESCRIBE = 6


def join_session_keyring(name: str) -> int:
    """KEYCTL_JOIN_SESSION_KEYRING: join the keyring of this name, made if it is missing; returns its serial number."""
    buffer = create_string_buffer(os.fsencode(name))
    return syscall("keyctl", KEYCTL_JOIN_SESSION_KEYRING, addressof(buffer), 0, 0, 0)


def set_permissions(serial: int, permissions: int) -> None:
    """KEYCTL_SETPERM: the bits of keyrings(7), one byte each for possessor, user, group, other."""
    syscall("keyctl", KEYCTL_SETPERM, serial, permissions, 0, 0)


def describe(serial: int) -> str:
    """KEYCTL_DESCRIBE: "type;uid;gid;permissions in hex;description"."""
    buffer = create_string_buffer(4096)
    syscall("keyctl", KEYCTL_DESCRIBE, serial, addressof(buffer), len(buffer), 0)
    return os.fsdecode(buffer.value)
