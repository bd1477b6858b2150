"""Which files do the sources of a COPY or ADD name?

A source is a path from the root of its tree, whatever dots it has; wildcards match names, never a slash, `**` any
number of directories. What a source that is a link points to is what is copied, inside the same tree.
"""

import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from sampan.builder.tree import Entry, Tree
from sampan.errors import NotFound
from sampan.layers.tar import Kind
from sampan.wire.patterns import has_wildcards, name_pattern

FOUND_MAX = 200_000
PIVOT = "/./"


@dataclass(frozen=True, slots=True)
class Selected:
    """One thing that a source named. `path` is how it was named, from the tree's root; `kept` what --parents keeps."""

    path: bytes
    entry: Entry
    kept: bytes


def select(tree: Tree, source: str, *, parents: bool = False) -> list[Selected]:
    """What a source names, in bytewise order. Raises NotFound when that is nothing."""
    pivot = source.find(PIVOT) if parents else -1
    cleaned = _cleaned(source)
    skipped = len([part for part in _cleaned(source[:pivot]).split("/") if part]) if pivot >= 0 else 0
    if has_wildcards(cleaned):
        found = list(_matching(tree, cleaned.split("/")))
        if not found:
            raise NotFound(f"no source files were specified: nothing matches {source}")
    else:
        _, named = tree.resolve(os.fsencode(cleaned))
        if named is None:
            missing = f"stat {cleaned or '/'}: file does not exist"
            raise NotFound(f"file not found in build context or excluded by .dockerignore: {missing}")
        found = [(os.fsencode(cleaned), named)]
    return [Selected(path, entry, b"/".join(path.split(b"/")[skipped:])) for path, entry in found]


def _cleaned(source: str) -> str:
    """Dots resolved as text; what climbs above the root ends there."""
    return posixpath.normpath("/" + source).lstrip("/")


def _matching(tree: Tree, parts: list[str]) -> Iterator[tuple[bytes, Entry]]:
    """Depth first, one component at a time."""
    count = 0
    seen: set[bytes] = set()
    pending: list[tuple[bytes, Entry, int]] = [(b"", tree.root, 0)]
    while pending:
        path, entry, position = pending.pop()
        if position == len(parts):
            if path not in seen:
                seen.add(path)
                yield path, entry
            continue
        count += 1
        if count > FOUND_MAX:
            raise NotFound(f"the pattern {'/'.join(parts)} matches more than {FOUND_MAX} files")
        if not entry.is_directory:
            continue
        pending += reversed(list(_next(tree, path, entry, parts, position)))


def _next(
    tree: Tree, path: bytes, directory: Entry, parts: list[str], position: int
) -> Iterator[tuple[bytes, Entry, int]]:
    part = parts[position]
    if part == "**":
        yield path, directory, position + 1
        for name, child in tree.children(directory):
            below = path + b"/" + name if path else name
            if child.is_directory:
                yield below, child, position
            elif position + 1 == len(parts):
                yield below, child, position + 1
        return
    if not has_wildcards(part):
        below = path + b"/" + os.fsencode(part) if path else os.fsencode(part)
        _, entry = tree.resolve(below)
        if entry is not None:
            yield below, entry, position + 1
        return
    pattern = name_pattern(part)
    for name, child in tree.children(directory):
        if pattern.fullmatch(os.fsdecode(name)):
            below = path + b"/" + name if path else name
            found = tree.resolve(below)[1] if child.kind is Kind.SYMLINK else child
            if found is not None:
                yield below, found, position + 1
