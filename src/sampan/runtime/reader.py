"""How does one attached client get the container's output?

Straight from memory while it keeps up. When its socket is full it falls back to a place in the log and catches up from
there, at its own pace: it costs no memory, loses nothing, and neither the container nor another reader waits for it.

    caught up ──socket full──▶ behind: place in the log ──end of the log──▶ caught up
"""

import os
import socket
from typing import Protocol

from sampan.runtime.log_format import HEAD, OVERHEAD, TAIL

CHUNK = 256 << 10
NO_WAIT = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL


class Source(Protocol):
    """Where frames can be read again: `generation` counts files, `open_generation` gives one that is still there."""

    generation: int
    size: int

    def open_generation(self, generation: int) -> int | None:
        """A descriptor to read that file by, or None if it is gone."""


class ReaderGone(Exception):
    """The client is not there any more, or is too far behind to be served."""


class Reader:
    """One client's share of the output: what to send next, from memory or from the log."""

    def __init__(self, sock: socket.socket, *, stdout: bool, stderr: bool, framed: bool) -> None:
        self.sock = sock
        self.waits_for = 0  # what the socket is watched for besides: READ while it brings input
        self._streams = {number for number, wanted in ((1, stdout), (2, stderr)) if wanted}
        self._framed = framed
        self._pending: memoryview = memoryview(b"")
        self._file = -1
        self._generation = 0
        self._offset = 0

    @property
    def behind(self) -> bool:
        """Whether something waits for the socket to take it."""
        return bool(self._pending) or self._file >= 0

    @property
    def place(self) -> tuple[int, int, int]:
        """How far the client has come; unchanged while it takes nothing."""
        return self._generation, self._offset, len(self._pending)

    def offer(self, stream: int, payload: bytes, source: Source) -> None:
        """New output, already in `source`: send it now if nothing else waits. Raises ReaderGone."""
        if self.behind or stream not in self._streams:
            return
        data = _head(stream, payload) + payload if self._framed else payload
        sent = self._send(data)
        if sent < len(data):
            self._pending = memoryview(data)[sent:]
            self.start_at(source, source.generation, source.size)

    def start_at(self, source: Source, generation: int, offset: int) -> None:
        """From now on read the log from `offset` of that file. Raises ReaderGone if the file is gone."""
        self._forget_file()
        fd = source.open_generation(generation)
        if fd is None:
            raise ReaderGone("the log moved on")
        self._file, self._generation, self._offset = fd, generation, offset

    def catch_up(self, source: Source) -> None:
        """The socket takes more: send what waits, then read on. Raises ReaderGone."""
        if self._pending:
            self._pending = self._pending[self._send(self._pending) :]
            if self._pending:
                return
        if self._file < 0:
            return
        self._pending = memoryview(self._read(source))
        if self._pending:
            self._pending = self._pending[self._send(self._pending) :]

    def _read(self, source: Source) -> bytes:
        """The next piece of the log, as the client wants it; moves on to the next file, or to memory at the end."""
        while True:
            data = os.pread(self._file, CHUNK, self._offset)
            parts: list[bytes] = []
            at = 0
            while at + HEAD.size <= len(data):
                stream, length, _ = HEAD.unpack_from(data, at)
                end = at + OVERHEAD + length
                if end > len(data):
                    break
                if stream in self._streams:
                    payload = data[at + HEAD.size : end - TAIL.size]
                    parts += [_head(stream, payload), payload] if self._framed else [payload]
                at = end
            self._offset += at
            if at == 0 and len(data) >= HEAD.size:
                # One frame larger than a chunk: take it whole.
                _, length, _ = HEAD.unpack_from(data)
                whole = os.pread(self._file, OVERHEAD + length, self._offset)
                if len(whole) == OVERHEAD + length:
                    self._offset += len(whole)
                    if whole[0] not in self._streams:
                        continue
                    payload = whole[HEAD.size : -TAIL.size]
                    return _head(whole[0], payload) + payload if self._framed else payload
            if parts:
                return b"".join(parts)
            if at:
                continue
            if self._generation < source.generation:
                self.start_at(source, self._generation + 1, 0)
                continue
            self._forget_file()
            return b""

    def _send(self, data: bytes | memoryview) -> int:
        try:
            return self.sock.send(data, NO_WAIT)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise ReaderGone(str(error)) from None

    def _forget_file(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def close(self) -> None:
        """End the client's stream: it sees the end of the output."""
        self._forget_file()
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it ended it first
        self.sock.close()


def _head(stream: int, payload: bytes) -> bytes:
    """A stdcopy header."""
    return bytes((stream, 0, 0, 0)) + len(payload).to_bytes(4, "big")
