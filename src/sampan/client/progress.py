"""How does the progress of pull, load and import look? JSON values that become lines, or lines that change in place."""

from __future__ import annotations

from sampan.client.connection import Response
from sampan.client.engine import Refused, values
from sampan.errors import Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    class Screen(Protocol):
        """Where progress is shown."""

        is_terminal: bool

        def write(self, text: str) -> None:
            """Write text; control characters in it are not obeyed."""

        def control(self, sequence: str) -> None:
            """Write one of our own control sequences."""

        def flush(self) -> None:
            """Show what was written."""


FAILED = 500


def show(response: Response, screen: Screen, *, quiet: bool = False) -> list[Any]:
    """Show a progress stream until it ends; its `aux` values. Raises Refused for an error in it."""
    auxiliary = []
    rows: dict[str, int] = {}  # which line, counted from the first, belongs to which id
    for value in values(response):
        if not isinstance(value, dict):
            raise Unavailable(f"the engine's progress is not what it should be: {value!r}")
        if value.get("error") or value.get("errorDetail"):
            detail = value.get("errorDetail") or {}
            raise Refused(int(detail.get("code") or FAILED), str(detail.get("message") or value.get("error")))
        if "aux" in value:
            auxiliary.append(value["aux"])
        elif not quiet:
            show_value(value, screen, rows)
    return auxiliary


def show_value(value: dict[str, Any], screen: Screen, rows: dict[str, int]) -> None:
    """One value: a line of its own, or a new text for the line of its id."""
    name, moving = value.get("id") or "", bool(value.get("progressDetail"))
    if "stream" in value:
        screen.write(str(value["stream"]))
    elif not screen.is_terminal:
        if not moving:
            screen.write(describe(value) + "\n")
    elif name and "progressDetail" in value:
        new = name not in rows
        row = rows.setdefault(name, len(rows))
        up = len(rows) - row
        if new:
            screen.write(describe(value) + "\n")
        else:
            screen.control(f"\x1b[{up}A\x1b[2K\r")
            screen.write(describe(value))
            screen.control(f"\x1b[{up}B\r")
    else:
        rows.clear()
        screen.write(describe(value) + "\n")
    screen.flush()


def describe(value: dict[str, Any]) -> str:
    """`abc123: Downloading  [=====>   ]  1.2MB/3MB`."""
    name = f"{value['id']}: " if value.get("id") else ""
    return f"{name}{value.get('status', '')} {bar(value.get('progressDetail') or {})}".rstrip()


def bar(detail: dict[str, Any]) -> str:
    """How far it is; empty when that is not known."""
    from sampan.client.units import decimal_size

    current, total = detail.get("current") or 0, detail.get("total") or 0
    if not current and not total:
        return ""
    if current > total:
        return decimal_size(current)
    done = 50 * current // total
    return f"[{'=' * done}{'>' if done < 50 else ''}{' ' * (49 - done)}]  {decimal_size(current)}/{decimal_size(total)}"
