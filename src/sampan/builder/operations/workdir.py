"""WORKDIR: where relative paths begin from here on; the directory is made if it is missing."""

import posixpath

from sampan.builder.dockerfile.instructions import Workdir
from sampan.builder.owner import find_owner
from sampan.builder.place import Placement
from sampan.builder.state import State
from sampan.builder.tree import Tree
from sampan.errors import InvalidRequest


def resolved(state: State, instruction: Workdir) -> str:
    """The absolute path that WORKDIR means. Raises InvalidRequest."""
    path = state.expand(instruction.path, instruction)
    if not path:
        raise InvalidRequest("cannot normalize nothing")
    joined = posixpath.normpath(posixpath.join("/", state.workdir, path))
    return "/" + joined.lstrip("/")


def place(state: State, path: str, tree: Tree) -> Placement | None:
    """What has to be made for the directory to be there; None if it is. It belongs to USER, as BuildKit has it."""
    user = str(state.config.get("User") or "")
    placement = Placement(base=tree, owner=find_owner(user, tree) if user else None)
    return placement if placement.make_directory(path) else None
