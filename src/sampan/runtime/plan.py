"""What will be done to make a container, as data?

A plan is decided by `planner.py` from an OCI runtime spec, travels as JSON to the process that performs it, and holds
no choice: `init.py` walks it from top to bottom. Flags are the kernel's numbers; paths inside the container are
absolute and are resolved inside its root when they are used.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from sampan.linux.sched import CloneFlag
from sampan.oci.mount import Mount

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who the process is: numbers, or a `name` ("www", "www:extra", "1000") to look up inside the container's root."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    name: str = ""
    extra_groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """The five capability sets as bit masks (capabilities(7))."""

    bounding: int = 0
    effective: int = 0
    permitted: int = 0
    inheritable: int = 0
    ambient: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessPlan:
    """One process: the container's first, or one that joins it.

    `seccomp` is a compiled filter in base64 ("" for none). `workdir_create` makes a missing working directory.
    """

    argv: tuple[str, ...]
    env: tuple[str, ...] = ()
    cwd: str = "/"
    workdir_create: bool = False
    user: User = User()
    umask: int = 0o022
    capabilities: Capabilities = Capabilities()
    rlimits: tuple[tuple[str, int, int], ...] = ()
    no_new_privileges: bool = False
    seccomp: str = ""
    seccomp_flags: int = 0
    oom_score_adj: int | None = None
    terminal: bool = False
    rows: int = 0
    columns: int = 0
    io_priority: tuple[str, int] | None = None
    scheduler: tuple[int, ...] = ()
    personality: int | None = None
    affinity: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MountPlan:
    """One mount inside the container.

    `kind`: "filesystem" (a new instance of `fstype`), "bind" (a clone of `source`), "tree" (a clone with its
    submounts) or "remount" (new attributes for what is mounted at `target`). `set_attributes`, `clear_attributes`:
    MOUNT_ATTR_* masks. `parameters`: the filesystem's own options. `propagation`: MS_* flag or 0.
    `uid_maps`, `gid_maps`: (inside, outside, count) of an id-mapped mount. `subpath`: the part of the source to mount.
    """

    kind: str
    target: str
    source: str = ""
    fstype: str = ""
    parameters: tuple[str, ...] = ()
    set_attributes: int = 0
    clear_attributes: int = 0
    recursive_set: int = 0
    recursive_clear: int = 0
    propagation: tuple[int, ...] = ()
    uid_maps: tuple[tuple[int, int, int], ...] = ()
    gid_maps: tuple[tuple[int, int, int], ...] = ()
    subpath: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device node: `kind` is "c", "b" or "p"; `mode` holds permission bits only."""

    path: str
    kind: str
    major: int
    minor: int
    mode: int
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CgroupWrite:
    """One value for one control file. `required` is False where runc, too, goes on without it."""

    controller: str
    file: str
    value: str
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRule:
    """One rule of the device cgroup; `kind` "a", "b" or "c"; -1 stands for every number."""

    allow: bool
    kind: str
    major: int
    minor: int
    access: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CgroupPlan:
    """The container's cgroup: `path` below every hierarchy's root, its limits, its device rules."""

    path: str
    writes: tuple[CgroupWrite, ...] = ()
    devices: tuple[DeviceRule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A program that the OCI spec has run at a point of the container's life; `timeout` in seconds, 0 for none."""

    path: str
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    timeout: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """The spec's hooks by the point at which they run."""

    prestart: tuple[Hook, ...] = ()
    create_runtime: tuple[Hook, ...] = ()
    create_container: tuple[Hook, ...] = ()
    start_container: tuple[Hook, ...] = ()
    poststart: tuple[Hook, ...] = ()
    poststop: tuple[Hook, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerPlan:
    """Everything between fork and execve.

    `new_namespaces`: CLONE_NEW* mask. `joined`: (CLONE_NEW* flag, path of a namespace file) in joining order.
    `rootfs_path` is set for an OCI bundle; otherwise `overlay` is mounted. `parent_death_signal` ends the first
    process with its shim. `init`: our own init stays as pid 1 and reaps. `new_keyring`: a session keyring of its own.
    """

    id: str
    process: ProcessPlan
    new_namespaces: int
    joined: tuple[tuple[int, str], ...] = ()
    uid_maps: tuple[tuple[int, int, int], ...] = ()
    gid_maps: tuple[tuple[int, int, int], ...] = ()
    time_offsets: tuple[tuple[str, int, int], ...] = ()
    overlay: Mount | None = None
    rootfs_path: str = ""
    rootfs_readonly: bool = False
    rootfs_propagation: int = 0
    no_pivot: bool = False
    mounts: tuple[MountPlan, ...] = ()
    devices: tuple[Device, ...] = ()
    masked_paths: tuple[str, ...] = ()
    readonly_paths: tuple[str, ...] = ()
    sysctls: tuple[tuple[str, str], ...] = ()
    hostname: str = ""
    domainname: str = ""
    cgroup: CgroupPlan
    hooks: Hooks = Hooks()
    parent_death_signal: int = 0
    init: bool = False
    new_keyring: bool = True
    bundle: str = ""
    annotations: tuple[tuple[str, str], ...] = ()

    @property
    def root_outside(self) -> tuple[int, int]:
        """(uid, gid) that the container's root has out here."""
        uid, gid = (
            next((outside for inside, outside, _ in maps if inside == 0), 0) for maps in (self.uid_maps, self.gid_maps)
        )
        return uid, gid

    @property
    def in_user_namespace(self) -> bool:
        """Whether its processes are root only in a user namespace, new or joined."""
        return any(flag & CloneFlag.NEWUSER for flag in (self.new_namespaces, *(flag for flag, _ in self.joined)))


def to_json(plan: ContainerPlan | ProcessPlan) -> dict[str, Any]:
    """The plan as a JSON object."""
    return asdict(plan)


def _each(make: Callable[..., _T], values: list[dict[str, Any]]) -> tuple[_T, ...]:
    return tuple(make(**value) for value in values)


def _tuples(values: list[list[Any]]) -> tuple[tuple[Any, ...], ...]:
    return tuple(tuple(value) for value in values)


def process_from_json(data: dict[str, Any]) -> ProcessPlan:
    """The process plan that `to_json` wrote. Raises TypeError for a stranger's."""
    user = data["user"]
    return ProcessPlan(
        **{
            **data,
            "argv": tuple(data["argv"]),
            "env": tuple(data["env"]),
            "user": User(**{**user, "groups": tuple(user["groups"]), "extra_groups": tuple(user["extra_groups"])}),
            "capabilities": Capabilities(**data["capabilities"]),
            "rlimits": _tuples(data["rlimits"]),
            "scheduler": tuple(data["scheduler"]),
            "affinity": tuple(data["affinity"]),
            "io_priority": data["io_priority"] and tuple(data["io_priority"]),
        }
    )


def mount_from_json(data: dict[str, Any]) -> MountPlan:
    """One mount of the plan that `to_json` wrote."""
    maps = {"uid_maps": _tuples(data["uid_maps"]), "gid_maps": _tuples(data["gid_maps"])}
    return MountPlan(
        **{**data, **maps, "parameters": tuple(data["parameters"]), "propagation": tuple(data["propagation"])}
    )


def _cgroup_from_json(data: dict[str, Any]) -> CgroupPlan:
    return CgroupPlan(
        path=data["path"], writes=_each(CgroupWrite, data["writes"]), devices=_each(DeviceRule, data["devices"])
    )


def container_from_json(data: dict[str, Any]) -> ContainerPlan:
    """The container plan that `to_json` wrote. Raises TypeError for a stranger's."""
    overlay = data["overlay"]
    hooks = {
        point: tuple(Hook(**{**hook, "args": tuple(hook["args"]), "env": tuple(hook["env"])}) for hook in hooks)
        for point, hooks in data["hooks"].items()
    }
    tupled = ("joined", "uid_maps", "gid_maps", "time_offsets", "sysctls", "annotations")
    return ContainerPlan(
        **{
            **data,
            **{name: _tuples(data[name]) for name in tupled},
            "process": process_from_json(data["process"]),
            "overlay": overlay and Mount(**{**overlay, "options": tuple(overlay["options"])}),
            "mounts": tuple(mount_from_json(mount) for mount in data["mounts"]),
            "devices": _each(Device, data["devices"]),
            "masked_paths": tuple(data["masked_paths"]),
            "readonly_paths": tuple(data["readonly_paths"]),
            "cgroup": _cgroup_from_json(data["cgroup"]),
            "hooks": Hooks(**hooks),
        }
    )
