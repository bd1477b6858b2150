"""How are all descriptors above some number closed, or marked to be, in one call?

close_range(2), Linux 5.9; CLOEXEC since 5.11.
"""

from enum import IntFlag

from sampan.linux.call import syscall

LAST = 0xFFFFFFFF


class CloseRange(IntFlag):
    """CLOSE_RANGE_* of linux/close_range.h."""

    UNSHARE = 2
    CLOEXEC = 4


def close_range(first: int, last: int = LAST, flags: int = 0) -> None:
    """close_range(2): close, or with CLOEXEC mark, every descriptor from `first` to `last`, both included."""
    syscall("close_range", first, last, int(flags))
