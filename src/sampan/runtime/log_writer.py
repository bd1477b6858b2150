"""How does the shim keep what a container says?

Appends frames and rotates. A full disk loses output, never the container: what could not be written is counted and
said in the log once there is room again.
"""

import os

from sampan.runtime.log_format import STDERR, file_name, frame, whole_size
from sampan.runtime.streams import LogOptions


class LogWriter:
    """The log of one container, open for appending. `generation` grows with every rotation."""

    def __init__(self, options: LogOptions) -> None:
        self._options = options
        self._directory = os.open(options.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._lost = 0
        self._open()

    def _open(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self.fd = os.open("log", flags, 0o640, dir_fd=self._directory)
        self.size = whole_size(self.fd)
        if self.size != os.fstat(self.fd).st_size:
            os.ftruncate(self.fd, self.size)

    def append(self, stream: int, time_ns: int, payload: bytes) -> bool:
        """Keep one read; False when the disk would not take it."""
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

    def _rotate(self) -> None:
        try:
            for age in range(self._options.max_files - 1, 0, -1):
                try:
                    os.rename(
                        file_name(age - 1), file_name(age), src_dir_fd=self._directory, dst_dir_fd=self._directory
                    )
                except FileNotFoundError:
                    continue
            if self._options.max_files == 1:
                os.unlink("log", dir_fd=self._directory)
        except OSError:
            return  # the log goes on growing; losing output would be worse
        # Readers that lag behind hold the old file open themselves (output.py).
        os.close(self.fd)
        self._open()

    def reopen_for_reading(self) -> int:
        """A descriptor of the current file with a life of its own."""
        return os.open(f"/proc/self/fd/{self.fd}", os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """Let go of the files."""
        os.close(self.fd)
        os.close(self._directory)
