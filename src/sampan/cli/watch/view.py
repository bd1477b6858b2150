"""How does the live view look? The model as a table, the end of a log, and a line about keys."""

from __future__ import annotations

from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from sampan.cli.output import shown
from sampan.cli.watch.model import Line, Model, window
from sampan.client.units import binary_size, decimal_size

KEYS = "↑↓ select  s stop  t start  r restart  p pause  e exec  f follow  o order  a all  q quit"
COLUMNS = (
    ("NAME", "left"), ("CPU %", "right"), ("MEMORY", "right"), ("MEM %", "right"), ("IN/s", "right"),
    ("OUT/s", "right"), ("READ/s", "right"), ("WRITE/s", "right"), ("PIDS", "right"), ("STATUS", "left"),
)  # fmt: skip
# What is still to be read on a narrow terminal; the other columns give way.
LEAST_WIDTHS = {"NAME": 12, "CPU %": 5, "MEMORY": 8, "STATUS": 8}
STYLES = {"running": "", "paused": "yellow", "restarting": "yellow", "exited": "dim", "created": "dim", "dead": "red"}
LEAST_TABLE, FRAME = 4, 6  # frame: title, header, borders of the log, keys


def render(model: Model, height: int) -> Group:
    """Everything, on `height` rows."""
    log_rows = max(3, height // 3)
    rows = max(LEAST_TABLE, height - log_rows - FRAME)
    return Group(title(model), table(model, rows), log(model, log_rows), footer(model))


def title(model: Model) -> Text:
    """How many containers there are, and what they use together."""
    running = [line for line in model.lines if line.runs]
    return Text(
        f"{len(running)} running of {len(model.lines)}   "
        f"CPU {sum(line.cpu for line in running):.1f}%   "
        f"memory {binary_size(sum(line.memory for line in running))}   by {model.order}",
        style="bold",
    )


def table(model: Model, rows: int) -> Table:
    """The containers around the selected one."""
    found = Table(box=None, expand=True, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for heading, side in COLUMNS:
        found.add_column(
            heading,
            justify="right" if side == "right" else "left",
            no_wrap=True,
            overflow="ellipsis",
            min_width=LEAST_WIDTHS.get(heading),
        )
    place = model.place
    for index in window(len(model.lines), place, rows):
        line = model.lines[index]
        style = "reverse" if index == place else STYLES.get(line.state, "")
        found.add_row(*cells(line), style=style)
    return found


def cells(line: Line) -> list[Text]:
    """One container; names and states come from strangers, so nothing in them is markup or an escape sequence."""
    unknown = ["-"] * 8
    values = unknown if not line.runs else [
        f"{line.cpu:.1f}",
        binary_size(line.memory),
        f"{100 * line.memory / line.limit:.1f}" if line.limit else "-",
        *(decimal_size(rate, 3) for rate in line.rates),
        str(line.pids),
    ]  # fmt: skip
    return [Text(shown(text)) for text in (line.name, *values, line.status)]


def log(model: Model, rows: int) -> Panel:
    """The last lines that the selected container printed."""
    selected = model.selected
    heading = Text(shown(f"{selected.name} · {selected.image}")) if selected else Text("no containers")
    text = Text("\n".join(shown(line) for line in model.log[-rows:]), no_wrap=True, overflow="ellipsis")
    return Panel(text, title=heading, title_align="left", height=rows + 2, border_style="dim")


def footer(model: Model) -> Text:
    """What was done last, or what can be done."""
    if model.message:
        return Text(shown(model.message), style="yellow", no_wrap=True, overflow="ellipsis")
    return Text(KEYS, style="dim", no_wrap=True, overflow="ellipsis")
