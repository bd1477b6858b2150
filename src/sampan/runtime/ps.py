"""What would ps(1) say of these processes?

Answered from /proc alone (proc(5)); no program is run. The options are those that are usual for a container: `-ef`,
`aux`, `-e -x`, and columns of one's own with `-o`.
"""

import os
import pwd
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from sampan.errors import InvalidRequest
from sampan.linux import procfs

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
NUMBERS = ("PID", "PPID", "C", "%CPU", "%MEM", "VSZ", "RSS", "TIME")


@dataclass(frozen=True, slots=True)
class Row:
    """What /proc says of a process; `uptime` seconds since boot, `now` Unix seconds, `memory` the machine's bytes."""

    stat: procfs.Stat
    status: dict[str, str]
    arguments: tuple[str, ...]
    uptime: float
    now: float
    memory: int

    @property
    def uid(self) -> int:
        """The effective user."""
        return int(self.status.get("Uid", "0 0").split()[1])

    @property
    def gid(self) -> int:
        """The effective group."""
        return int(self.status.get("Gid", "0 0").split()[1])

    @property
    def cpu_seconds(self) -> float:
        """Time on processors, user and system."""
        return (self.stat.user_time + self.stat.system_time) / TICKS

    @property
    def age(self) -> float:
        """Seconds since it started."""
        return max(0.0, self.uptime - self.stat.start_time / TICKS)

    @property
    def cpu_percent(self) -> float:
        """Share of one processor over its life."""
        return 100 * self.cpu_seconds / self.age if self.age else 0.0

    @property
    def memory_percent(self) -> float:
        """Share of the machine's memory that is resident."""
        return 100 * self.stat.resident_pages * PAGE_BYTES / self.memory if self.memory else 0.0


@cache
def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _command(row: Row) -> str:
    # A process without arguments (a zombie, a kernel thread) is shown by its name, as ps does.
    return " ".join(row.arguments).strip() or f"[{row.stat.name}]"


def _terminal(row: Row) -> str:
    major, minor = os.major(row.stat.terminal), os.minor(row.stat.terminal)
    if not row.stat.terminal:
        return "?"
    return f"pts/{minor + (major - 136) * 256}" if 136 <= major <= 143 else f"tty{minor}"


def _started(row: Row) -> str:
    began = time.localtime(row.now - row.age)
    today = time.localtime(row.now)
    if (began.tm_year, began.tm_yday) == (today.tm_year, today.tm_yday):
        return time.strftime("%H:%M", began)
    return time.strftime("%b%d" if began.tm_year == today.tm_year else "%Y", began)


def _clock(seconds: float, *, hours: bool = True) -> str:
    minutes, rest = divmod(int(seconds), 60)
    if not hours:
        return f"{minutes}:{rest:02d}"
    whole_hours, minutes = divmod(minutes, 60)
    days, whole_hours = divmod(whole_hours, 24)
    return (f"{days}-" if days else "") + f"{whole_hours:02d}:{minutes:02d}:{rest:02d}"


def _elapsed(row: Row) -> str:
    text = _clock(row.age)
    return text.removeprefix("00:")


Column = tuple[str, Callable[[Row], str]]

_BY_NAME: dict[str, Column] = {
    "user": ("USER", lambda row: _user(row.uid)),
    "uid": ("UID", lambda row: str(row.uid)),
    "gid": ("GID", lambda row: str(row.gid)),
    "pid": ("PID", lambda row: str(row.stat.pid)),
    "ppid": ("PPID", lambda row: str(row.stat.parent_pid)),
    "pgid": ("PGID", lambda row: str(row.stat.group)),
    "sid": ("SID", lambda row: str(row.stat.session)),
    "c": ("C", lambda row: str(int(row.cpu_percent))),
    "pcpu": ("%CPU", lambda row: f"{row.cpu_percent:.1f}"),
    "pmem": ("%MEM", lambda row: f"{row.memory_percent:.1f}"),
    "vsz": ("VSZ", lambda row: str(row.stat.virtual_bytes // 1024)),
    "rss": ("RSS", lambda row: str(row.stat.resident_pages * PAGE_BYTES // 1024)),
    "tty": ("TT", _terminal),
    "stat": ("STAT", lambda row: row.stat.state),
    "state": ("S", lambda row: row.stat.state),
    "stime": ("STIME", _started),
    "start": ("STARTED", _started),
    "time": ("TIME", lambda row: _clock(row.cpu_seconds)),
    "etime": ("ELAPSED", _elapsed),
    "etimes": ("ELAPSED", lambda row: str(int(row.age))),
    "ni": ("NI", lambda row: str(row.stat.nice)),
    "pri": ("PRI", lambda row: str(39 - row.stat.priority)),
    "nlwp": ("NLWP", lambda row: str(row.stat.threads)),
    "comm": ("COMMAND", lambda row: row.stat.name),
    "args": ("COMMAND", _command),
    "cmd": ("CMD", _command),
}
_ALIASES = {
    "euser": "user", "uname": "user", "euid": "uid", "egid": "gid", "pgrp": "pgid", "sess": "sid", "session": "sid",
    "%cpu": "pcpu", "%mem": "pmem", "vsize": "vsz", "rssize": "rss", "rsz": "rss", "tt": "tty", "tname": "tty",
    "s": "state", "start_time": "stime", "bsdstart": "start", "lstart": "start", "cputime": "time", "nice": "ni",
    "thcount": "nlwp", "ucmd": "comm", "command": "args",
}  # fmt: skip

FULL: list[Column] = [
    ("UID", lambda row: _user(row.uid)),
    *(_BY_NAME[name] for name in ("pid", "ppid", "c", "stime")),
    ("TTY", _terminal),
    *(_BY_NAME[name] for name in ("time", "cmd")),
]
BSD: list[Column] = [
    *(_BY_NAME[name] for name in ("user", "pid", "pcpu", "pmem", "vsz", "rss")),
    ("TTY", _terminal),
    _BY_NAME["stat"],
    ("START", _started),
    ("TIME", lambda row: _clock(row.cpu_seconds, hours=False)),
    _BY_NAME["args"],
]
SHORT: list[Column] = [_BY_NAME["pid"], ("TTY", _terminal), _BY_NAME["time"], _BY_NAME["cmd"]]
BSD_SHORT: list[Column] = [
    _BY_NAME["pid"],
    ("TTY", _terminal),
    _BY_NAME["stat"],
    ("TIME", lambda row: _clock(row.cpu_seconds, hours=False)),
    _BY_NAME["args"],
]


def parse(arguments: str) -> list[Column]:
    """The columns that ps would show. Raises InvalidRequest."""
    words = arguments.split()
    if words in (["-ef"], ["ef"], ["-e", "-f"], ["-f"], ["-Af"]):
        return FULL
    if words in (["aux"], ["-aux"], ["u"], ["ux"]):
        return BSD
    chosen: list[Column] = []
    expects_format = False
    for word in words:
        if expects_format or word.startswith(("-o", "o")):
            names = word if expects_format else word.removeprefix("-").removeprefix("o")
            expects_format = not names
            chosen += [_column(name) for name in names.split(",") if name]
        elif word.removeprefix("-") not in ("e", "a", "x", "ax", "A", "ae"):
            raise InvalidRequest(f"ps: {word}: only -ef, aux and -o FORMAT are supported")
    if chosen:
        return chosen
    return BSD_SHORT if any("x" in word for word in words) else SHORT


def _column(text: str) -> Column:
    name, equals, title = text.partition("=")
    column = _BY_NAME.get(_ALIASES.get(name.lower(), name.lower()))
    if column is None:
        raise InvalidRequest(f'ps: error: unknown user-defined format specifier "{name}"')
    return (title, column[1]) if equals else column


def rows(pids: Sequence[int]) -> list[Row]:
    """What /proc says of them, by pid; those that have gone are left out."""
    uptime = float(procfs.read("/proc/uptime").split()[0])
    memory = os.sysconf("SC_PHYS_PAGES") * PAGE_BYTES
    found = []
    for pid in sorted(pids):
        try:
            arguments = tuple(procfs.command_line(pid))
            found.append(Row(procfs.stat(pid), procfs.status(pid), arguments, uptime, time.time(), memory))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we were looking
    return found


def table(columns: Sequence[Column], found: Sequence[Row]) -> list[str]:
    """The lines that ps prints: numbers to the right, the last column as it comes."""
    cells = [[title for title, _ in columns], *([render(row) for _, render in columns] for row in found)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(columns))]
    return [" ".join(_laid(line, widths, cells[0])).rstrip() for line in cells]


def _laid(line: Sequence[str], widths: Sequence[int], titles: Sequence[str]) -> list[str]:
    laid = [
        cell.rjust(width) if title in NUMBERS else cell.ljust(width)
        for cell, width, title in zip(line, widths, titles, strict=True)
    ]
    return [*laid[:-1], line[-1]]
