"""How does a file get its owner that is held as an O_PATH descriptor: a link, a pipe, a device node?

fchownat(2) with AT_EMPTY_PATH; fchown(2) refuses such a descriptor, and Python's os.chown knows no empty path.
"""

from sampan.linux.call import call

AT_EMPTY_PATH = 0x1000


def chown_entry(entry: int, uid: int, gid: int) -> None:
    """Give the file behind the descriptor `entry`, whatever kind it is, to a user and a group."""
    call("fchownat", entry, b"", uid, gid, AT_EMPTY_PATH)
