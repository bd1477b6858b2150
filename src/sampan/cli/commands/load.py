"""sampan load: images from a tar archive."""

from __future__ import annotations

import os
from collections.abc import Iterator

from sampan.cli.command import Call, Command, Failure
from sampan.cli.flags import SWITCH, TEXT, Flag
from sampan.client.progress import show

PIECE = 256 * 1024
STDIN = 0


def run(call: Call) -> int:
    """docker load [-i FILE]."""
    path = call.options["input"]
    if not path and os.isatty(STDIN):
        raise Failure("requested load from stdin, but stdin is empty: use -i FILE, or redirect an archive into it")
    quiet = call.options["quiet"] or not call.out.is_terminal
    query: dict[str, str | list[str]] = {"quiet": "1"} if quiet else {"quiet": "0"}
    if call.options["platform"]:
        query["platform"] = call.options["platform"]
    with_path = open_input(path) if path else STDIN
    response = call.engine.send("POST", "/images/load", query, data=pieces(with_path))
    show(response, call.out)
    return 0


def open_input(path: str) -> int:
    """A file descriptor to read the archive from. Raises Failure."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise Failure(f"open {path}: {(error.strerror or str(error)).lower()}") from None


def pieces(fd: int) -> Iterator[bytes]:
    """All bytes of a file descriptor."""
    while piece := os.read(fd, PIECE):
        yield piece


COMMAND = Command(
    "[OPTIONS]",
    run,
    flags=(
        Flag("input", TEXT, "Read from tar archive file, instead of STDIN", short="i"),
        Flag("platform", TEXT, 'Load only the given platform, as "os[/arch[/variant]]"'),
        Flag("quiet", SWITCH, "Suppress the load output", short="q"),
    ),
)
