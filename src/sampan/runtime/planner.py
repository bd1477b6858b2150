"""How does an OCI runtime spec become the plan of a container?

Pure: everything about this machine that matters comes in as `Machine`. What cannot be done is said here, before
anything has been touched. OCI runtime spec 1.2, config.md and config-linux.md; the `sampan.` annotations are ours.
"""

import base64
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sampan.errors import InvalidRequest, NotSupported
from sampan.linux.cgroupfs import Hierarchy
from sampan.linux.mount import MountFlag
from sampan.linux.sched import CloneFlag
from sampan.oci.mount import Mount
from sampan.runtime.plan import CgroupPlan, ContainerPlan, Device, Hook, Hooks, MountPlan
from sampan.runtime.plan_cgroup import plan_devices, plan_writes
from sampan.runtime.plan_mounts import PROPAGATIONS, plan_cgroup_mount, plan_mount
from sampan.runtime.plan_process import plan_process

NAMESPACES = {
    # In the order in which existing ones are joined: the user namespace first, for it owns the others (setns(2)).
    "user": CloneFlag.NEWUSER,
    "ipc": CloneFlag.NEWIPC,
    "uts": CloneFlag.NEWUTS,
    "network": CloneFlag.NEWNET,
    "pid": CloneFlag.NEWPID,
    "cgroup": CloneFlag.NEWCGROUP,
    "time": CloneFlag.NEWTIME,
    "mount": CloneFlag.NEWNS,
}

# Nodes that every container has (OCI config-linux.md "Default Devices"); /dev/ptmx is a link into the devpts.
DEFAULT_DEVICES = tuple(
    Device(path=path, kind="c", major=major, minor=minor, mode=0o666)
    for path, major, minor in (
        ("/dev/null", 1, 3),
        ("/dev/random", 1, 8),
        ("/dev/full", 1, 7),
        ("/dev/tty", 5, 0),
        ("/dev/zero", 1, 5),
        ("/dev/urandom", 1, 9),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the planner must know of this machine: its cgroup hierarchies and whether it has time namespaces."""

    hierarchies: tuple[Hierarchy, ...]
    has_time_namespaces: bool


def versions(hierarchies: Sequence[Hierarchy]) -> dict[str, int]:
    """Which cgroup version each controller is on; v2's `io` answers to `blkio` too."""
    found = {name: h.version for h in hierarchies for name in h.controllers}
    if found.get("io") == 2:
        found.setdefault("blkio", 2)
    return found


def plan_container(
    container_id: str,
    spec: Mapping[str, Any],
    *,
    machine: Machine,
    overlay: Mount | None = None,
    bundle: str = "",
    seccomp: bytes = b"",
) -> ContainerPlan:
    """The plan for `spec`; `overlay` replaces the bundle's root, `seccomp` is the compiled filter.

    Raises InvalidRequest for what the spec may not say and NotSupported for what this machine cannot do.
    """
    linux = spec.get("linux") or {}
    annotations = {str(k): str(v) for k, v in (spec.get("annotations") or {}).items()}
    root = spec.get("root") or {}
    new, joined = _namespaces(linux, machine)
    cgroup = _cgroup(container_id, linux, machine)
    mounts = _mounts(spec, machine, cgroup.path, private_cgroup=bool(new & CloneFlag.NEWCGROUP))
    process = plan_process(spec.get("process") or {}, annotations=annotations)
    plan = ContainerPlan(
        id=container_id,
        process=replace(process, seccomp=base64.b64encode(seccomp).decode(), seccomp_flags=_seccomp_flags(linux)),
        new_namespaces=int(new),
        joined=joined,
        uid_maps=_maps(linux.get("uidMappings")),
        gid_maps=_maps(linux.get("gidMappings")),
        time_offsets=_time_offsets(linux),
        overlay=overlay,
        rootfs_path="" if overlay else _rootfs_path(root, bundle),
        rootfs_readonly=bool(root.get("readonly")),
        rootfs_propagation=_propagation(linux),
        mounts=mounts,
        devices=_devices(linux),
        masked_paths=tuple(linux.get("maskedPaths") or ()),
        readonly_paths=tuple(linux.get("readonlyPaths") or ()),
        sysctls=tuple((str(k), str(v)) for k, v in (linux.get("sysctl") or {}).items()),
        hostname=spec.get("hostname") or "",
        domainname=spec.get("domainname") or "",
        cgroup=cgroup,
        hooks=_hooks(spec.get("hooks") or {}),
        init=annotations.get("sampan.init") == "true",
        bundle=bundle,
        annotations=tuple(annotations.items()),
    )
    _check(plan, linux)
    return plan


def _check(plan: ContainerPlan, linux: Mapping[str, Any]) -> None:
    """What contradicts itself is refused here, in runc's words where it has them."""
    new = plan.new_namespaces
    has = {flag for flag, _ in plan.joined}
    if plan.hostname and not new & CloneFlag.NEWUTS and CloneFlag.NEWUTS not in has:
        raise InvalidRequest("unable to set hostname without a private UTS namespace")
    if plan.domainname and not new & CloneFlag.NEWUTS and CloneFlag.NEWUTS not in has:
        raise InvalidRequest("unable to set domainname without a private UTS namespace")
    if new & CloneFlag.NEWUSER and not (plan.uid_maps and plan.gid_maps):
        raise InvalidRequest("user namespaces enabled, but no user mapping found: give uidMappings and gidMappings")
    if (plan.uid_maps or plan.gid_maps) and not new & CloneFlag.NEWUSER and CloneFlag.NEWUSER not in has:
        raise InvalidRequest("user namespace mappings specified, but user namespace isn't enabled in the config")
    if (plan.masked_paths or plan.readonly_paths) and not new & CloneFlag.NEWNS and CloneFlag.NEWNS not in has:
        raise InvalidRequest("unable to restrict sys entries without a private MNT namespace")
    if plan.time_offsets and not new & CloneFlag.NEWTIME:
        raise InvalidRequest("time namespace offsets specified, but time namespace isn't enabled in the config")
    if not new & CloneFlag.NEWNS and CloneFlag.NEWNS not in has:
        # Its mounts would be the host's, and chroot(2) alone is no wall (P3).
        raise NotSupported('a container needs a mount namespace: add {"type": "mount"} to linux.namespaces')
    if CloneFlag.NEWNS in has and plan.mounts:
        raise InvalidRequest("mounts cannot be made in a mount namespace that is joined: take them out of the spec")
    if linux.get("mountLabel") or linux.get("intelRdt"):
        raise NotSupported("mount labels and Intel RDT are not supported: take them out of the spec")
    for name, _ in plan.sysctls:
        _check_sysctl(name, plan, has)


def _check_sysctl(name: str, plan: ContainerPlan, joined: set[int]) -> None:
    key = name.replace("/", ".")
    if any(not part.replace("-", "").replace("_", "").isalnum() for part in key.split(".")) and not key.startswith(
        "net."
    ):
        raise InvalidRequest(f'sysctl "{name}" is not a name')
    ipc_names = ("kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax",
                 "kernel.shmmni", "kernel.shm_rmid_forced")  # fmt: skip

    def private(flag: CloneFlag) -> bool:
        return bool(plan.new_namespaces & flag) or flag in joined

    if key in ipc_names or key.startswith("fs.mqueue."):
        if not private(CloneFlag.NEWIPC):
            raise InvalidRequest(f'sysctl "{name}" is not allowed in the hosts ipc namespace')
    elif key.startswith("net."):
        if not private(CloneFlag.NEWNET):
            raise InvalidRequest(f'sysctl "{name}" not allowed in host network namespace')
    elif key in ("kernel.domainname", "kernel.hostname"):
        if not private(CloneFlag.NEWUTS) or key == "kernel.hostname":
            raise InvalidRequest(f'sysctl "{name}" conflicts with the OCI field "{key.partition(".")[2]}"')
    elif not key.startswith("user."):
        raise InvalidRequest(f'sysctl "{name}" is not in a separate kernel namespace')


def _namespaces(linux: Mapping[str, Any], machine: Machine) -> tuple[CloneFlag, tuple[tuple[int, str], ...]]:
    new, paths = CloneFlag(0), {}
    seen: set[str] = set()
    for entry in linux.get("namespaces") or ():
        kind, path = entry.get("type"), entry.get("path") or ""
        if kind not in NAMESPACES:
            raise InvalidRequest(f'unknown namespace type "{kind}"')
        if kind in seen:
            raise InvalidRequest(f'malformed spec file: duplicated ns "{kind}"')
        seen.add(kind)
        if path:
            paths[kind] = path
        elif kind == "time" and not machine.has_time_namespaces:
            raise NotSupported("this kernel has no time namespaces (Linux 5.6): leave the time namespace out")
        else:
            new |= NAMESPACES[kind]
    return new, tuple((int(flag), paths[kind]) for kind, flag in NAMESPACES.items() if kind in paths)


def _cgroup(container_id: str, linux: Mapping[str, Any], machine: Machine) -> CgroupPlan:
    path = linux.get("cgroupsPath") or container_id
    if ":" in path and not path.startswith("/"):
        raise NotSupported(
            f'cgroupsPath "{path}" is for the systemd driver; give a path such as /sampan/{container_id}'
        )
    # Components, not strings: "a/../../b" must not climb out of the hierarchy (A30).
    path = posixpath.normpath("/" + path.lstrip("/"))
    if path == "/":
        raise InvalidRequest("cgroupsPath may not be the root of the hierarchy")
    resources = linux.get("resources") or {}
    return CgroupPlan(
        path=path, writes=plan_writes(resources, versions(machine.hierarchies)), devices=plan_devices(resources)
    )


def _mounts(
    spec: Mapping[str, Any], machine: Machine, cgroup_path: str, *, private_cgroup: bool
) -> tuple[MountPlan, ...]:
    plans: list[MountPlan] = []
    for entry in spec.get("mounts") or ():
        plan = plan_mount(entry)
        if plan.kind == "cgroup":
            plans += plan_cgroup_mount(plan, machine.hierarchies, cgroup_path, private=private_cgroup)
        else:
            plans.append(plan)
    return tuple(plans)


def _rootfs_path(root: Mapping[str, Any], bundle: str) -> str:
    path = root.get("path") or ""
    if not path:
        raise InvalidRequest("root.path is missing: name the directory of the root filesystem")
    return path if path.startswith("/") else posixpath.join(bundle, path)


def _propagation(linux: Mapping[str, Any]) -> int:
    word = linux.get("rootfsPropagation") or ""
    if not word:
        return int(MountFlag.SLAVE | MountFlag.REC)
    if word not in PROPAGATIONS:
        raise InvalidRequest(f'rootfsPropagation "{word}" is not one of {", ".join(sorted(PROPAGATIONS))}')
    # An rslave root is what lets shared host mounts be cloned at all; only non-recursive words are widened.
    return int(PROPAGATIONS[word] | MountFlag.REC)


def _devices(linux: Mapping[str, Any]) -> tuple[Device, ...]:
    devices = {device.path: device for device in DEFAULT_DEVICES}
    for entry in linux.get("devices") or ():
        kind = {"u": "c"}.get(entry.get("type"), entry.get("type"))
        if kind not in ("c", "b", "p"):
            raise InvalidRequest(f'device {entry.get("path")}: unknown type "{entry.get("type")}"')
        mode = entry.get("fileMode")
        device = Device(
            path=entry["path"],
            kind=kind,
            major=entry.get("major") or 0,
            minor=entry.get("minor") or 0,
            mode=0o666 if mode is None else mode & 0o7777,
            uid=entry.get("uid") or 0,
            gid=entry.get("gid") or 0,
        )
        devices[device.path] = device
    return tuple(devices.values())


def _maps(mappings: Sequence[Mapping[str, int]] | None) -> tuple[tuple[int, int, int], ...]:
    return tuple((m["containerID"], m["hostID"], m["size"]) for m in mappings or ())


def _time_offsets(linux: Mapping[str, Any]) -> tuple[tuple[str, int, int], ...]:
    offsets = linux.get("timeOffsets") or {}
    for clock in offsets:
        if clock not in ("monotonic", "boottime"):
            raise InvalidRequest(
                f'timeOffsets: clock "{clock}" has no offset; monotonic and boottime have (time_namespaces(7))'
            )
    return tuple((clock, value.get("secs") or 0, value.get("nanosecs") or 0) for clock, value in offsets.items())


# seccomp(2) flags by their OCI names.
SECCOMP_FLAGS = {
    "SECCOMP_FILTER_FLAG_TSYNC": 1,
    "SECCOMP_FILTER_FLAG_LOG": 2,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4,
}


def _seccomp_flags(linux: Mapping[str, Any]) -> int:
    flags = 0
    for name in (linux.get("seccomp") or {}).get("flags") or ():
        if name not in SECCOMP_FLAGS:
            raise InvalidRequest(f'seccomp flags: "{name}" is not one of {", ".join(SECCOMP_FLAGS)}')
        flags |= SECCOMP_FLAGS[name]
    return flags


def _hooks(hooks: Mapping[str, Any]) -> Hooks:
    def point(name: str) -> tuple[Hook, ...]:
        return tuple(_hook(hook, name) for hook in hooks.get(name) or ())

    return Hooks(
        prestart=point("prestart"),
        create_runtime=point("createRuntime"),
        create_container=point("createContainer"),
        start_container=point("startContainer"),
        poststart=point("poststart"),
        poststop=point("poststop"),
    )


def _hook(hook: Mapping[str, Any], point: str) -> Hook:
    path = hook.get("path") or ""
    if not path.startswith("/"):
        raise InvalidRequest(f'{point} hook: path "{path}" is not absolute')
    return Hook(
        path=path,
        args=tuple(hook.get("args") or (path,)),
        env=tuple(hook.get("env") or ()),
        timeout=hook.get("timeout") or 0,
    )
