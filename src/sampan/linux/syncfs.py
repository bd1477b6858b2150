"""How is everything that was written to one filesystem put on disk, and nothing else?

syncfs(2): for a tree of many files, where one fsync(2) for each would take minutes.
"""

from sampan.linux.call import call


def syncfs(fd: int) -> None:
    """syncfs(2): wait until the filesystem that `fd` lies on is written out."""
    call("syncfs", fd)
