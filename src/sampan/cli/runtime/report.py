"""Where do errors and warnings go?

To standard error as logrus writes them, which those who call runtimes read; or with --log to a file, as text or as one
JSON object a line. Then the bare sentence still goes to standard error, for a person.

    time="2024-02-29T12:00:00Z" level=error msg="container does not exist"
    {"level":"error","msg":"container does not exist","time":"2024-02-29T12:00:00Z"}
"""

import json
import os
import re
import sys
import time

from sampan.cli.output import shown
from sampan.errors import InvalidRequest

FORMATS = ("text", "json")
PLAIN = re.compile(r"[A-Za-z0-9\-._/@^+]+")


class Report:
    """One call's messages. `path` "" is standard error; `verbose` lets those for debugging through."""

    def __init__(self, path: str = "", form: str = "text", *, verbose: bool = False) -> None:
        if form not in FORMATS:
            raise InvalidRequest(f"invalid log-format: {form}")
        self._form = form
        self._verbose = verbose
        self._path = path
        # The file of --log may be a descriptor of ours (/proc/self/fd/N): opened once, and not inherited.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            self._fd = os.open(path, flags, 0o644) if path else 2
        except OSError as error:
            raise InvalidRequest(f"open {path}: {(error.strerror or '').lower()}") from None

    def error(self, text: str) -> None:
        """Why the command fails."""
        self._say("error", text)
        if self._path:
            self._write(2, f"{shown(text)}\n")

    def warning(self, text: str) -> None:
        """Something that the command goes on without."""
        self._say("warning", text)

    def debug(self, text: str) -> None:
        """What only --debug shows."""
        if self._verbose:
            self._say("debug", text)

    def _say(self, level: str, text: str) -> None:
        self._write(self._fd, line(level, text, self._form, terminal=not self._path and sys.stderr.isatty()))

    def _write(self, fd: int, text: str) -> None:
        try:
            os.write(fd, text.encode("utf-8", "surrogateescape"))
        except OSError:
            pass  # there is nobody left to tell


def line(level: str, text: str, form: str, *, terminal: bool = False, moment: float | None = None) -> str:
    """One message as a line of the log. `moment`: seconds since the epoch, for now None."""
    stamp = rfc3339(time.time() if moment is None else moment)
    if form == "json":
        return json.dumps({"level": level, "msg": text, "time": stamp}, separators=(",", ":")) + "\n"
    if terminal:
        return f"{level.upper()[:4]}[0000] {shown(text)}\n"
    quoted = text if PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
    return f'time="{stamp}" level={level} msg={quoted}\n'


def rfc3339(moment: float) -> str:
    """A point of time to the second, in local time, as Go's time.RFC3339."""
    local = time.localtime(moment)
    zone = time.strftime("%z", local)
    return time.strftime("%Y-%m-%dT%H:%M:%S", local) + ("Z" if zone == "+0000" else f"{zone[:3]}:{zone[3:]}")
