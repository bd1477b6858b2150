"""What is kept of a container between two commands, and in which state is it?

A directory of the container's name below --root, mode 0711, with `state.json` and, until it is started, `exec.fifo`.
The state is never written down: it follows from the first process, which is known by its pid and the time it began, so
that another process of the same number is not taken for it. The record is there before anything of the container is, so
that whatever a crash leaves can be deleted. OCI runtime.md "State" and "Lifecycle".

    creating ──▶ created ──start──▶ running ◀──▶ paused
                    └───────────────────┴──────────┴──▶ stopped ──delete──▶ (nothing)
"""

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from sampan.errors import Conflict, InvalidRequest, NotFound
from sampan.linux import procfs
from sampan.linux.cgroupfs import hierarchies
from sampan.runtime.cgroup import Cgroup
from sampan.runtime.hooks import state_of
from sampan.runtime.plan import ContainerPlan, container_from_json, to_json

ID = re.compile(r"[\w+,.-]+", re.ASCII)
FIFO = "exec.fifo"
STATE = "state.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The record of one container. `pid` and `start_time` are 0 until the first process exists.

    `creator`: pid and start time of the command that makes it. `process`: the spec's, where exec begins from.
    """

    plan: ContainerPlan
    process: dict[str, Any]
    rootfs: str
    created: str
    boot: str
    creator: tuple[int, int]
    pid: int = 0
    start_time: int = 0


@dataclass(frozen=True, slots=True)
class Container:
    """One container: its directory, which is open for locking only while needed, and its record."""

    directory: str
    record: Record

    @property
    def id(self) -> str:
        """Its name."""
        return self.record.plan.id

    @property
    def fifo(self) -> str:
        """What a created container waits at."""
        return f"{self.directory}/{FIFO}"

    def cgroup(self) -> Cgroup:
        """Its cgroup on this machine."""
        return Cgroup(hierarchies(), self.record.plan.cgroup.path)

    def status(self) -> str:
        """creating, created, running, paused or stopped."""
        record = self.record
        if record.boot != procfs.boot_id():
            return "stopped"
        if not record.pid:
            return "creating" if is_alive(*record.creator) else "stopped"
        if not is_alive(record.pid, record.start_time):
            return "stopped"
        if self.cgroup().is_frozen():
            return "paused"
        return "created" if os.path.exists(self.fifo) else "running"

    def state(self) -> dict[str, Any]:
        """The OCI state, with what runc adds to it."""
        status = self.status()
        state = state_of(self.record.plan, status, 0 if status == "stopped" else self.record.pid)
        annotations = state.pop("annotations", None)
        more = {"pid": state.get("pid", 0), "rootfs": self.record.rootfs, "created": self.record.created}
        ordered = {"ociVersion": state["ociVersion"], "id": self.id, "pid": more["pid"], "status": status}
        ordered |= {"bundle": self.record.plan.bundle, "rootfs": more["rootfs"], "created": more["created"]}
        return ordered | ({"annotations": annotations} if annotations else {})

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other commands from changing this container meanwhile (flock(2) on its directory)."""
        fd = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def begun(self, pid: int) -> "Container":
        """The container with its first process, written down."""
        container = Container(self.directory, replace(self.record, pid=pid, start_time=procfs.start_time(pid)))
        container.save()
        return container

    def save(self) -> None:
        """Write the record in one step: a reader sees the old one or the new one."""
        content = {**asdict(self.record), "plan": to_json(self.record.plan)}
        write_whole(f"{self.directory}/{STATE}", json.dumps(content), 0o600)


class Store:
    """The containers below one directory, `--root`."""

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)

    def add(self, record: Record) -> Container:
        """Take the container's name. Raises Conflict if it is taken."""
        check_id(record.plan.id)
        os.makedirs(self.root, 0o700, exist_ok=True)
        directory = f"{self.root}/{record.plan.id}"
        try:
            os.mkdir(directory, 0o711)
        except FileExistsError:
            raise Conflict("container with given ID already exists") from None
        container = Container(directory, record)
        container.save()
        return container

    def get(self, container_id: str) -> Container:
        """The container of that name. Raises NotFound, InvalidRequest."""
        check_id(container_id)
        directory = f"{self.root}/{container_id}"
        try:
            with open(f"{directory}/{STATE}", encoding="utf-8") as file:
                content = json.load(file)
            values = {**content, "plan": container_from_json(content["plan"]), "creator": tuple(content["creator"])}
            return Container(directory, Record(**values))
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound("container does not exist") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Conflict(f"{directory}/{STATE} is damaged ({error}): delete the container by force") from None

    def all(self) -> list[Container]:
        """Every container, by name; what vanishes meanwhile or is damaged is left out."""
        found = []
        for name in sorted(os.listdir(self.root)) if os.path.isdir(self.root) else ():
            try:
                found.append(self.get(name))
            except (NotFound, Conflict, InvalidRequest):
                continue
        return found

    def remove(self, container_id: str) -> None:
        """Give the name back; nothing happens if it is free."""
        check_id(container_id)
        directory = f"{self.root}/{container_id}"
        try:
            for name in os.listdir(directory):
                os.unlink(f"{directory}/{name}")
            os.rmdir(directory)
        except FileNotFoundError:
            pass


def check_id(container_id: str) -> None:
    """Raise InvalidRequest unless this may be a container's name: it becomes a file's, and a cgroup's."""
    if not container_id:
        raise InvalidRequest("container id cannot be empty")
    if not ID.fullmatch(container_id) or container_id in (".", "..") or len(container_id) > 255:
        raise InvalidRequest("invalid container ID format")


def is_alive(pid: int, start_time: int) -> bool:
    """Whether the process that had this pid at this time still runs; a zombie does not."""
    try:
        found = procfs.stat(pid)
    except (FileNotFoundError, ProcessLookupError):
        return False
    return found.start_time == start_time and found.state not in "ZX"


def write_whole(path: str, text: str, mode: int) -> None:
    """Put a file in place in one step."""
    directory, _, name = path.rpartition("/")
    temporary = f"{directory or '.'}/.{name}"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    with open(fd, "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(temporary, path)
