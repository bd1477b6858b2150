"""How do secrets, SSH agents and named contexts come to a build over plain HTTP?

A client leaves them first (`POST /build/inputs`) and gets a word for them; the build that names the word takes them,
once.
Secrets are in memory only, few, small; nothing of them is ever logged, and a URL holds no more than the word. Of agents
only the ids are here, and the way back to the client (`ssh_agent.py`). A context is a tar, kept in a workspace of its
own. All are forgotten after some minutes.
"""

import base64
import binascii
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from sampan.builder.context import Kept, Workspaces, without_ignored
from sampan.builder.ssh_agent import Link
from sampan.errors import InvalidRequest, NotFound, Unavailable
from sampan.layers.stream import Source
from sampan.wire.ssh_agent import ID_MAX

SECONDS = 600
WAITING_MAX = 64
BYTES_MAX = 500 << 10
SECRETS_MAX = 100
AGENTS_MAX = 16
CONTEXTS_MAX = 32
CONTEXT = "input:"
"""How a build names a context that was left: this and its word."""


class Given(NamedTuple):
    """Secrets by id, and the way to the client's SSH agents if it has any."""

    secrets: Mapping[str, bytes]
    agents: Link | None


class Inputs:
    """What clients have left for builds that are still to come."""

    def __init__(self, workspaces: Workspaces) -> None:
        self._workspaces = workspaces
        self._waiting: dict[str, tuple[float, Given]] = {}
        self._contexts: dict[str, tuple[float, Kept, ExitStack]] = {}

    def leave(self, given: Mapping[str, str], agents: Sequence[str] = ()) -> str:
        """Keep secrets (base64 by id) and ids of agents for a build; the word. Raises InvalidRequest, Unavailable."""
        self._forget_secrets()
        if len(self._waiting) >= WAITING_MAX:
            raise Unavailable(f"{WAITING_MAX} builds have left their inputs and not begun: try again later")
        if len(given) > SECRETS_MAX:
            raise InvalidRequest(f"a build has at most {SECRETS_MAX} secrets")
        if len(agents) > AGENTS_MAX or not all(0 < len(agent.encode()) <= ID_MAX for agent in agents):
            raise InvalidRequest(f"a build has at most {AGENTS_MAX} SSH agents, with ids of at most {ID_MAX} bytes")
        found: dict[str, bytes] = {}
        for name, text in given.items():
            try:
                found[name] = base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError):
                raise InvalidRequest(f"secret {name}: it is not base64") from None
            if len(found[name]) > BYTES_MAX:
                raise InvalidRequest(f"secret {name} is larger than {BYTES_MAX} bytes")
        word = secrets.token_urlsafe(24)
        self._waiting[word] = (time.monotonic(), Given(found, Link(agents) if agents else None))
        return word

    def take(self, word: str) -> Given:
        """What was left, for the one build that it was left for. Raises NotFound."""
        given = self._left(word)
        del self._waiting[word]
        return given

    def link(self, word: str) -> Link:
        """The way back to the client who left ids of agents, for its other connection. Raises NotFound."""
        link = self._left(word).agents
        if link is None:
            raise NotFound("no agents were left with these inputs")
        return link

    def _left(self, word: str) -> Given:
        self._forget_secrets()
        found = self._waiting.get(word)
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
        for word, (left, given) in list(self._waiting.items()):
            if now - left > SECONDS:
                del self._waiting[word]
                if given.agents:
                    given.agents.close()

    def forget_old(self) -> None:
        """Remove the contexts that nobody has come for. Blocks."""
        now = time.monotonic()
        for word, (left, _, held) in list(self._contexts.items()):
            if now - left > SECONDS and self._contexts.pop(word, None) is not None:
                held.close()
