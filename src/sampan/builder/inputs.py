"""How do secrets and named contexts come to a build over plain HTTP?

A client leaves them first (`POST /build/inputs`) and gets a word for them; the build that names the word takes them,
once.
Secrets are in memory only, few, small; nothing of them is ever logged, and a URL holds no more than the word. A context
is a tar, kept in a workspace of its own. Both are forgotten after some minutes.
"""

import base64
import binascii
import secrets
import time
from collections.abc import Mapping
from contextlib import ExitStack

from sampan.builder.context import Kept, Workspaces, without_ignored
from sampan.errors import InvalidRequest, NotFound, Unavailable
from sampan.layers.stream import Source

SECONDS = 600
WAITING_MAX = 64
BYTES_MAX = 500 << 10
SECRETS_MAX = 100
CONTEXTS_MAX = 32
CONTEXT = "input:"
"""How a build names a context that was left: this and its word."""


class Inputs:
    """What clients have left for builds that are still to come."""

    def __init__(self, workspaces: Workspaces) -> None:
        self._workspaces = workspaces
        self._waiting: dict[str, tuple[float, Mapping[str, bytes]]] = {}
        self._contexts: dict[str, tuple[float, Kept, ExitStack]] = {}

    def leave(self, given: Mapping[str, str]) -> str:
        """Keep secrets (base64 by id) for a build; the word for them. Raises InvalidRequest, Unavailable."""
        self._forget_secrets()
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
        self._forget_secrets()
        found = self._waiting.pop(word, None)
        if found is None:
            raise NotFound("no such inputs: they are taken once, and forgotten after ten minutes")
        return found[1]

    def leave_context(self, stream: Source) -> str:
        """Keep a tar as a named context; the word for it. Blocks. Raises InvalidRequest, Unavailable."""
        self.forget_old()
        if len(self._contexts) >= CONTEXTS_MAX:
            raise Unavailable(f"{CONTEXTS_MAX} contexts were left for builds that have not begun: try again later")
        with ExitStack() as held:
            workspace = held.enter_context(self._workspaces.workspace())
            kept = without_ignored(workspace.keep(stream), "")
            word = secrets.token_urlsafe(24)
            self._contexts[word] = (time.monotonic(), kept, held.pop_all())
        return word

    def take_context(self, word: str, held: ExitStack) -> Kept:
        """A context that was left for this build; `held` removes it. Raises NotFound."""
        found = self._contexts.pop(word, None)
        if found is None:
            raise NotFound("no such context: it is taken once, and forgotten after ten minutes")
        held.enter_context(found[2])
        return found[1]

    def _forget_secrets(self) -> None:
        now = time.monotonic()
        for word, (left, _) in list(self._waiting.items()):
            if now - left > SECONDS:
                del self._waiting[word]

    def forget_old(self) -> None:
        """Remove the contexts that nobody has come for. Blocks."""
        now = time.monotonic()
        for word, (left, _, held) in list(self._contexts.items()):
            if now - left > SECONDS and self._contexts.pop(word, None) is not None:
                held.close()
