"""How does an OCI `process` become the plan of one process?

Pure; serves the container's first process and exec alike. OCI runtime spec, config.md "Process".
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sampan.errors import InvalidRequest
from sampan.linux.capability import CAPABILITIES, mask
from sampan.linux.rlimit import RLIMITS
from sampan.runtime.plan import Capabilities, ProcessPlan, User

MAX_ID = 2**32 - 2  # 2³² − 1 is "no change" to the kernel (chown(2)), never a user

IO_CLASSES = ("IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE")
POLICIES = {
    "SCHED_OTHER": 0,
    "SCHED_FIFO": 1,
    "SCHED_RR": 2,
    "SCHED_BATCH": 3,
    "SCHED_ISO": 4,
    "SCHED_IDLE": 5,
    "SCHED_DEADLINE": 6,
}


def plan_process(process: Mapping[str, Any], *, annotations: Mapping[str, str]) -> ProcessPlan:
    """The plan for an OCI process. Raises InvalidRequest, naming the field."""
    argv = process.get("args") or ()
    if not argv or any("\0" in argument for argument in argv):
        raise InvalidRequest("args must not be empty" if not argv else "args: an argument holds a NUL byte")
    cwd = process.get("cwd") or ""
    if not cwd.startswith("/"):
        raise InvalidRequest("Cwd must be an absolute path" if cwd else "Cwd property must not be empty")
    env = tuple(process.get("env") or ())
    if any("\0" in entry for entry in env):
        raise InvalidRequest("env: an entry holds a NUL byte")
    size = process.get("consoleSize") or {}
    return ProcessPlan(
        argv=tuple(argv),
        env=env,
        cwd=cwd,
        workdir_create=annotations.get("sampan.workdir-create") == "true",
        user=_user(process.get("user") or {}, annotations),
        umask=_umask(process.get("user") or {}),
        capabilities=_capabilities(process.get("capabilities")),
        rlimits=_rlimits(process.get("rlimits") or ()),
        no_new_privileges=bool(process.get("noNewPrivileges")),
        oom_score_adj=process.get("oomScoreAdj"),
        terminal=bool(process.get("terminal")),
        rows=size.get("height") or 0,
        columns=size.get("width") or 0,
        io_priority=_io_priority(process.get("ioPriority")),
        scheduler=_scheduler(process.get("scheduler")),
        affinity=cpus((process.get("execCPUAffinity") or {}).get("final") or ""),
    )


def _user(user: Mapping[str, Any], annotations: Mapping[str, str]) -> User:
    extra = tuple(name for name in annotations.get("sampan.group-add", "").split(",") if name)
    groups = tuple(user.get("additionalGids") or ())
    for number in (user.get("uid") or 0, user.get("gid") or 0, *groups):
        if not isinstance(number, int) or not 0 <= number <= MAX_ID:
            raise InvalidRequest(f"user: {number} is not an id between 0 and {MAX_ID}")
    return User(
        uid=user.get("uid") or 0,
        gid=user.get("gid") or 0,
        groups=groups,
        name=user.get("username") or "",
        extra_groups=extra,
    )


def _umask(user: Mapping[str, Any]) -> int:
    umask = user.get("umask")
    return 0o022 if umask is None else int(umask) & 0o777


def _capabilities(sets: Mapping[str, Sequence[str]] | None) -> Capabilities:
    def of(name: str) -> int:
        # An unknown name is skipped, as OCI demands; who reads a bundle warns of it (config.md "Linux Process").
        return mask(known for known in (sets or {}).get(name) or () if known in CAPABILITIES)

    return Capabilities(
        bounding=of("bounding"),
        effective=of("effective"),
        permitted=of("permitted"),
        inheritable=of("inheritable"),
        ambient=of("ambient"),
    )


def _rlimits(limits: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, int, int], ...]:
    planned: dict[str, tuple[str, int, int]] = {}
    for limit in limits:
        name = limit.get("type") or ""
        if name not in RLIMITS:
            raise InvalidRequest(f"invalid rlimit type: {name}")
        if name in planned:
            raise InvalidRequest(f"rlimits: {name} is there twice")
        planned[name] = (name, int(limit["soft"]), int(limit["hard"]))
    return tuple(planned.values())


def _io_priority(priority: Mapping[str, Any] | None) -> tuple[str, int] | None:
    if priority is None:
        return None
    kind = priority.get("class") or "IOPRIO_CLASS_BE"
    level = priority.get("priority") or 0
    if kind not in IO_CLASSES or not 0 <= level <= 7:
        raise InvalidRequest(f"ioPriority: class {kind}, priority {level} is not one that ioprio_set(2) knows")
    return kind, level


def _scheduler(scheduler: Mapping[str, Any] | None) -> tuple[int, ...]:
    """(policy, nice, priority, flags, runtime, deadline, period) for sched_setattr(2); empty for none."""
    if not scheduler:
        return ()
    policy = scheduler.get("policy") or ""
    if policy not in POLICIES:
        raise InvalidRequest(f'scheduler: policy "{policy}" is not one of {", ".join(POLICIES)}')
    if scheduler.get("flags"):
        raise InvalidRequest("scheduler: flags are not supported")
    numbers = (scheduler.get(key) or 0 for key in ("nice", "priority"))
    times = (scheduler.get(key) or 0 for key in ("runtime", "deadline", "period"))
    return (POLICIES[policy], *numbers, 0, *times)


def cpus(text: str, limit: int = 8192) -> tuple[int, ...]:
    """The numbers in a CPU list such as "0-3,8"; bounded, since "0-4294967295" is a valid-looking one (G07)."""
    numbers: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        if not first.isdecimal() or (last and not last.isdecimal()):
            raise InvalidRequest(f'"{text}" is not a list of CPUs such as 0-3,8')
        low, high = int(first), int(last or first)
        if high < low or high >= limit:
            raise InvalidRequest(f'"{text}": CPU numbers run upwards and stay below {limit}')
        numbers.update(range(low, high + 1))
    return tuple(sorted(numbers))
