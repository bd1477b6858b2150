"""What did a body mean in the API version that its client speaks?

Fields that a version did not have are ignored, defaults that changed are the old ones (Engine API, "Version history").
Pure: body and version in, body and warnings out.
"""

from typing import Any

from msgspec.structs import replace

from sampan.errors import InvalidRequest
from sampan.wire.containers import ContainerCreate, HostConfig
from sampan.wire.mounts import Mount
from sampan.wire.versions import Version

# Which options belong to which kind of mount.
_OPTIONS = {"bind": "bind_options", "volume": "volume_options", "tmpfs": "tmpfs_options"}
_JSON_NAMES = {"bind_options": "BindOptions", "volume_options": "VolumeOptions", "tmpfs_options": "TmpfsOptions"}


def create(body: ContainerCreate, version: Version) -> tuple[ContainerCreate, list[str]]:
    """The create request in today's terms, and what to warn about. Raises InvalidRequest."""
    config, host, networking = body.config, body.host_config, body.networking_config
    endpoints = networking.endpoints_config or {}
    if version < Version(1, 44):
        if config.healthcheck is not None:
            config = replace(config, healthcheck=replace(config.healthcheck, start_interval=0))
        if len(endpoints) > 1:
            raise InvalidRequest(f"Container cannot be created with multiple network endpoints: {', '.join(endpoints)}")
    host = _host(host, version)
    if host.pids_limit is not None and host.pids_limit <= 0:
        host = replace(host, pids_limit=None)
    return replace(body, config=config, host_config=host), []


def inspect(shown: dict[str, Any], version: Version) -> dict[str, Any]:
    """A container's inspect as the version had it: before DNSNames its short id was among the aliases."""
    if version < Version(1, 45):
        for settings in shown["NetworkSettings"]["Networks"].values():
            if settings["DNSNames"] is not None:
                settings["Aliases"] = [*(settings["Aliases"] or ()), shown["Id"][:12]]
    return shown


def update(body: HostConfig, version: Version) -> HostConfig:
    """The update request in today's terms; a pids limit of 0 or less is "none", and stays apart from "not given"."""
    if version < Version(1, 40):
        body = replace(body, pids_limit=None)
    if body.pids_limit is not None and body.pids_limit <= 0:
        body = replace(body, pids_limit=0)
    return replace(body, kernel_memory=0)


def _host(host: HostConfig, version: Version) -> HostConfig:
    if version < Version(1, 25):
        host = replace(host, auto_remove=False)  # the client removed it itself
    if version < Version(1, 40):
        host = replace(host, kernel_memory_tcp=0, ipc_mode=host.ipc_mode or "shareable")
    if version < Version(1, 41):
        host = replace(host, cgroupns_mode=host.cgroupns_mode or "host")
    if version < Version(1, 42):
        host = replace(host, console_size=(0, 0))
    else:
        host = replace(host, kernel_memory=0)
    if version < Version(1, 43):
        host = replace(host, annotations=None)
    if host.mounts:
        host = replace(host, mounts=[_mount(mount, version) for mount in host.mounts])
    return host


def _mount(mount: Mount, version: Version) -> Mount:
    for kind, options in _OPTIONS.items():
        if kind != mount.type and getattr(mount, options) is not None:
            if version >= Version(1, 42):
                raise InvalidRequest(f'{_JSON_NAMES[options]} must not be specified on mount type "{mount.type}"')
            mount = replace(mount, **{options: None})
    bind = mount.bind_options
    if bind is not None and version < Version(1, 44):
        if bind.read_only_force_recursive:
            raise InvalidRequest("BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer")
        # Before 1.44 a read-only mount left the mounts below it writable.
        bind = replace(bind, read_only_non_recursive=bind.read_only_non_recursive or mount.read_only)
        if version < Version(1, 42):
            bind = replace(bind, create_mountpoint=False)
        mount = replace(mount, bind_options=bind)
    if mount.volume_options is not None and mount.volume_options.subpath and version < Version(1, 45):
        raise InvalidRequest("VolumeOptions.Subpath needs API v1.45 or newer")
    return mount
