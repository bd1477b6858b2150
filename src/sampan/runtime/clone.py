"""How is a process cloned into namespaces, some of them new, some that exist?

clone3(2) makes the new ones. Of those that exist only the pid namespace must be entered before: a process never changes
its own (setns(2)). A user namespace makes the order matter, since a process that is in one has no more power outside:

    joined user namespace    it must own the new ones, so it is entered before they are made, and after the others
    new user namespace       the others are entered before it is made

Then a short-lived process in between enters them and clones with CLONE_PARENT, so that the child is still ours.
"""

import os
import struct
from typing import NoReturn

from sampan.linux.call import failure
from sampan.linux.pidfd import pidfd_open
from sampan.linux.sched import CloneFlag, clone3, setns

Joined = tuple[tuple[int, int], ...]  # (CLONE_NEW* flag, descriptor)

_NEWS = struct.Struct("ii")  # pid or 0, errno


def clone_into(joined: Joined, flags: CloneFlag, unified: int | None) -> tuple[int, int, Joined]:
    """(pid, pidfd, namespaces that the child must still join itself); pid 0 in the child. `unified`: its v2 cgroup."""
    if (flags & CloneFlag.NEWUSER and joined) or any(flag == CloneFlag.NEWUSER for flag, _ in joined):
        return (*_clone_through(joined, flags, unified), ())
    target = next((fd for flag, fd in joined if flag == CloneFlag.NEWPID), None)
    if target is None:
        return (*clone3(flags, cgroup_fd=unified), joined)
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(target, CloneFlag.NEWPID)
        try:
            pid, pidfd = clone3(flags, cgroup_fd=unified)
        except OSError:
            setns(own, CloneFlag.NEWPID)
            raise
        if pid:
            setns(own, CloneFlag.NEWPID)
        return pid, pidfd, joined
    finally:
        os.close(own)


def _clone_through(joined: Joined, flags: CloneFlag, unified: int | None) -> tuple[int, int]:
    reader, writer = os.pipe2(os.O_CLOEXEC)
    between = os.fork()
    if between == 0:
        os.close(reader)
        if _between(joined, flags, unified, writer):
            os.close(writer)
            return 0, -1
    os.close(writer)
    news = os.read(reader, _NEWS.size)
    os.close(reader)
    os.waitpid(between, 0)
    pid, reason = _NEWS.unpack(news) if len(news) == _NEWS.size else (0, 0)
    if not pid:
        raise failure(reason, (), "joining the namespaces")
    return pid, pidfd_open(pid)


def _between(joined: Joined, flags: CloneFlag, unified: int | None, writer: int) -> bool:
    """In between: enter all there is to enter, the user namespace last, and clone. True in the child."""
    try:
        for flag, fd in sorted(joined, key=lambda entry: entry[0] == CloneFlag.NEWUSER):
            setns(fd, CloneFlag(flag))
        pid, _ = clone3(flags | CloneFlag.PARENT, cgroup_fd=unified)
    except OSError as error:
        _tell(writer, 0, error.errno or 0)
    if pid:
        _tell(writer, pid, 0)
    return True


def _tell(writer: int, pid: int, reason: int) -> NoReturn:
    os.write(writer, _NEWS.pack(pid, reason))
    os._exit(0)
