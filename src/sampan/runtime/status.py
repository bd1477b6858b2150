"""How did a process end, or fail to begin?"""

from dataclasses import dataclass

from sampan.errors import SampanError


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitStatus:
    """The end of a container's first process.

    `code`: its exit code, or 128 + n when signal n ended it. `oom_killed`: the kernel's out-of-memory killer chose a
    process of its cgroup. `finished_at`: nanoseconds since the epoch. `error`: why the engine ended it.
    """

    code: int
    oom_killed: bool = False
    finished_at: int = 0
    error: str = ""


class StartFailed(SampanError):
    """The process was never executed.

    `exit_code` is what docker reports: 127 not found, 126 not executable, 125 else. `plain`: the message stands for
    itself; otherwise docker puts "OCI runtime create failed" before it.
    """

    def __init__(self, message: str, exit_code: int = 125, *, plain: bool = False) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.plain = plain
