"""How does the shim learn that the out-of-memory killer struck?

v1: an eventfd(2) registered with memory.oom_control. v2: inotify(7) on memory.events.
"""

import os

from sampan.linux.inotify import Mask, add_watch, inotify_init
from sampan.runtime.cgroup import Cgroup, write_file
from sampan.runtime.status import StartFailed


def watch(cgroup: Cgroup) -> int:
    """A descriptor that becomes readable when the killer struck in `cgroup`, or -1 where the kernel cannot say."""
    try:
        directory = cgroup.directory("memory")
        control = f"{directory}/memory.oom_control"
        if not os.path.exists(control):
            return _watch_events(f"{directory}/memory.events")
        event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        file = os.open(control, os.O_RDONLY | os.O_CLOEXEC)
        try:
            write_file(f"{directory}/cgroup.event_control", f"{event} {file}")
        finally:
            os.close(file)  # the kernel holds what it needs
        return event
    except (OSError, StartFailed):
        return -1


def _watch_events(path: str) -> int:
    fd = inotify_init()
    try:
        add_watch(fd, path, Mask.MODIFY)
    except BaseException:
        os.close(fd)
        raise
    return fd
