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
    """The cgroup `below` the cgroup `path`; only in the hierarchies of `controllers`, if any are named."""

    def __init__(self, hierarchies: Sequence[Hierarchy], path: str, below: str, controllers: frozenset[str]) -> None:
        super().__init__(hierarchies, path)
        self._controllers = controllers
        # Components, not strings: ".." may not lead out of the container's cgroup (A30).
        self._below = posixpath.normpath("/" + below)
        if unknown := controllers - {name for h in hierarchies for name in h.controllers}:
            raise InvalidRequest(f"unknown controller {sorted(unknown)[0]} in --cgroup")

    def _path_in(self, hierarchy: Hierarchy) -> str:
        chosen = not self._controllers or bool(self._controllers & hierarchy.controllers)
        return self.path + (self._below if chosen and self._below != "/" else "")

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
