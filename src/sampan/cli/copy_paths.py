"""Which directory does a copy go into, and under which name? Docker's rules for trailing slashes and dots.

source        destination exists as   result
anything      directory               in it, under its own name; "dir/." only what is in it
file          file                    overwrites it
directory     file                    "cannot copy directory"
directory     not at all              becomes the destination
file          not at all              becomes the destination; if that ends in a slash: "no such directory"
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable

from sampan.cli.command import Failure


class End:
    """One end of a copy, as far as it is known: `exists` and `is_directory` of what there is at `path`."""

    __slots__ = ("exists", "is_directory", "path")

    def __init__(self, path: str, *, exists: bool = True, is_directory: bool = False) -> None:
        self.path = path
        self.exists = exists
        self.is_directory = is_directory


def split(path: str) -> tuple[str, str]:
    """Directory and last component of a path, cleaned; "x/." has the component "."."""
    cleaned = posixpath.normpath(path)
    if ends_in_dot(path):
        return cleaned, "."
    head, tail = posixpath.split(cleaned)
    return head or ".", tail or "/"


def ends_in_dot(path: str) -> bool:
    """Whether the path says "what is in it"."""
    return posixpath.basename(path) == "."


def asserts_directory(path: str) -> bool:
    """Whether the path can only be a directory's."""
    return path.endswith("/") or ends_in_dot(path)


def plan(source: End, destination: End) -> tuple[str, Callable[[str], str]]:
    """The directory to extract into, and how members named after the source are renamed. Raises Failure."""
    _, base = split(source.path)
    directory, name = split(destination.path)
    if destination.exists and destination.is_directory:
        return destination.path, lambda member: member
    if destination.exists and source.is_directory:
        raise Failure("cannot copy directory")
    if not destination.exists and not source.is_directory and asserts_directory(destination.path):
        raise Failure("no such directory")
    return directory, lambda member: rebased(member, base, name)


def rebased(member: str, old: str, new: str) -> str:
    """A member's name with its first component, `old`, replaced."""
    if old == "/":
        return new + "/" + member.lstrip("/")
    if member.rstrip("/") == old or member.startswith(old + "/"):
        return new + member[len(old) :]
    return member
