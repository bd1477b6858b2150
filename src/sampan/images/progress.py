"""What is a client told while layers move? The messages of docker's progress stream, as dockerd words them."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from sampan.oci.digest import Digest, short_id

Emit = Callable[[Mapping[str, Any]], None]
BAR_WIDTH = 50
INTERVAL_SECONDS = 0.1


def status(text: str, layer: Digest = "") -> dict[str, Any]:
    """`Pull complete` and its like, of a layer; a line of its own without one."""
    return {"status": text, "progressDetail": {}, "id": short_id(layer)} if layer else {"status": text}


def moving(text: str, layer: Digest, current: int, total: int) -> dict[str, Any]:
    """`Downloading  [===>   ]  1.2MB/3MB`."""
    return {
        "status": text,
        "progressDetail": {"current": current, "total": total},
        "progress": bar(current, total),
        "id": short_id(layer),
    }


def bar(current: int, total: int) -> str:
    """The picture of it."""
    if current > total or total <= 0:
        return human_size(current)
    done = BAR_WIDTH * current // total
    picture = "=" * done + ">" + " " * (BAR_WIDTH - done)
    return f"[{picture}]  {human_size(current)}/{human_size(total)}"


def human_size(size: int) -> str:
    """`1.982MB`: four digits, decimal units (docker's go-units)."""
    value, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB", "PB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.4g}{unit}"


class Meter:
    """Tells how far something is, a few times a second."""

    def __init__(self, emit: Emit, text: str, layer: Digest, total: int) -> None:
        self._emit = emit
        self._text = text
        self._layer = layer
        self._total = total
        self._due = 0.0

    def at(self, current: int) -> None:
        """It is there now."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + INTERVAL_SECONDS
            self._emit(moving(self._text, self._layer, current, self._total))
