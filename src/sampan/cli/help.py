"""What does --help print? Rendered from the command table and the flags, in docker's layout."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable

from sampan.cli.command import Command
from sampan.cli.flags import Flag
from sampan.cli.table import COMMANDS, SECTIONS, Entry, aliases_of, children


def usage_line(program: str, name: str, usage: str) -> str:
    """`Usage:  sampan run [OPTIONS] IMAGE …`, one line for each form."""
    forms = [f"{program} {name} {form}".rstrip() for form in usage.split("\n")]
    return "Usage:  " + "\n\t".join(forms)


def command_help(program: str, name: str, entry: Entry, command: Command) -> str:
    """The whole help text of one command."""
    parts = [usage_line(program, name, command.usage), entry.summary]
    if command.details:
        parts.append(command.details)
    aliases = aliases_of(name)
    if aliases:
        parts.append("Aliases:\n  " + ", ".join(f"{program} {alias}" for alias in aliases))
    if members := children(name):
        parts.append("Commands:\n" + render_entries(members))
    if any(not flag.hidden for flag in command.flags):
        parts.append("Options:\n" + render_flags(command.flags))
    return "\n\n".join(parts) + "\n"


def group_help(program: str, group: str) -> str:
    """The help text of `sampan container` and its like."""
    entry = COMMANDS[group]
    return (
        "\n\n".join(
            [
                usage_line(program, group, "COMMAND"),
                entry.summary,
                "Commands:\n" + render_entries(children(group)),
                f"Run '{program} {group} COMMAND --help' for more information on a command.",
            ]
        )
        + "\n"
    )


def program_help(program: str, flags: Iterable[Flag]) -> str:
    """The help text of `sampan` itself."""
    parts = [f"Usage:  {program} [OPTIONS] COMMAND", "A container engine in Python"]
    for section in SECTIONS:
        entries = {name: entry for name, entry in children("").items() if entry.section == section}
        parts.append(f"{section}:\n" + render_entries(entries))
    parts.append("Global Options:\n" + render_flags(flags))
    parts.append(f"Run '{program} COMMAND --help' for more information on a command.")
    return "\n\n".join(parts) + "\n"


def render_entries(entries: dict[str, Entry]) -> str:
    """Names and summaries in two columns."""
    width = max([11, *(len(name) for name in entries)])
    return "\n".join(f"  {name:<{width}} {entry.summary}" for name, entry in entries.items())


def render_flags(flags: Iterable[Flag]) -> str:
    """The flags in alphabetical order, their summaries wrapped to the terminal's width."""
    rows = []
    for flag in sorted((flag for flag in flags if not flag.hidden), key=lambda flag: flag.name):
        left = f"  -{flag.short}, " if flag.short else "      "
        rows.append((f"{left}--{flag.name} {flag.kind.name}".rstrip(), flag.summary + default_note(flag)))
    column = max(len(left) for left, _ in rows) + 3
    width = max(terminal_width() - column - 1, 24)
    lines = []
    for left, summary in rows:
        wrapped = [piece for line in summary.split("\n") for piece in textwrap.wrap(line, width) or [""]]
        lines.append(f"{left:<{column}}{wrapped[0]}")
        lines += [" " * column + piece for piece in wrapped[1:]]
    return "\n".join(lines)


def default_note(flag: Flag) -> str:
    """` (default 10)` where the default is worth saying."""
    if flag.default in (None, "", False, 0) or flag.kind.repeats:
        return ""
    if flag.default is True:
        return " (default true)"
    return f' (default "{flag.default}")' if isinstance(flag.default, str) else f" (default {flag.default})"


def terminal_width() -> int:
    """Columns of the terminal, 80 when there is none."""
    try:
        return os.get_terminal_size(2).columns or 80
    except OSError:
        return 80
