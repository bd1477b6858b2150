"""How do secrets come to a build over plain HTTP?

A client leaves them first (`POST /build/inputs`) and gets a word for them; the build that names the word takes them,
once.
They are in memory only, few, small, and forgotten after some minutes; nothing of them is ever logged, and a URL holds
no
more than the word.
"""

import base64
import binascii
import secrets
import time
from collections.abc import Mapping

from sampan.errors import InvalidRequest, NotFound, Unavailable

SECONDS = 600
WAITING_MAX = 64
BYTES_MAX = 500 << 10
SECRETS_MAX = 100


class Inputs:
    """What clients have left for builds that are still to come."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[float, Mapping[str, bytes]]] = {}

    def leave(self, given: Mapping[str, str]) -> str:
        """Keep secrets (base64 by id) for a build; the word for them. Raises InvalidRequest, Unavailable."""
        self._forget_old()
        if len(self._waiting) >= WAITING_MAX:
            raise Unavailable(f"{WAITING_MAX} builds have left their inputs and not begun: try again later")
        if len(given) > SECRETS_MAX:
            raise InvalidRequest(f"a build has at most {SECRETS_MAX} secrets")
        found: dict[str, bytes] = {}
        for name, text in given.items():
            try:
                found[name] = base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError):
                raise InvalidRequest(f"secret {name}: it is not base64") from None
            if len(found[name]) > BYTES_MAX:
                raise InvalidRequest(f"secret {name} is larger than {BYTES_MAX} bytes")
        word = secrets.token_urlsafe(24)
        self._waiting[word] = (time.monotonic(), found)
        return word

    def take(self, word: str) -> Mapping[str, bytes]:
        """The secrets, for the one build that they were left for. Raises NotFound."""
        self._forget_old()
        found = self._waiting.pop(word, None)
        if found is None:
            raise NotFound("no such inputs: they are taken once, and forgotten after ten minutes")
        return found[1]

    def _forget_old(self) -> None:
        now = time.monotonic()
        for word, (left, _) in list(self._waiting.items()):
            if now - left > SECONDS:
                del self._waiting[word]
