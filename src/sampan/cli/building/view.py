"""How does a build look while it runs?

`plain`: docker's classic lines as they come. `tty`: a line for each step with its time, the running ones at the bottom,
changing in place, with the last thing that each has said; what a failed step said is shown in full. `json`: the
engine's
messages, one a line. `quiet` shows nothing.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterable

from sampan.cli.output import Output
from sampan.client.engine import Refused
from sampan.errors import Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

WAYS = ("auto", "plain", "tty", "json", "rawjson", "quiet")
KEPT_LINES = 400
FAILED = 500
REDRAW_SECONDS = 0.1
WIDTH_MAX = 200


class Step:
    """One step on the screen."""

    def __init__(self, event: dict[str, Any]) -> None:
        self.name = f"[{event['stage_name']} {event['number']}/{event['total']}] {event['name']}".replace("\n", " ")
        self.began = time.monotonic()
        self.is_cached = False
        self.said: deque[str] = deque(maxlen=KEPT_LINES)

    def line(self, mark: str, width: int) -> str:
        """The step in one line."""
        seconds = "CACHED" if self.is_cached else f"{time.monotonic() - self.began:.1f}s"
        room = max(20, width - len(seconds) - 5)
        name = self.name if len(self.name) <= room else self.name[: room - 1] + "…"
        return f" {mark} {name:<{room}} {seconds}"


class View:
    """The progress of one build. `show` takes each message of the engine."""

    def __init__(self, out: Output, way: str, width: int = 80) -> None:
        self.image_id = ""
        self.parts: list[dict[str, Any]] = []
        self.images: list[tuple[str, str]] = []  # (platform, image) of each
        self.way = way if way != "auto" else "tty" if out.is_terminal else "plain"
        self._out = out
        self._width = min(width, WIDTH_MAX)
        self._running: dict[str, Step] = {}
        self._drawn = 0
        self._last_draw = 0.0

    @property
    def wants_events(self) -> bool:
        """Whether the engine is to tell of each step."""
        return self.way in ("tty", "json", "rawjson")

    def follow(self, messages: Iterable[Any]) -> None:
        """Show all messages of a build. Raises Refused for an error among them, with the step's own code."""
        try:
            for message in messages:
                if not isinstance(message, dict):
                    raise Unavailable(f"the engine's progress is not what it should be: {message!r}")
                self._one(message)
        finally:
            self._erase()
            self._out.flush()

    def _one(self, message: dict[str, Any]) -> None:
        if self.way in ("json", "rawjson"):
            self._out.line(json.dumps(message))
        if message.get("error") or message.get("errorDetail"):
            detail = message.get("errorDetail") or {}
            self._show_failure()
            raise Refused(int(detail.get("code") or FAILED), str(detail.get("message") or message.get("error")))
        event = message.get("aux") or {}
        if event.get("kind") == "image":
            self.parts.append({"Id": event["image"], "Statements": event["statements"]})
            self.images.append((str(event["platform"]), str(event["image"])))
        elif "ID" in event:
            self.image_id = str(event["ID"])
        elif message.get("id") == "sampan.build":
            self._event(event)
        elif "stream" in message and self.way == "plain":
            self._out.write(str(message["stream"]))
            self._out.flush()

    def _event(self, event: dict[str, Any]) -> None:
        if self.way != "tty":
            return
        kind, key = event.get("kind"), str(event.get("step"))
        if kind == "step":
            self._running[key] = Step(event)
        elif kind == "cached" and key in self._running:
            self._running[key].is_cached = True
        elif kind == "output" and key in self._running:
            self._running[key].said.extend(line for line in str(event.get("text")).splitlines() if line.strip())
        elif kind == "done" and key in self._running:
            self._erase()
            self._out.line(self._running.pop(key).line("✔", self._width))
        self._draw(now=kind != "output")

    def _draw(self, *, now: bool) -> None:
        if not now and time.monotonic() - self._last_draw < REDRAW_SECONDS:
            return
        self._last_draw = time.monotonic()
        self._erase()
        for step in self._running.values():
            self._out.line(step.line("•", self._width))
            self._drawn += 1
            if step.said:
                self._out.line("   " + step.said[-1][: self._width - 4])
                self._drawn += 1
        self._out.flush()

    def _erase(self) -> None:
        if self._drawn:
            self._out.control(f"\x1b[{self._drawn}A\x1b[0J")
        self._drawn = 0

    def _show_failure(self) -> None:
        self._erase()
        for step in self._running.values():
            if step.said:
                self._out.line(step.line("✘", self._width))
                for line in step.said:
                    self._out.line("   " + line)
