"""What is there to know about one container?

Docker's ContainerJSON (Engine API 1.51, `GET /containers/{id}/json`), field by field. Changes nothing.
"""

from collections.abc import Mapping
from typing import Any

from sampan.containers import health_state, links, log_driver, volumes
from sampan.containers.engine import Engine
from sampan.containers.lifecycle import Status
from sampan.containers.model import Container, State
from sampan.containers.mounts import MountPoint, shown
from sampan.containers.network_settings import network_settings
from sampan.wire.bodies import to_dict
from sampan.wire.timestamps import rfc3339_nano


def inspect(engine: Engine, reference: str, size: bool) -> dict[str, Any]:
    """Everything about the container; with `size` also what its files take. Raises NotFound."""
    container = engine.rows.find(reference)
    argv = container.argv
    directory = engine.directory(container.id)
    # dockerd knows these paths from the first start on, and so do we: before it there are no files.
    was_started = bool(container.state.started_ns)
    execs = [each.id for each in engine.execs.values() if each.container_id == container.id and each.is_running]
    keeps_log = was_started and container.host.log_config.type in log_driver.FILES
    result: dict[str, Any] = {
        "Id": container.id,
        "Created": rfc3339_nano(container.created_ns),
        "Path": argv[0],
        "Args": argv[1:],
        "State": state(container.state) | _health(engine, container),
        "Image": container.image_id,
        "ResolvConfPath": str(directory / "resolv.conf") if was_started else "",
        "HostnamePath": str(directory / "hostname") if was_started else "",
        "HostsPath": str(directory / "hosts") if was_started else "",
        "LogPath": str(directory / "log") if keeps_log else "",
        "Name": f"/{container.name}",
        "RestartCount": container.state.restart_count,
        "Driver": engine.options.storage_driver,
        "Platform": container.platform,
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": execs or None,
        "HostConfig": to_dict(container.host) | {"Links": links.shown(engine, container)},
        "GraphDriver": {"Data": None, "Name": engine.options.storage_driver},
        "Mounts": mounts(engine, container),
        "Config": to_dict(container.config),
        "NetworkSettings": network_settings(engine, container),
    }
    if size:
        result["SizeRw"], result["SizeRootFs"] = sizes(engine, container)
    return result


def state(state: State) -> dict[str, Any]:
    """Docker's ContainerState."""
    return {
        "Status": state.status.value,
        "Running": state.is_running,
        "Paused": state.status is Status.PAUSED,
        "Restarting": state.status is Status.RESTARTING,
        "OOMKilled": state.oom_killed,
        "Dead": state.status is Status.DEAD,
        "Pid": state.pid,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": rfc3339_nano(state.started_ns),
        "FinishedAt": rfc3339_nano(state.finished_ns),
    }


def _health(engine: Engine, container: Container) -> dict[str, Any]:
    known = engine.health.get(container.id)
    return {"Health": health_state.as_json(known)} if known is not None else {}


def mounts(engine: Engine, container: Container) -> list[dict[str, Any]]:
    """Docker's MountPoints."""
    return [_mount(engine, point) for point in shown(volumes.points_of(container))]


def _mount(engine: Engine, point: MountPoint) -> dict[str, Any]:
    is_volume = point.type == "volume"
    return {
        "Type": point.type,
        **({"Name": point.name} if is_volume else {}),
        "Source": str(engine.volumes.mountpoint(point.name)) if is_volume else point.source,
        "Destination": point.target,
        **({"Driver": point.driver} if is_volume else {}),
        "Mode": point.mode,
        "RW": point.writable,
        "Propagation": point.propagation,
    }


def sizes(engine: Engine, container: Container, known: Mapping[str, int] | None = None) -> tuple[int, int]:
    """Bytes that the container wrote, and bytes of its whole tree; `known` remembers images' sizes."""
    own = engine.snapshots.usage(container.id) if engine.snapshots.exists(container.id) else 0
    if known is not None and container.image_id in known:
        return own, own + known[container.image_id]
    image = engine.images.by_id(container.image_id) if container.image_id else None
    return own, own + (image.size if image else 0)
