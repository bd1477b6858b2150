"""How do columns line up? As Go's text/tabwriter does it for docker: cells end with a tab, at least 10 wide, 3 apart.

A column is a run of neighbouring lines that have a cell there; the text after a line's last tab belongs to no column.
"""

from __future__ import annotations

MIN_WIDTH, PADDING = 10, 3


def align(text: str, min_width: int = MIN_WIDTH, padding: int = PADDING) -> str:
    """`text` with its tabs turned into spaces."""
    lines = [line.split("\t") for line in text.split("\n")]
    widths: list[list[int]] = [[] for _ in lines]
    measure(lines, widths, 0, len(lines), min_width, padding)
    return "\n".join(
        "".join(cell.ljust(width) for cell, width in zip(cells, row, strict=False)) + cells[-1]
        for cells, row in zip(lines, widths, strict=True)
    )


def measure(lines: list[list[str]], widths: list[list[int]], start: int, end: int, least: int, padding: int) -> None:
    """Fill in the widths of the next column for lines[start:end], which agree on all columns before it."""
    at = start
    while at < end:
        column = len(widths[at])
        if column >= len(lines[at]) - 1:
            at += 1
            continue
        stop = at
        while stop < end and column < len(lines[stop]) - 1:
            stop += 1
        width = max(least, *(len(lines[each][column]) + padding for each in range(at, stop)))
        for each in range(at, stop):
            widths[each].append(width)
        measure(lines, widths, at, stop, least, padding)
        at = stop
