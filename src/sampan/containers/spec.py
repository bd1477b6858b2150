"""How does what Docker was asked for become an OCI runtime spec?

Pure: a container, the machine, the daemon's options and what was looked up for this start go in, a plain dict comes out
(OCI runtime spec 1.2, config.md and config-linux.md). The parts are in `spec_process.py`, `spec_mounts.py` and
`spec_resources.py`; defaults are dockerd's, shown by the golden specs in tests/golden.

Conventions between the engine and its own runtime travel as annotations; another OCI runtime ignores them:

    sampan.init=true            our own init stays as pid 1 and reaps
    sampan.workdir-create=true  a missing working directory is made
    sampan.seccomp=default      Docker's default profile; the runtime compiles it once and keeps it
    sampan.group-add=a,b        groups to look up by name inside the container
    sampan.subpath=dir          in an entry of `mounts`: the part of the source that is mounted
    sampan.runtime=runc         which program is to run the container; absent: our own
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sampan.containers import spec_mounts, spec_process, spec_resources
from sampan.containers.devices import Device
from sampan.containers.host import Host, Options
from sampan.containers.model import Container
from sampan.containers.mounts import MountPoint
from sampan.containers.security import Security

VERSION = "1.2.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookups:
    """What had to be looked up for one start.

    `network`: "new", "host", or the path of the network namespace to join; `has_own_network`: the one to join
    was made for this container, and nobody else is in it.
    `pid_namespace`, `ipc_namespace`: paths of
    other containers' namespaces, "" to go by the mode. `shm`: the /dev/shm to share, with `ipc_namespace`.
    `files`: target → source of the files that the engine writes. `seccomp`: a custom profile, resolved.
    """

    network: str = "new"
    has_own_network: bool = False
    pid_namespace: str = ""
    ipc_namespace: str = ""
    shm: str = ""
    devices: Sequence[Device] = ()
    block_devices: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    seccomp: Mapping[str, Any] | None = None


def build(
    container: Container,
    points: Sequence[MountPoint],
    security: Security,
    lookups: Lookups,
    *,
    host: Host,
    options: Options,
) -> dict[str, Any]:
    """The runtime spec of one start."""
    config, asked = container.config, container.host
    process = spec_process.process(container, security, host=host, options=options)
    remap = options.userns_remap if asked.userns_mode != "host" else None
    mounts, propagation = spec_mounts.mounts(asked, points, files=lookups.files, shm=lookups.shm)
    linux: dict[str, Any] = {
        "namespaces": namespaces(container, lookups, host=host, is_remapped=remap is not None),
        "resources": spec_resources.resources(asked, lookups.block_devices, lookups.devices),
        "cgroupsPath": cgroup_path(container, options),
        "devices": [_node(device) for device in lookups.devices],
        "sysctl": sysctls(container, lookups, host, is_remapped=remap is not None),
        "maskedPaths": [] if asked.privileged else list(asked.masked_paths or ()),
        "readonlyPaths": [] if asked.privileged else list(asked.readonly_paths or ()),
    }
    if remap is not None:
        linux["uidMappings"], linux["gidMappings"] = (
            [{"containerID": 0, "hostID": first, "size": count}] for first, count in remap
        )
        own = {*lookups.files, *(point.target for point in points if point.type == "volume")}
        mounts = [owned_by_root(mount, linux) if mount["destination"] in own else mount for mount in mounts]
    if propagation:
        linux["rootfsPropagation"] = propagation
    annotations = dict(asked.annotations or {})
    if not asked.privileged and security.seccomp == "default":
        annotations["sampan.seccomp"] = "default"
    elif not asked.privileged and lookups.seccomp is not None:
        linux["seccomp"] = dict(lookups.seccomp)
    annotations |= _conventions(container, options)
    spec: dict[str, Any] = {
        "ociVersion": VERSION,
        "process": process,
        "root": {"path": "rootfs", "readonly": asked.readonly_rootfs},
        "mounts": mounts,
        "linux": linux,
        "annotations": annotations,
    }
    if asked.uts_mode != "host":
        spec["hostname"] = config.hostname
        if config.domainname:
            spec["domainname"] = config.domainname
    return spec


def owned_by_root(mount: Mapping[str, Any], linux: Mapping[str, Any]) -> dict[str, Any]:
    """A bind of the engine's own, a file that it wrote or a volume, belongs to whom its files say, inside too.

    A directory of the host that somebody binds does not: whose files those are is not for us to say.
    """
    return {**mount, **{name: linux[name] for name in ("uidMappings", "gidMappings") if name in linux}}


def namespaces(
    container: Container, lookups: Lookups, *, host: Host, is_remapped: bool = False
) -> list[dict[str, str]]:
    """Private, joined (`path`), or left out for the host's own."""
    asked = container.host
    result = [{"type": "mount"}]
    if lookups.network == "new":
        result.append({"type": "network"})
    elif lookups.network != "host":
        result.append({"type": "network", "path": lookups.network})
    if asked.uts_mode != "host":
        result.append({"type": "uts"})
    for kind, mode, path in (
        ("pid", asked.pid_mode, lookups.pid_namespace),
        ("ipc", asked.ipc_mode, lookups.ipc_namespace),
    ):
        if path:
            result.append({"type": kind, "path": path})
        elif mode != "host":
            result.append({"type": kind})
    if asked.cgroupns_mode == "private":
        result.append({"type": "cgroup"})
    if is_remapped:
        result.append({"type": "user"})
    # Another runtime may be too old to know this one, and none is asked for by name.
    if host.has_time_namespaces and asked.runtime in ("", "sampan"):
        result.append({"type": "time"})
    return result


def sysctls(container: Container, lookups: Lookups, host: Host, *, is_remapped: bool = False) -> dict[str, str]:
    """Docker's two for a network stack of one's own, and what was asked for."""
    result = {}
    if lookups.network == "new" or lookups.has_own_network:
        # Pings and low ports without CAP_NET_RAW and CAP_NET_BIND_SERVICE: both can be granted inside one's own stack.
        if "net.ipv4.ip_unprivileged_port_start" in host.sysctls:
            result["net.ipv4.ip_unprivileged_port_start"] = "0"
        # A range of all groups there are on the host; a container with groups of its own has no such range.
        if "net.ipv4.ping_group_range" in host.sysctls and not is_remapped:
            result["net.ipv4.ping_group_range"] = "0 2147483647"
    return result | (container.host.sysctls or {})


def cgroup_path(container: Container, options: Options) -> str:
    """Absolute within every hierarchy: the parent asked for, or the daemon's, and the container's id."""
    parent = container.host.cgroup_parent or options.cgroup_parent
    return f"/{parent.strip('/')}/{container.id}" if parent.strip("/") else f"/{container.id}"


def group_names(groups: Sequence[str]) -> dict[str, str]:
    """The annotation for groups that are given by name."""
    by_name = [group for group in groups if not group.isdecimal()]
    return {"sampan.group-add": ",".join(by_name)} if by_name else {}


def _node(device: Device) -> dict[str, Any]:
    return {
        "path": device.path,
        "type": device.kind,
        "major": device.major,
        "minor": device.minor,
        "fileMode": device.mode,
        "uid": device.uid,
        "gid": device.gid,
    }


def _conventions(container: Container, options: Options) -> dict[str, str]:
    asked = container.host
    result = {"sampan.workdir-create": "true"}
    wants_init = options.init if asked.init is None else asked.init
    # In another pid namespace than its own it would not be pid 1: there is nothing for it to do there.
    if wants_init and not asked.pid_mode:
        result["sampan.init"] = "true"
    result |= group_names(asked.group_add or ())
    if program := options.runtimes.get(asked.runtime, ""):
        result["sampan.runtime"] = program
    return result
