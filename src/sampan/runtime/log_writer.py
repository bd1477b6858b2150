"""How does the shim keep what a container says?

Appends frames and rotates. A full disk loses output, never the container: what could not be written is counted and
said in the log once there is room again.
"""

import os

from sampan.runtime import log_files
from sampan.runtime.log_format import STDERR, frame, whole_size
from sampan.runtime.log_lines import Forwarder
from sampan.runtime.streams import LogOptions


class LogWriter:
    """The log of one container, open for appending. `generation` counts its rotations."""

    def __init__(self, options: LogOptions) -> None:
        self._options = options
        self._directory = os.open(options.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._lost = 0
        self._forward = Forwarder(options.forward) if options.forward else None
        self.generation = 0
        self._open()

    def _open(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self.fd = os.open("log", flags, 0o640, dir_fd=self._directory)
        self.size = whole_size(self.fd)
        if self.size != os.fstat(self.fd).st_size:
            os.ftruncate(self.fd, self.size)

    def append(self, stream: int, time_ns: int, payload: bytes) -> bool:
        """Keep one read, and send it on; False when the disk would not take it."""
        if self._forward:
            self._forward.feed(stream, time_ns, payload)
        parts = frame(stream, time_ns, payload)
        wanted = sum(map(len, parts))
        if self.size + wanted > self._options.max_size and self.size:
            self._rotate()
        try:
            if self._lost:
                self._say_lost(time_ns)
            written = os.writev(self.fd, parts)
        except OSError:
            self._lost += len(payload)
            return False
        if written != wanted:
            os.ftruncate(self.fd, self.size)  # half a frame would hide all that follows it
            self._lost += len(payload)
            return False
        self.size += wanted
        return True

    def _say_lost(self, time_ns: int) -> None:
        note = f"[sampan: {self._lost} bytes of output were lost: the disk of the log was full]\n".encode()
        self.size += os.writev(self.fd, frame(STDERR, time_ns, note))
        self._lost = 0

    @property
    def is_full(self) -> bool:
        """A log never is: it rotates."""
        return False

    def _rotate(self) -> None:
        try:
            log_files.shift(self._directory, self._options.max_files, compress=self._options.compress)
        except OSError:
            return  # the log goes on growing; losing output would be worse
        # Readers that lag behind hold the old file open themselves (output.py).
        os.close(self.fd)
        self.generation += 1
        self._open()

    def open_generation(self, generation: int) -> int | None:
        """A descriptor to read the file of that generation by; None if it has been rotated away."""
        try:
            return log_files.open_age(self._directory, self.generation - generation)
        except FileNotFoundError:
            return None

    def oldest_generation(self) -> int:
        """The oldest file that is still there; files from before this writer have negative numbers."""
        age = 0
        while age + 1 < self._options.max_files and log_files.exists(self._directory, age + 1):
            age += 1
        return self.generation - age

    def keep_only_if(self, needed: bool) -> None:
        """A log is kept whether or not a reader needs it; its stand-in without a log is not (Spool)."""

    def finish(self) -> None:
        """No more output will come: send on what has no end yet."""
        if self._forward:
            self._forward.close()

    def close(self) -> None:
        """Let go of the files."""
        os.close(self.fd)
        os.close(self._directory)


class Spool:
    """Stands in for the log of a container that keeps none: holds only what a slow reader has not had yet.

    An unlinked file in `directory`, emptied when nobody is behind. Past `limit` bytes it is full: the shim reads no
    more output before its readers have caught up (output.py).
    """

    def __init__(self, directory: str, limit: int) -> None:
        self.fd = os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.size = 0
        self.generation = 0
        self._limit = limit
        self._needed = False

    def append(self, stream: int, time_ns: int, payload: bytes) -> bool:
        """Keep one read, if somebody is behind."""
        if not self._needed:
            return True
        self.size += os.writev(self.fd, frame(stream, time_ns, payload))
        return True

    @property
    def is_full(self) -> bool:
        """Whether readers should catch up first."""
        return self.size >= self._limit

    def open_generation(self, generation: int) -> int | None:
        """A descriptor to read the spool by; there is only one file."""
        return os.open(f"/proc/self/fd/{self.fd}", os.O_RDONLY | os.O_CLOEXEC)

    def oldest_generation(self) -> int:
        """There is nothing older than now."""
        return self.generation

    def keep_only_if(self, needed: bool) -> None:
        """Whether a reader is behind; when none is, the file is emptied."""
        if self._needed and not needed:
            os.ftruncate(self.fd, 0)
            self.size = 0
        self._needed = needed

    def finish(self) -> None:
        """Nobody else is waiting for the end."""

    def close(self) -> None:
        """Let go of the file, which then is gone."""
        os.close(self.fd)
