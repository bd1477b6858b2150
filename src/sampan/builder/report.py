"""What does a client see of a build while it runs?

Docker's classic lines: `Step 2/5 : RUN make`, ` ---> Using cache`, the step's own output, ` ---> 3f2a…`. Stages run
at the
same time, but a reader wants them one after the other: the first unfinished stage is shown live, the others are held
back
(up to a bound) until it is their turn. A client that asked for events gets those as well, as they happen.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

HELD_BYTES = 1 << 20
STEP_OUTPUT_BYTES = 64 << 20
RED, PLAIN = "\x1b[91m", "\x1b[0m"
STDERR = 2
CLIPPED = "[output clipped, log limit {limit}MiB reached]\n"

Emit = Callable[[Mapping[str, Any]], Awaitable[None]]


class Report:
    """The progress of one build. `emit` may wait: a client that does not read holds the build back."""

    def __init__(self, emit: Emit, *, events: bool = False) -> None:
        self._emit = emit
        self._wants_events = events
        self._held: dict[int, list[str]] = {}
        self._held_bytes: dict[int, int] = {}
        self._finished: set[int] = set()
        self._order: list[int] = []
        self._said_bytes: dict[str, int] = {}

    def expect(self, stages: list[int]) -> None:
        """The stages that will be built, in the order in which they are shown."""
        self._order = list(stages)

    async def line(self, stage: int, text: str) -> None:
        """One line of a stage."""
        await self._show(stage, text + "\n")

    async def said(self, stage: int, step: str, stream: int, data: bytes) -> None:
        """What the program of a step wrote. Beyond a bound it is left out, and that is said."""
        before = self._said_bytes.get(step, 0)
        self._said_bytes[step] = before + len(data)
        if before >= STEP_OUTPUT_BYTES:
            return
        text = data.decode(errors="replace")
        if before + len(data) >= STEP_OUTPUT_BYTES:
            text += "\n" + CLIPPED.format(limit=STEP_OUTPUT_BYTES >> 20)
        if self._wants_events:
            await self.event("output", step=step, stage=stage, stream=stream, text=text)
            return
        await self._show(stage, f"{RED}{text}{PLAIN}" if stream == STDERR else text)

    async def event(self, kind: str, **facts: Any) -> None:
        """Something that a client with a view of its own wants to know."""
        if self._wants_events:
            await self._emit({"id": "sampan.build", "aux": {"kind": kind, **facts}})

    async def finished(self, stage: int) -> None:
        """A stage is done: the next one may be shown."""
        self._finished.add(stage)
        while self._order and self._order[0] in self._finished:
            self._order.pop(0)
            if self._order:
                await self._release(self._order[0])

    async def flush(self) -> None:
        """The build is over, perhaps in the middle: show what was held back."""
        for stage in list(self._order):
            await self._release(stage)
        self._order = []

    async def tell(self, text: str) -> None:
        """A line that belongs to no stage."""
        await self._emit({"stream": text + "\n"})

    async def made(self, image_id: str) -> None:
        """The image is there."""
        await self._emit({"aux": {"ID": image_id}})

    async def part(self, image_id: str, platform: str, statements: Sequence[Mapping[str, Any]]) -> None:
        """One of the images that a build makes, for a client that puts them together."""
        aux = {"kind": "image", "image": image_id, "platform": platform, "statements": list(statements)}
        await self._emit({"id": "sampan.build", "aux": aux})

    async def _show(self, stage: int, text: str) -> None:
        if not self._order or stage == self._order[0]:
            await self._emit({"stream": text})
            return
        held = self._held_bytes.get(stage, 0)
        if held < HELD_BYTES:
            self._held.setdefault(stage, []).append(text)
            self._held_bytes[stage] = held + len(text)
            if held + len(text) >= HELD_BYTES:
                self._held[stage].append("\n" + CLIPPED.format(limit=HELD_BYTES >> 20))

    async def _release(self, stage: int) -> None:
        for text in self._held.pop(stage, ()):
            await self._emit({"stream": text})
