"""What does a start depend on that is outside the container?

Other containers' namespaces, host devices, host directories: looked up at each start, since they may have changed since
the last one. Everything is checked here; nothing is changed but for the host directories that -v asks to be made.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from sampan.containers import devices, files, modes, spec_resources
from sampan.containers.capabilities import chosen
from sampan.containers.engine import Engine
from sampan.containers.host import Host
from sampan.containers.model import Container
from sampan.containers.mounts import MountPoint
from sampan.containers.networking import Joined
from sampan.containers.security import Security
from sampan.containers.spec import Lookups
from sampan.errors import Conflict, InvalidRequest
from sampan.linux import procfs
from sampan.networks.mode import Mode
from sampan.runtime.seccomp import resolve
from sampan.wire.containers import HostConfig


def look_up(engine: Engine, container: Container, network: Mode, options: Security, joined: Joined) -> Lookups:
    """Everything outside the container that its spec refers to. Raises NotFound or Conflict when it is not there."""
    asked = container.host
    if network.container:
        owner = _running(engine, network.container, "cannot join network of a non running container: {id}")
        source, written = f"/proc/{owner.state.pid}/ns/net", files.paths(engine.directory(owner.id))
    else:
        source = "host" if network.is_host else joined.namespace or "new"
        written = files.write(engine, container, network, joined.endpoints)
    pid_namespace = ipc_namespace = shm = ""
    if reference := modes.container_of(asked.pid_mode):
        pid_namespace = f"/proc/{_running(engine, reference, 'container {id} is not running').state.pid}/ns/pid"
    if reference := modes.container_of(asked.ipc_mode):
        donor = _ipc_donor(engine, reference)
        ipc_namespace, shm = f"/proc/{donor.state.pid}/ns/ipc", f"/proc/{donor.state.pid}/root/dev/shm"
    return Lookups(
        network=source,
        has_own_network=network.is_private,
        pid_namespace=pid_namespace,
        ipc_namespace=ipc_namespace,
        shm=shm,
        devices=_devices(asked),
        block_devices={path: devices.numbers(path) for path in spec_resources.block_device_paths(asked)},
        files=written,
        seccomp=_custom_filter(options.profile, container, engine.host) if options.profile is not None else None,
    )


def _devices(asked: HostConfig) -> list[devices.Device]:
    if not asked.privileged:
        return list(devices.found(asked.devices or ()))
    moved = [each for each in asked.devices or () if each.path_in_container not in ("", each.path_on_host)]
    return [*devices.of_host(), *devices.found(moved)]


def _custom_filter(profile: Mapping[str, Any], container: Container, host: Host) -> dict[str, Any]:
    asked = container.host
    names = chosen(asked.cap_add or (), asked.cap_drop or (), privileged=False, available=host.capabilities)
    return resolve(profile, frozenset(names), host.architecture, host.kernel)


def _running(engine: Engine, reference: str, otherwise: str) -> Container:
    """The container whose namespace is to be joined, if it runs and its first process is still the one we know."""
    other = engine.rows.find(reference)
    if not other.state.is_running or not _is_alive(other):
        raise Conflict(otherwise.format(id=other.id))
    return other


def _is_alive(container: Container) -> bool:
    try:
        return procfs.start_time(container.state.pid) == container.state.start_ticks
    except (FileNotFoundError, ProcessLookupError):
        return False


def _ipc_donor(engine: Engine, reference: str) -> Container:
    prefix = "can't join IPC of container {id}: "
    donor = _running(engine, reference, prefix + "container {id} is not running")
    if donor.host.ipc_mode != "shareable":
        hint = "non-shareable IPC (hint: use IpcMode:shareable for the donor container)"
        raise Conflict(prefix.format(id=donor.id) + hint)
    return donor


def make_missing(points: Sequence[MountPoint]) -> None:
    """Make the host directories that -v names and that are not there. Raises InvalidRequest for what must exist."""
    for point in points:
        if point.type != "bind" or os.path.exists(point.source):
            continue
        if point.must_exist:
            raise InvalidRequest(
                f'invalid mount config for type "bind": bind source path does not exist: {point.source}'
            )
        try:
            os.makedirs(point.source, 0o755, exist_ok=True)
        except OSError as error:
            reason = (error.strerror or "").lower()
            raise InvalidRequest(
                f"error while creating mount source path '{point.source}': mkdir {error.filename}: {reason}"
            ) from None


def check_propagation(points: Sequence[MountPoint]) -> None:
    """Raises InvalidRequest where a shared or slave mount is asked for of a source that cannot propagate."""
    asked = [point for point in points if point.propagation.removeprefix("r") in ("shared", "slave")]
    mounted = procfs.mountinfo() if asked else []
    for point in asked:
        source = os.path.realpath(point.source)
        above = [mount for mount in mounted if os.path.commonpath((mount.target, source)) == mount.target]
        nearest = max(above, key=lambda mount: len(mount.target))
        is_shared = any(tag.startswith("shared:") for tag in nearest.optional)
        is_slave = any(tag.startswith("master:") for tag in nearest.optional)
        if not is_shared and (point.propagation.endswith("shared") or not is_slave):
            kind = "shared" if point.propagation.endswith("shared") else "shared or slave"
            raise InvalidRequest(f"path {point.source} is mounted on {nearest.target} but it is not a {kind} mount")
