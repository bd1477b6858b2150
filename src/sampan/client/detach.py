"""Which keys leave a container running and give the terminal back?

`ctrl-p,ctrl-q` unless told otherwise. The keys are watched for here and not only in the engine, so that they also work
while the engine does not answer.
"""

from __future__ import annotations

from sampan.errors import InvalidRequest

DEFAULT_KEYS = b"\x10\x11"
CONTROL = {"@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, "_": 31}


def parse_keys(text: str) -> bytes:
    """`ctrl-a,x` as the bytes a terminal sends; empty text means the default keys. Raises InvalidRequest."""
    if not text:
        return DEFAULT_KEYS
    keys = bytearray()
    for name in text.split(","):
        letter = name.removeprefix("ctrl-").lower()
        if len(name) == 1 and name.isascii():
            keys += name.encode("ascii")
        elif name.startswith("ctrl-") and len(letter) == 1 and "a" <= letter <= "z":
            keys.append(ord(letter) - ord("a") + 1)
        elif name.startswith("ctrl-") and letter in CONTROL:
            keys.append(CONTROL[letter])
        elif name == "DEL":
            keys.append(127)
        else:
            raise InvalidRequest(f"unknown detach key {name!r}: use letters and ctrl-LETTER, separated by commas, as in ctrl-p,ctrl-q")
    return bytes(keys)


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
