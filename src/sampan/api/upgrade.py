"""Where does a request that asks for the connection itself end, and what did its client send behind it?

A client may send its first input together with `Upgrade: tcp`. Those bytes are no HTTP: the parser must not see them,
and they must not get lost. Fed with the connection's bytes, cut anywhere, this tells the two apart.
"""

import re

_UPGRADE = re.compile(rb"\r\nupgrade:[ \t]*tcp[ \t]*\r\n", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*\r\n", re.IGNORECASE)
_CODED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_END = b"\r\n\r\n"


class Divider:
    """Divides the bytes of one request from what follows, if it is an upgrade."""

    def __init__(self, head_bytes: int) -> None:
        """`head_bytes`: a longer head is none of ours; the parser will refuse it."""
        self._head = bytearray()
        self._head_bytes = head_bytes
        self._body_left: int | None = None  # bytes of the body still to come; None while that is not known
        self._is_ordinary = False

    @property
    def is_complete(self) -> bool:
        """Whether an upgrade request has been seen to its last byte."""
        return self._body_left == 0

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """(what belongs to the request, what follows it). Of a request that is no upgrade, all belongs to it."""
        start = self._read_head(data) if self._body_left is None and not self._is_ordinary else 0
        if self._body_left is None:
            return data, b""
        end = start + min(self._body_left, len(data) - start)
        self._body_left -= end - start
        return data[:end], data[end:]

    def _read_head(self, data: bytes) -> int:
        """Where in `data` the head ends, if it does."""
        before = len(self._head)
        self._head += data
        end = self._head.find(_END, max(0, before - len(_END) + 1)) + len(_END)
        if end < len(_END):
            self._is_ordinary = len(self._head) > self._head_bytes
            return 0
        head = bytes(self._head[:end])
        self._head.clear()
        if not _UPGRADE.search(head) or _CODED.search(head):
            self._is_ordinary = True
            return 0
        length = _LENGTH.search(head)
        self._body_left = int(length[1]) if length else 0
        return end - before
