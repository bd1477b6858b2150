"""What does the live view know of each container?

Pure: lists and samples of the engine go in, lines with shares and rates come out. A rate is the difference of two
samples by the time between them; of a container that has been seen once it is 0.
"""

from __future__ import annotations

from sampan.cli import usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ORDERS = ("cpu", "memory", "name")


class Line:
    """One container. `rates`: bytes a second received, sent, read and written."""

    __slots__ = ("cpu", "id", "image", "limit", "memory", "name", "pids", "rates", "state", "status")

    def __init__(self, listed: dict[str, Any]) -> None:
        self.id: str = listed["Id"]
        self.name: str = (listed.get("Names") or ["/"])[0].removeprefix("/")
        self.image: str = listed["Image"]
        self.state: str = listed["State"]
        self.status: str = listed["Status"]
        self.cpu = 0.0
        self.memory = self.limit = self.pids = 0
        self.rates = (0.0, 0.0, 0.0, 0.0)

    @property
    def runs(self) -> bool:
        """Whether there is anything to measure."""
        return self.state in ("running", "paused")


class Model:
    """All lines in the order that is wanted, one of them selected, and a message for the user."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.order = ORDERS[0]
        self.all = True
        self.message = ""
        self.log: list[str] = []
        self._selected = ""
        self._before: dict[str, tuple[float, dict[str, Any]]] = {}

    @property
    def selected(self) -> Line | None:
        """The line that keys are about; the first one when the one chosen is gone."""
        return next((line for line in self.lines if line.id == self._selected), self.lines[0] if self.lines else None)

    @property
    def place(self) -> int:
        """Where the selected line is."""
        selected = self.selected
        return self.lines.index(selected) if selected else 0

    def feed(self, listed: list[dict[str, Any]], samples: dict[str, dict[str, Any] | None], now: float) -> None:
        """Take a new look: the containers, what those that run use, and when (seconds, monotonic)."""
        lines = [Line(each) for each in listed]
        before: dict[str, tuple[float, dict[str, Any]]] = {}
        for line in lines:
            sample = samples.get(line.id)
            if sample is not None and line.runs and sample["cpu_stats"].get("system_cpu_usage"):
                self._measure(line, sample, now)
                before[line.id] = (now, sample)
        self._before = before
        self.lines = sorted(lines, key=self._key)

    def _measure(self, line: Line, sample: dict[str, Any], now: float) -> None:
        line.memory = usage.memory(sample)
        line.limit = sample["memory_stats"].get("limit", 0)
        line.pids = sample["pids_stats"].get("current", 0)
        if line.id not in self._before:
            return
        then, earlier = self._before[line.id]
        line.cpu = usage.cpu_percent({**sample, "precpu_stats": earlier["cpu_stats"]})
        passed = max(now - then, 1e-3)
        totals = zip(_totals(sample), _totals(earlier), strict=True)
        received, sent, read, written = (max(0.0, (new - old) / passed) for new, old in totals)
        line.rates = (received, sent, read, written)

    def _key(self, line: Line) -> tuple[bool, float, str]:
        value = {"cpu": line.cpu, "memory": float(line.memory)}.get(self.order, 0.0)
        return not line.runs, -value, line.name

    def move(self, by: int) -> None:
        """Select the line `by` lines further down."""
        if self.lines:
            place = min(max(self.place + by, 0), len(self.lines) - 1)
            self._selected = self.lines[place].id

    def next_order(self) -> None:
        """Sort by the next thing one can sort by."""
        self.order = ORDERS[(ORDERS.index(self.order) + 1) % len(ORDERS)]
        self.lines.sort(key=self._key)


def _totals(sample: dict[str, Any]) -> tuple[int, int, int, int]:
    return (*usage.network(sample), *usage.block(sample))


def window(count: int, place: int, height: int) -> range:
    """Which of `count` lines to show on `height`, so that the one at `place` is among them."""
    if count <= height:
        return range(count)
    first = min(max(place - height // 2, 0), count - height)
    return range(first, first + height)
