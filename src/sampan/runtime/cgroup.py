"""Where are a container's limits kept, and who is in its cgroup?

One directory of the same name below every hierarchy: v1, v2, or both on a hybrid machine. Every call is idempotent
and works from the path alone, so that whoever comes after a crash can finish or undo it. cgroups(7), the kernel's
admin-guide/cgroup-v1 and cgroup-v2.
"""

import errno
import os
import signal
import time
from collections.abc import Iterator, Sequence

from sampan.linux.cgroupfs import Hierarchy
from sampan.runtime.device_filter import apply_rules
from sampan.runtime.plan import CgroupPlan, CgroupWrite
from sampan.runtime.status import StartFailed

REMOVE_SECONDS = 2.0
FREEZE_SECONDS = 5.0


class Cgroup:
    """The cgroup `path` in each of `hierarchies`."""

    def __init__(self, hierarchies: Sequence[Hierarchy], path: str) -> None:
        self.hierarchies = hierarchies
        self.path = path

    def directory(self, controller: str) -> str:
        """The directory in which `controller`'s files are ("unified": the v2 one). Raises StartFailed without one."""
        for hierarchy in self.hierarchies:
            v2 = hierarchy.version == 2
            wanted = {"blkio": "io"}.get(controller, controller) if v2 else controller
            if wanted in hierarchy.controllers or (v2 and controller == "unified"):
                return hierarchy.mount + self.path
        raise StartFailed(f"this machine has no {controller} cgroup controller")

    def directories(self) -> list[str]:
        """Its directory in every hierarchy."""
        return [hierarchy.mount + self.path for hierarchy in self.hierarchies]

    def unified(self) -> str | None:
        """Its directory in the v2 hierarchy, if there is one."""
        return next((h.mount + self.path for h in self.hierarchies if h.version == 2), None)

    def create_unified(self) -> int | None:
        """Make the v2 directory, into which clone3(2) puts a process; its descriptor, or None on a machine without."""
        for hierarchy in self.hierarchies:
            if hierarchy.version == 2:
                _make(hierarchy, self.path)
                return os.open(hierarchy.mount + self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return None

    def create(self, plan: CgroupPlan) -> None:
        """Make the directories and set the limits; nobody is inside yet."""
        for hierarchy in self.hierarchies:
            _make(hierarchy, self.path)
        self.write(plan.writes)
        if plan.devices:
            apply_rules(self, plan.devices)

    def write(self, writes: Sequence[CgroupWrite]) -> None:
        """Set limits. Raises StartFailed with the file, the value and the kernel's reason."""
        for write in writes:
            names = write.file.split("|")
            directory = self.directory(write.controller)
            path = next((p for name in names if os.path.exists(p := f"{directory}/{name}")), f"{directory}/{names[0]}")
            try:
                write_file(path, write.value)
            except OSError as error:
                if write.required:
                    reason = (error.strerror or "").lower()
                    raise StartFailed(f'failed to write "{write.value}": write {path}: {reason}') from None

    def open_to_join(self) -> list[int]:
        """The v1 files into which a process writes "0" to be inside; into v2 it is cloned (`open_unified`).

        A process that moves its own single thread through `tasks` takes no global lock; moving another through
        cgroup.procs waits for a grace period, several milliseconds of every start (kernel/cgroup/cgroup.c,
        cgroup_procs_write_start).
        """
        return [
            os.open(f"{h.mount}{self.path}/tasks", os.O_WRONLY | os.O_CLOEXEC)
            for h in self.hierarchies
            if h.version == 1
        ]

    def open_unified(self) -> int | None:
        """The existing v2 directory, for clone3(2)."""
        unified = self.unified()
        return os.open(unified, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) if unified else None

    def pids(self) -> list[int]:
        """Every process inside, as this process's pid namespace numbers them, those of child cgroups included."""
        directory = self.unified_or_first()
        found: list[int] = []
        for path, _, _ in os.walk(directory):
            try:
                with open(f"{path}/cgroup.procs") as file:
                    found += [int(line) for line in file]
            except (FileNotFoundError, OSError):
                continue  # a child cgroup that went away meanwhile
        return [pid for pid in found if pid]

    def unified_or_first(self) -> str:
        """The directory that is asked who is inside: a v1 controller's where one is, since hybrids keep v2 sparse."""
        for controller in ("memory", "pids", "devices", "freezer"):
            try:
                return self.directory(controller)
            except StartFailed:
                continue
        return self.directories()[0]

    def kill(self) -> None:
        """SIGKILL to everybody inside, also to those that fork meanwhile."""
        unified = self.unified()
        only_v2 = len(self.hierarchies) == 1
        if unified and only_v2 and os.path.exists(f"{unified}/cgroup.kill"):
            write_file(f"{unified}/cgroup.kill", "1")
            return
        for _ in range(100):
            pids = self.pids()
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            if not pids:
                return
            # A frozen process dies only once it is thawed (v1 freezer).
            self.thaw()
            time.sleep(0.005)

    def freeze(self) -> None:
        """Stop everybody inside; returns when all have stopped. Raises OSError(ETIMEDOUT) if they do not."""
        self._set_frozen(True)

    def thaw(self) -> None:
        """Let everybody inside go on."""
        self._set_frozen(False)

    def is_frozen(self) -> bool:
        """Whether everybody inside has been stopped; a cgroup that is gone has nobody to stop."""
        try:
            directory = self.directory("freezer")
        except StartFailed:
            directory = self.unified() or ""
        try:
            return _is_frozen(directory, v1=os.path.exists(f"{directory}/freezer.state"))
        except OSError:
            return False

    def _set_frozen(self, frozen: bool) -> None:
        try:
            directory = self.directory("freezer")
        except StartFailed:
            directory = self.unified() or ""
        v1 = os.path.exists(f"{directory}/freezer.state")
        file, value = ("freezer.state", "FROZEN" if frozen else "THAWED") if v1 else ("cgroup.freeze", str(int(frozen)))
        deadline = time.monotonic() + FREEZE_SECONDS
        while True:
            try:
                # Written again and again: on v1 a process that forks while freezing is caught only by the next write.
                write_file(f"{directory}/{file}", value)
            except FileNotFoundError:
                if frozen:
                    raise
                return
            if _is_frozen(directory, v1=v1) == frozen:
                return
            if time.monotonic() > deadline:
                raise OSError(errno.ETIMEDOUT, "the processes did not stop", directory)
            time.sleep(0.001)

    def oom_kills(self) -> int:
        """How many processes the out-of-memory killer took from here (memory.oom_control, memory.events)."""
        try:
            directory = self.directory("memory")
        except StartFailed:
            return 0
        for name in ("memory.oom_control", "memory.events"):
            for key, value in read_pairs(f"{directory}/{name}"):
                if key == "oom_kill":
                    return int(value)
        return 0

    def remove(self) -> bool:
        """Remove the directories, children first; True when none is left. Processes on their way out are waited for."""
        deadline = time.monotonic() + REMOVE_SECONDS
        left = [directory for directory in self.directories() if not _remove_tree(directory)]
        while left and time.monotonic() < deadline:
            time.sleep(0.002)
            left = [directory for directory in left if not _remove_tree(directory)]
        return not left


def _make(hierarchy: Hierarchy, path: str) -> None:
    """Make one directory and its parents, ready for use."""
    here = hierarchy.mount
    for part in path.strip("/").split("/"):
        parent, here = here, f"{here}/{part}"
        if hierarchy.version == 2:
            _enable_controllers(parent, hierarchy)
        try:
            os.mkdir(here, 0o755)
        except FileExistsError:
            continue
        if "cpuset" in hierarchy.controllers and hierarchy.version == 1:
            # A v1 cpuset starts empty and takes no process until it has processors and memory.
            for name in ("cpuset.cpus", "cpuset.mems"):
                write_file(f"{here}/{name}", _inherited(parent, name))


def _inherited(directory: str, name: str) -> str:
    """The value of a v1 cpuset file, having filled it from above where whoever made the directory left it empty."""
    with open(f"{directory}/{name}") as file:
        value = file.read().strip()
    if not value:
        value = _inherited(os.path.dirname(directory), name)
        write_file(f"{directory}/{name}", value)
    return value


def _enable_controllers(parent: str, hierarchy: Hierarchy) -> None:
    wanted = " ".join(f"+{name}" for name in sorted(hierarchy.controllers))
    if wanted:
        try:
            write_file(f"{parent}/cgroup.subtree_control", wanted)
        except OSError:
            pass  # processes in the parent forbid it (no internal processes); a limit that needs it will say so


def _remove_tree(directory: str) -> bool:
    try:
        os.rmdir(directory)  # nearly always there is nothing below it, and a look costs more than the call
        return True
    except FileNotFoundError:
        return True
    except OSError:
        pass
    for path, _, _ in os.walk(directory, topdown=False):
        try:
            os.rmdir(path)
        except FileNotFoundError:
            pass
        except OSError:
            return False
    return True


def _is_frozen(directory: str, *, v1: bool) -> bool:
    if v1:
        with open(f"{directory}/freezer.state") as file:
            return file.read().strip() == "FROZEN"
    return ("frozen", "1") in read_pairs(f"{directory}/cgroup.events")


def read_pairs(path: str) -> Iterator[tuple[str, str]]:
    """The "key value" lines of a control file; none if there is no such file."""
    try:
        with open(path) as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        key, _, value = line.partition(" ")
        yield key, value


def write_file(path: str, value: str) -> None:
    """Write a control file with one write(2). Raises OSError with the path."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        os.close(fd)
