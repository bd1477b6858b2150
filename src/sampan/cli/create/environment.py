"""What is in a file for --env-file or --label-file? Lines NAME=VALUE, for variables also NAME alone; # for comments."""

from __future__ import annotations

import os

from sampan.cli.command import Failure


def read_file(path: str, *, inherit: bool) -> list[str]:
    """The file's lines as NAME=VALUE; with `inherit`, NAME alone takes our own value or is left out. Raises Failure."""
    try:
        with open(path, "rb") as file:
            text = file.read().removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except OSError as error:
        raise Failure(f"open {path}: {(error.strerror or str(error)).lower()}", 125) from None
    except UnicodeDecodeError as error:
        raise Failure(f"{path} is not UTF-8: byte {error.start}", 125) from None
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.lstrip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not name or any(character.isspace() for character in name):
            raise Failure(f"{path}:{number}: invalid variable name {name!r}: it is empty or contains whitespace", 125)
        if equals:
            lines.append(f"{name}={value}")
        elif inherit and name in os.environ:
            lines.append(f"{name}={os.environ[name]}")
    return lines
