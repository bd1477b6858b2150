"""Which cgroup does a process join that is to be kept apart from the rest of its container?

One below the container's, in all hierarchies or in those of some v1 controllers; it must exist (runc exec --cgroup).
"""

import os
import posixpath
from collections.abc import Sequence

from sampan.errors import InvalidRequest
from sampan.linux.cgroupfs import Hierarchy
from sampan.runtime.cgroup import Cgroup


class Subgroup(Cgroup):
    """The cgroups below the cgroup `path` that `wanted` names: "below", or "controller,controller:below" (v1).

    Raises InvalidRequest for a path that climbs, and for a controller that there is not.
    """

    def __init__(self, hierarchies: Sequence[Hierarchy], path: str, wanted: Sequence[str]) -> None:
        super().__init__(hierarchies, path)
        known = {name for hierarchy in hierarchies for name in hierarchy.controllers}
        self._below: dict[str, str] = {}  # by controller, "" for all others
        for words in wanted:
            controllers, _, below = words.rpartition(":")
            for controller in controllers.split(","):
                if controller and controller not in known:
                    raise InvalidRequest(f"unknown controller {controller} in --cgroup {words}")
                self._below[controller] = _inside(below)

    def _path_in(self, hierarchy: Hierarchy) -> str:
        named = (self._below[name] for name in sorted(hierarchy.controllers) if name in self._below)
        return self.path + next(named, self._below.get("", ""))

    def missing(self) -> str:
        """A directory that would be joined and is not there; "" if all are."""
        directories = (h.mount + self._path_in(h) for h in self.hierarchies)
        return next((directory for directory in directories if not os.path.isdir(directory)), "")

    def open_to_join(self) -> list[int]:
        """As the container's own."""
        return [
            os.open(f"{h.mount}{self._path_in(h)}/tasks", os.O_WRONLY | os.O_CLOEXEC)
            for h in self.hierarchies
            if h.version == 1
        ]

    def open_unified(self) -> int | None:
        """As the container's own."""
        v2 = next((h for h in self.hierarchies if h.version == 2), None)
        return os.open(v2.mount + self._path_in(v2), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) if v2 else None


def _inside(below: str) -> str:
    """The path as a suffix; ".." may not lead out of the container's cgroup (A30)."""
    joined = posixpath.normpath(posixpath.join("/container", below.lstrip("/")))
    if joined != "/container" and not joined.startswith("/container/"):
        raise InvalidRequest(f"bad sub cgroup path: {below} is not a sub cgroup path")
    return joined.removeprefix("/container")
