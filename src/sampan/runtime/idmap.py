"""Which user namespace carries the id map of an id-mapped mount?

mount_setattr(2) takes the map from a user namespace. A short-lived child makes one; its descriptor keeps it alive.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sampan.linux.sched import CloneFlag, clone3

Maps = Sequence[tuple[int, int, int]]


@contextmanager
def user_namespace_of(uid_maps: Maps, gid_maps: Maps) -> Iterator[int]:
    """A descriptor of a user namespace with these (inside, outside, count) maps."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    pid, pidfd = clone3(CloneFlag.NEWUSER)
    if pid == 0:
        os.close(writer)
        os.read(reader, 1)  # until the parent has taken hold of the namespace
        os._exit(0)
    os.close(reader)
    try:
        seen = _number_in_proc(pidfd)
        for name, maps in (("uid_map", uid_maps), ("gid_map", gid_maps)):
            fd = os.open(f"/proc/{seen}/{name}", os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(fd, "".join(f"{inside} {outside} {count}\n" for inside, outside, count in maps).encode())
            finally:
                os.close(fd)
        namespace = os.open(f"/proc/{seen}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(writer)
        os.waitpid(pid, 0)
        if pidfd >= 0:
            os.close(pidfd)
    try:
        yield namespace
    finally:
        os.close(namespace)


def _number_in_proc(pidfd: int) -> int:
    """A process's number in /proc, which may be that of another pid namespace than ours (proc_pid_fdinfo(5))."""
    with open(f"/proc/self/fdinfo/{pidfd}", "rb") as info:
        return next(int(line.split()[1]) for line in info if line.startswith(b"Pid:"))
