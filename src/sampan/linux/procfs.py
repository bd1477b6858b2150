"""What does the kernel tell about processes and mounts?

proc(5): /proc/PID/stat, status, mountinfo, cmdline. Parsing is apart from reading, and total: what the kernel writes
parses, and a process that is gone raises FileNotFoundError or ProcessLookupError.
"""

import os
import re
from typing import NamedTuple

_OCTAL = re.compile(r"\\([0-7]{3})")


class MountInfo(NamedTuple):
    """One line of /proc/PID/mountinfo.

    `device` is "major:minor"; `root` the part of the filesystem that is mounted; `options` those of the mount,
    `super_options` those of the filesystem; `optional` the propagation tags, such as "shared:1".
    """

    mount_id: int
    parent_id: int
    device: str
    root: str
    target: str
    options: tuple[str, ...]
    optional: tuple[str, ...]
    fstype: str
    source: str
    super_options: tuple[str, ...]


class Stat(NamedTuple):
    """Fields of /proc/PID/stat. Times in clock ticks (os.sysconf("SC_CLK_TCK")), start since boot, sizes in bytes."""

    pid: int
    name: str
    state: str
    parent_pid: int
    group: int
    session: int
    terminal: int
    user_time: int
    system_time: int
    priority: int
    nice: int
    threads: int
    start_time: int
    virtual_bytes: int
    resident_pages: int


def mountinfo(pid: int | str = "self") -> list[MountInfo]:
    """The mounts that a process sees, in the kernel's order."""
    return parse_mountinfo(os.fsdecode(read(f"/proc/{pid}/mountinfo")))


def parse_mountinfo(text: str) -> list[MountInfo]:
    """The lines of a mountinfo file, with the kernel's octal escapes undone."""
    return [_mount_info(line) for line in text.split("\n") if line]


def stat(pid: int | str = "self") -> Stat:
    """/proc/PID/stat."""
    return parse_stat(os.fsdecode(read(f"/proc/{pid}/stat")))


def parse_stat(text: str) -> Stat:
    """One stat line. The name, in parentheses, may hold spaces and parentheses itself: only the last one ends it."""
    pid, _, rest = text.partition(" (")
    name, _, rest = rest.rpartition(") ")
    # fields[0] is the third of proc(5), so field N is fields[N - 3].
    fields = rest.split()
    numbers = [int(field) for field in fields[1:22]]
    return Stat(
        pid=int(pid),
        name=name,
        state=fields[0],
        parent_pid=numbers[0],
        group=numbers[1],
        session=numbers[2],
        terminal=numbers[3],
        user_time=numbers[10],
        system_time=numbers[11],
        priority=numbers[14],
        nice=numbers[15],
        threads=numbers[16],
        start_time=numbers[18],
        virtual_bytes=numbers[19],
        resident_pages=numbers[20],
    )


def start_time(pid: int | str = "self") -> int:
    """When the process started, in ticks since boot: with the pid and the boot id, a name nobody else ever has."""
    return stat(pid).start_time


def status(pid: int | str = "self") -> dict[str, str]:
    """/proc/PID/status: "Name", "State", "Uid", "CapEff", …; values without the blanks around them."""
    lines = os.fsdecode(read(f"/proc/{pid}/status")).split("\n")
    return {key: value.strip() for key, colon, value in (line.partition(":") for line in lines) if colon}


def command_line(pid: int | str = "self") -> list[str]:
    """/proc/PID/cmdline: the arguments; none for kernel threads and zombies."""
    content = os.fsdecode(read(f"/proc/{pid}/cmdline"))
    return content.removesuffix("\0").split("\0") if content else []


INTERFACE_FIELDS = (
    ("rx_bytes", 0), ("rx_packets", 1), ("rx_errors", 2), ("rx_dropped", 3),
    ("tx_bytes", 8), ("tx_packets", 9), ("tx_errors", 10), ("tx_dropped", 11),
)  # fmt: skip


def interface_counters(pid: int | str = "self") -> dict[str, dict[str, int]]:
    """/proc/PID/net/dev: what went through each interface of the process's network, the loopback left out."""
    return parse_interface_counters(os.fsdecode(read(f"/proc/{pid}/net/dev")))


def parse_interface_counters(text: str) -> dict[str, dict[str, int]]:
    """The lines `eth0: 1 2 …` under the two lines of a heading."""
    found = {}
    for line in text.split("\n")[2:]:
        name, colon, rest = line.rpartition(":")
        values = rest.split()
        if colon and name.strip() != "lo":
            found[name.strip()] = {field: int(values[place]) for field, place in INTERFACE_FIELDS}
    return found


def boot_id() -> str:
    """The random id of this boot."""
    return os.fsdecode(read("/proc/sys/kernel/random/boot_id")).strip()


def read(path: str) -> bytes:
    """A whole file of procfs, whose size is not known beforehand."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        pieces = []
        while piece := os.read(fd, 1 << 16):
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        os.close(fd)


def _mount_info(line: str) -> MountInfo:
    # 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
    # Blanks in paths are escaped, so that " - " can only be the separator.
    before, _, after = line.partition(" - ")
    mount_id, parent_id, device, root, target, options, *optional = before.split(" ")
    fstype, source, super_options = after.split(" ", 2)
    return MountInfo(
        int(mount_id),
        int(parent_id),
        device,
        _unescaped(root),
        _unescaped(target),
        tuple(options.split(",")),
        tuple(optional),
        _unescaped(fstype),
        _unescaped(source),
        tuple(_unescaped(option) for option in super_options.split(",")),
    )


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    return _OCTAL.sub(lambda escape: chr(int(escape[1], 8)), text)
