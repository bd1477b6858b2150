"""Has the user pressed the keys that leave a container running and give the terminal back?

The engine watches for them too; here they also work while it does not answer. Which keys: `wire/detachkeys.py`.
"""

from __future__ import annotations


class Watcher:
    """Holds back keys that may be the start of the detach sequence, and says when it is complete."""

    def __init__(self, keys: bytes) -> None:
        self.detached = False
        self._keys = keys
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """The bytes of `data` (and of what was held) that are for the container."""
        out = bytearray()
        for at in range(len(data)):
            self._held += data[at : at + 1]
            if self._held == self._keys:
                self.detached = True
                self._held = b""
                break
            while self._held and not self._keys.startswith(self._held):
                out += self._held[:1]
                self._held = self._held[1:]
        return bytes(out)
