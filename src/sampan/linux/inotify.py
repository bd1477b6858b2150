"""How does one hear that a file or directory changed?

inotify(7). The descriptor is read by its owner (it does not block); `parse` turns what was read into events.
"""

import os
import struct
from enum import IntFlag
from typing import NamedTuple

from sampan.linux.call import call

_EVENT = struct.Struct("iIII")  # struct inotify_event without its name: wd, mask, cookie, length of the name


class Mask(IntFlag):
    """IN_* of linux/inotify.h."""

    ACCESS = 0x1
    MODIFY = 0x2
    ATTRIB = 0x4
    CLOSE_WRITE = 0x8
    CLOSE_NOWRITE = 0x10
    OPEN = 0x20
    MOVED_FROM = 0x40
    MOVED_TO = 0x80
    CREATE = 0x100
    DELETE = 0x200
    DELETE_SELF = 0x400
    MOVE_SELF = 0x800
    UNMOUNT = 0x2000
    Q_OVERFLOW = 0x4000
    IGNORED = 0x8000
    ONLYDIR = 0x1000000
    DONT_FOLLOW = 0x2000000
    EXCL_UNLINK = 0x4000000
    MASK_CREATE = 0x10000000
    MASK_ADD = 0x20000000
    ISDIR = 0x40000000
    ONESHOT = 0x80000000


class Event(NamedTuple):
    """struct inotify_event. `name` is empty when the watched thing itself is meant."""

    watch: int
    mask: Mask
    cookie: int
    name: str


def inotify_init() -> int:
    """inotify_init1(2), close-on-exec and non-blocking."""
    return call("inotify_init1", os.O_CLOEXEC | os.O_NONBLOCK)


def add_watch(fd: int, path: str, mask: int) -> int:
    """inotify_add_watch(2): the watch descriptor."""
    return call("inotify_add_watch", fd, os.fsencode(path), int(mask), paths=(path,))


def rm_watch(fd: int, watch: int) -> None:
    """inotify_rm_watch(2). EINVAL when the watch is gone already."""
    call("inotify_rm_watch", fd, watch)


def parse(data: bytes) -> list[Event]:
    """The events in what one read(2) of the descriptor returned; it never cuts an event."""
    events = []
    offset = 0
    while offset + _EVENT.size <= len(data):
        watch, mask, cookie, length = _EVENT.unpack_from(data, offset)
        offset += _EVENT.size
        name = data[offset : offset + length].rstrip(b"\0")
        offset += length
        events.append(Event(watch, Mask(mask), cookie, os.fsdecode(name)))
    return events
