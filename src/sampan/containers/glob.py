"""Which paths inside a container does a pattern mean?

`*`, `?` and `[…]` within one component, as in a shell (glob(7)); a name that begins with a dot only where the pattern
does. Links are followed as the container would follow them.
"""

import fnmatch
import os
from functools import partial

from sampan.containers.archive import Opening, absolute
from sampan.errors import InvalidRequest
from sampan.linux.inside import open_in_root
from sampan.linux.statfs import fstatfs_type, is_kernels_own
from sampan.threads import finished

OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
WILD = frozenset("*?[")
FOUND_MAX = 10_000
COMPONENTS_MAX = 64


async def glob(opening: Opening, pattern: str) -> list[str]:
    """The paths that are there and match, sorted. Raises InvalidRequest for a pattern that means too many."""
    async with opening as tree:
        return await finished(partial(_matches, tree.root, absolute(pattern)))


def _matches(root: int, pattern: str) -> list[str]:
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    if len(parts) > COMPONENTS_MAX:
        raise InvalidRequest(f"a pattern has {COMPONENTS_MAX} components at most")
    found = [""]
    for part in parts:
        below: list[str] = []
        for path in found:
            below += _step(root, path, part)
            if len(below) > FOUND_MAX:
                raise InvalidRequest(f"the pattern means more than {FOUND_MAX} paths")
        found = below
    return sorted(found)


def _step(root: int, path: str, part: str) -> list[str]:
    try:
        directory = open_in_root(root, path or "/", OPEN_DIRECTORY)
    except OSError:
        return []  # no directory
    try:
        if is_kernels_own(fstatfs_type(directory)):
            return []
        if not WILD & set(part):
            names = [part] if _is_there(directory, part) else []
        else:
            shown = (name for name in os.listdir(directory) if part.startswith(".") or not name.startswith("."))
            names = [name for name in shown if fnmatch.fnmatchcase(name, part)]
    finally:
        os.close(directory)
    return [f"{path}/{name}" for name in names]


def _is_there(directory: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return False
    return True
