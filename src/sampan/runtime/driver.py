"""What does a shim have done to its container, whoever does it?

Our own code (`OwnDriver`), or the program of another OCI runtime (`oci_driver.py`). The shim itself, with its streams,
log, clients and records, is the same for both.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from sampan.linux.pidfd import pidfd_send_signal
from sampan.runtime import exec as joining
from sampan.runtime import starter
from sampan.runtime.cgroup import Cgroup
from sampan.runtime.launch import Launched, launch
from sampan.runtime.plan import CgroupWrite, ContainerPlan, ProcessPlan
from sampan.runtime.protocol import Message
from sampan.runtime.starter import Starter
from sampan.runtime.update import update


class Joining(Protocol):
    """A process on its way into a container. `launched` has its pid and terminal once `advance` was True."""

    launched: Launched

    def fileno(self) -> int:
        """Readable when `advance` has something to do."""

    def advance(self) -> bool:
        """Whether the program runs now. Raises StartFailed when it never will."""


class Driver(Protocol):
    """One container's. Everything may raise StartFailed or OSError."""

    def launch(self, stdio: Sequence[int]) -> Launched:
        """Bring the first process up; afterwards it runs, or nothing is left of it."""

    def begin(self, exec_id: str, process: ProcessPlan, asked: Message, pid: int, stdio: Sequence[int]) -> Joining:
        """Have another process join that of `pid`; `asked` is the request, with the process as the spec has it."""

    def signal(self, launched: Launched, number: int) -> None:
        """Send a signal to the first process. Raises ProcessLookupError when it has ended."""

    def kill(self) -> None:
        """SIGKILL to everybody inside."""

    def freeze(self, frozen: bool) -> None:
        """Stop everybody inside, or let them go on."""

    def update(self, writes: Sequence[CgroupWrite], resources: dict[str, Any]) -> None:
        """Change limits: as `writes` to control files, or as the spec's `resources`, which say the same."""

    def reap(self, known: set[int]) -> None:
        """Collect children that have ended and are not `known`."""

    def end(self) -> None:
        """The first process has ended: remove what the container had in the kernel."""

    def leaving(self) -> int:
        """A pidfd of who helped with the start and may still be on its way out, with copies of the streams; or -1.

        To be asked after `launch` only: when that fails nobody is left, and the shim ends.
        """

    def settle(self) -> None:
        """Wait for it."""


class OwnDriver:
    """The recipe in `init.py`. `plan` decodes the plan, which costs; `first` is at work on it already, if it can be."""

    def __init__(self, plan: Callable[[], ContainerPlan], cgroup: Cgroup, first: Starter | None) -> None:
        self._plan = plan
        self._cgroup = cgroup
        self._starter = first

    def launch(self, stdio: Sequence[int]) -> Launched:
        """By way of a starter, unless the plan needs what only we can do."""
        if self._starter is None:
            return launch(self._plan(), self._cgroup, stdio=stdio)
        return starter.wait(self._starter, self._cgroup)

    def begin(self, exec_id: str, process: ProcessPlan, asked: Message, pid: int, stdio: Sequence[int]) -> Joining:
        """See `exec.py`."""
        return OwnJoining(joining.begin(self._plan(), process, pid, self._cgroup, stdio=stdio))

    def signal(self, launched: Launched, number: int) -> None:
        """By its pidfd, which is never another process's."""
        pidfd_send_signal(launched.pidfd, number)

    def kill(self) -> None:
        """By the cgroup: also those that fork meanwhile."""
        self._cgroup.kill()

    def freeze(self, frozen: bool) -> None:
        """By the cgroup's freezer."""
        if frozen:
            self._cgroup.freeze()
        else:
            self._cgroup.thaw()

    def update(self, writes: Sequence[CgroupWrite], resources: dict[str, Any]) -> None:
        """By the cgroup's files."""
        update(self._cgroup, writes)

    def reap(self, known: set[int]) -> None:
        """There are none: all our children are waited for by name."""

    def end(self) -> None:
        """Nobody is inside any more."""
        self._cgroup.remove()

    def leaving(self) -> int:
        """The starter."""
        return self._starter.pidfd if self._starter else -1

    def settle(self) -> None:
        """It was killed, so this is a matter of milliseconds."""
        if self._starter:
            self._starter.collect()
            self._starter = None


class OwnJoining:
    """A clone of the shim's that talks over its channel until it executes."""

    def __init__(self, launched: Launched) -> None:
        self.launched = launched

    def fileno(self) -> int:
        """Its channel."""
        return self.launched.channel.fileno() if self.launched.channel else -1

    def advance(self) -> bool:
        """See `exec.py`."""
        return joining.advance(self.launched)
