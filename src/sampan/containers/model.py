"""What is a container, at rest?

`Container` never changes; a verb makes a new one with `dataclasses.replace` and hands it to the rows. What changes
over its life is gathered in `State`. Times are Unix nanoseconds, 0 for "never".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sampan.containers.lifecycle import Status
from sampan.containers.mounts import MountPoint
from sampan.wire.containers import ContainerConfig, EndpointSettings, HostConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where a container is in its life, and how its last run began and ended.

    `pid` is the host's number of its first process, `start_ticks` that process's start time (proc_pid_stat(5), field
    22): the pair tells it from a stranger that got the same number later. `was_stopped`: somebody asked for its end, so
    that no restart policy undoes it. `restart_delay_ns`: how long its policy last let it wait, `restart_at_ns`: when
    that is over.
    """

    status: Status = Status.CREATED
    pid: int = 0
    start_ticks: int = 0
    exit_code: int = 0
    oom_killed: bool = False
    error: str = ""
    started_ns: int = 0
    finished_ns: int = 0
    restart_count: int = 0
    was_stopped: bool = False
    restart_delay_ns: int = 0
    restart_at_ns: int = 0

    @property
    def is_running(self) -> bool:
        """Docker's "Running": a paused container runs, too."""
        return self.status in (Status.RUNNING, Status.PAUSED, Status.RESTARTING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container.

    `name` is without the slash that the API puts before it. `config` and `host` are as asked for, with the image's and
    the daemon's defaults filled in; they are never changed in place. `networks` are the networks it is joined to
    while it runs, by name, with what it asks of each. `mounts` are settled when it is made;
    None if an older engine made it.
    """

    id: str
    name: str
    created_ns: int
    image_id: str
    diff_ids: tuple[str, ...]
    config: ContainerConfig
    host: HostConfig
    networks: Mapping[str, EndpointSettings] = field(default_factory=dict)
    mounts: tuple[MountPoint, ...] | None = None
    platform: str = "linux"
    state: State = State()

    @property
    def argv(self) -> list[str]:
        """The program and its arguments: entrypoint, then command."""
        return [*(self.config.entrypoint or ()), *(self.config.cmd or ())]

    def with_state(self, **fields: Any) -> "Container":
        """The same container with some fields of its state changed."""
        return replace(self, state=replace(self.state, **fields))
