"""sampan runtime ps: which processes are inside a container? What `ps -ef` says of them, read from /proc."""

import json
import os
import sys
import time

from sampan.cli.command import ANY
from sampan.cli.flags import TEXT, Flag
from sampan.cli.runtime.call import Call, Command
from sampan.cli.runtime.users import user_name
from sampan.errors import InvalidRequest, NotSupported
from sampan.linux import procfs

FLAGS = (Flag("format", TEXT, "Select one of: table or json", short="f", default="table"),)
HEADER = "UID          PID    PPID  C STIME TTY          TIME CMD"
ALL_IN_FULL = {"-ef", "-e -f", "-eaf", "-efa"}


def run(call: Call) -> int:
    """Print their ids, or a line for each."""
    container = call.store.get(call.arguments[0])
    form, words = call.options["format"], " ".join(call.arguments[1:])
    if form not in ("table", "json"):
        raise InvalidRequest("invalid format option")
    if words and words not in ALL_IN_FULL:
        raise NotSupported(f"ps options {words} are not supported: no other program is run, and -ef is what is shown")
    pids = sorted(container.cgroup().pids()) if container.status() != "stopped" else []
    if form == "json":
        sys.stdout.write(json.dumps(pids, separators=(",", ":")))
        return 0
    lines = [line for pid in pids if (line := described(pid))]
    sys.stdout.write("\n".join([HEADER, *lines]) + "\n")
    return 0


def described(pid: int) -> str:
    """One line of `ps -ef`; "" for a process that has just gone."""
    try:
        stat, words = procfs.stat(pid), procfs.command_line(pid)
        uid = os.stat(f"/proc/{pid}").st_uid
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return row(
        user_name(int(procfs.status(pid).get("Uid", str(uid)).split()[0])),
        stat,
        " ".join(words) or f"[{stat.name}]",
        now=time.time(),
    )


def row(user: str, stat: procfs.Stat, command: str, *, now: float) -> str:
    """The columns as procps has them; `now`: seconds since the epoch."""
    ticks = os.sysconf("SC_CLK_TCK")
    began = now - time.clock_gettime(time.CLOCK_BOOTTIME) + stat.start_time / ticks
    used = (stat.user_time + stat.system_time) // ticks
    share = min(99, int(100 * used / max(now - began, 1)))
    started = time.strftime("%H:%M" if now - began < 86_400 else "%b%d", time.localtime(began))
    clock = f"{used // 3600:02d}:{used // 60 % 60:02d}:{used % 60:02d}"
    place = f"{started:>5} {tty(stat.terminal):<8} {clock:>8}"
    return f"{user:<8} {stat.pid:>7} {stat.parent_pid:>7} {share:>2} {place} {command}"


def tty(device: int) -> str:
    """The terminal's name for its number in /proc/PID/stat (new_encode_dev): pts/N, or ? for none."""
    if not device:
        return "?"
    major, minor = device >> 8 & 0xFFF, device & 0xFF | device >> 12 & 0xFFF00
    return f"pts/{(major - 136) * 256 + minor}" if 136 <= major <= 143 else f"tty{minor}"


COMMAND = Command(usage="<container-id> [ps options]", run=run, flags=FLAGS, most=ANY, interspersed=False)
