"""What does `-q` show? Nothing but the image's ID; the rest is told only if the build fails, as far as it is kept."""

from collections import deque
from collections.abc import Mapping
from typing import Any

from sampan.builder.report import Emit

PARTS = "sampan.build"
KEPT_MESSAGES = 4096
KEPT_BYTES = 4 << 20


class Quiet:
    """Holds back what a build tells."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._kept: deque[Mapping[str, Any]] = deque()
        self._bytes = 0

    async def emit(self, message: Mapping[str, Any]) -> None:
        """Keep one message; the oldest go when there are too many."""
        if message.get("id") == PARTS:
            await self._emit(message)  # for the client itself, not for a reader
        if "stream" not in message:
            return
        self._kept.append(message)
        self._bytes += len(message["stream"])
        while len(self._kept) > KEPT_MESSAGES or self._bytes > KEPT_BYTES:
            self._bytes -= len(self._kept.popleft()["stream"])

    async def release(self) -> None:
        """The build failed: now it counts."""
        while self._kept:
            await self._emit(self._kept.popleft())
