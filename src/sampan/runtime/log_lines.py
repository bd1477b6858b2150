"""What does a system log get of a container's output?

Lines, each as one message: RFC 3164, RFC 5424 or the journal's native protocol (systemd, JOURNAL_NATIVE_PROTOCOL). What
the log daemon does not take at once waits, up to a limit; beyond it lines are dropped, as the container must not wait
for a log daemon. Nothing is lost by that: the engine's own log has everything.
"""

import os
import socket
import struct
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from sampan.runtime.log_format import STDERR

MAX_LINE = 16 << 10
SEVERITY_INFO, SEVERITY_ERROR = 6, 3
RETRY_SECONDS = 1.0
SEND_FLAGS = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where lines go and what is said with each.

    `kind`: "syslog" or "journald". `family`: "unix" or "inet"; `stream`: connected, with a newline after each message.
    `address`: a path, or host and port. `format`: "", rfc3164, rfc5424 or rfc5424micro. `fields`: what the journal gets
    with each line. `buffer`: bytes that may wait.
    """

    kind: str
    family: str
    stream: bool
    address: str
    port: int = 0
    format: str = ""
    facility: int = 3
    tag: str = ""
    hostname: str = ""
    buffer: int = 1 << 20
    fields: Mapping[str, str] = field(default_factory=dict)


class Forwarder:
    """Sends lines to a log daemon, which may come and go."""

    def __init__(self, destination: Destination) -> None:
        self._to = destination
        self._sock: socket.socket | None = None
        self._waiting: deque[bytes] = deque()
        self._waiting_size = 0
        self._begun: dict[int, bytes] = {}
        self._retry_at = 0.0

    def feed(self, stream: int, time_ns: int, payload: bytes) -> None:
        """Take what was read from the container."""
        *lines, rest = (self._begun.pop(stream, b"") + payload).split(b"\n")
        for line in lines:
            self._put(self.message(stream, time_ns, self._but_the_end(stream, time_ns, line)))
        if rest:
            self._begun[stream] = self._but_the_end(stream, time_ns, rest)
        self._flush()

    def _but_the_end(self, stream: int, time_ns: int, line: bytes) -> bytes:
        """Send what is too long for one message in parts; the last of them is still to be sent."""
        while len(line) > MAX_LINE:
            self._put(self.message(stream, time_ns, line[:MAX_LINE], partial=True))
            line = line[MAX_LINE:]
        return line

    def close(self) -> None:
        """Send what has no newline yet, and let go."""
        for stream, line in sorted(self._begun.items()):
            self._put(self.message(stream, time.time_ns(), line))
        self._begun.clear()
        self._flush()
        if self._sock:
            self._sock.close()
            self._sock = None

    def message(self, stream: int, time_ns: int, line: bytes, *, partial: bool = False) -> bytes:
        """One message as the destination wants it."""
        severity = SEVERITY_ERROR if stream == STDERR else SEVERITY_INFO
        if self._to.kind == "journald":
            return journal_entry({**self._to.fields, "PRIORITY": str(severity)}, line, partial=partial)
        text = syslog_head(self._to, self._to.facility * 8 + severity, time_ns) + line
        return text + b"\n" if self._to.stream else text

    def _put(self, message: bytes) -> None:
        if self._waiting_size + len(message) <= self._to.buffer:
            self._waiting.append(message)
            self._waiting_size += len(message)

    def _flush(self) -> None:
        while self._waiting and self._connected():
            message = self._waiting[0]
            try:
                sent = self._sock.send(message, SEND_FLAGS) if self._sock else 0
            except BlockingIOError:
                return
            except OSError:
                self._disconnect()
                return
            self._waiting_size -= sent if self._to.stream else len(message)
            if self._to.stream and sent < len(message):
                self._waiting[0] = message[sent:]
                return
            self._waiting.popleft()

    def _connected(self) -> bool:
        if self._sock is None and time.monotonic() >= self._retry_at:
            try:
                self._sock = connect(self._to)
            except OSError:
                self._disconnect()
        return self._sock is not None

    def _disconnect(self) -> None:
        if self._sock:
            self._sock.close()
        self._sock = None
        self._retry_at = time.monotonic() + RETRY_SECONDS


def connect(to: Destination) -> socket.socket:
    """A connected, non-blocking socket. Raises OSError."""
    inet = socket.AF_INET6 if ":" in to.address else socket.AF_INET
    family = socket.AF_UNIX if to.family == "unix" else inet
    sock = socket.socket(family, socket.SOCK_STREAM if to.stream else socket.SOCK_DGRAM)
    try:
        sock.settimeout(RETRY_SECONDS)
        sock.connect(to.address if to.family == "unix" else (to.address, to.port))
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def syslog_head(to: Destination, priority: int, time_ns: int) -> bytes:
    """What stands before the line."""
    pid, seconds = os.getpid(), time_ns // 1_000_000_000
    if to.format.startswith("rfc5424"):
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
        if to.format == "rfc5424micro":
            moment += f".{time_ns // 1000 % 1_000_000:06d}"
        return f"<{priority}>1 {moment}Z {to.hostname} {to.tag} {pid} {to.tag} - ".encode()
    moment = time.strftime("%b %e %H:%M:%S", time.localtime(seconds))
    host = f"{to.hostname} " if to.format == "rfc3164" else ""
    return f"<{priority}>{moment} {host}{to.tag}[{pid}]: ".encode()


def journal_entry(fields: Mapping[str, str], line: bytes, *, partial: bool) -> bytes:
    """One entry: NAME=VALUE lines, or NAME, a length and the bytes where a value holds a newline."""
    parts = []
    extra = {"CONTAINER_PARTIAL_MESSAGE": "true"} if partial else {}
    for name, value in ({**fields, **extra}).items():
        parts.append(_journal_field(name.encode(), value.encode(errors="surrogateescape")))
    return b"".join((*parts, _journal_field(b"MESSAGE", line)))


def _journal_field(name: bytes, value: bytes) -> bytes:
    if b"\n" in value:
        return name + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"
    return name + b"=" + value + b"\n"
