"""What is a container given that nobody asked for?

The image's defaults under the request's, then the daemon's. Pure; the rules are dockerd's ("merge").
"""

from collections.abc import Iterable, Mapping
from posixpath import normpath
from typing import TypeVar

from msgspec.structs import replace

from sampan.containers.capabilities import normalized
from sampan.containers.host import Host, Options
from sampan.errors import InvalidRequest
from sampan.networks.mode import Mode
from sampan.oci.config import RunConfig
from sampan.wire.containers import ContainerConfig, HealthConfig, HostConfig, LogConfig

SHORT_ID_LENGTH = 12

_V = TypeVar("_V")

MASKED_PATHS = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


def with_image(config: ContainerConfig, image: RunConfig) -> ContainerConfig:
    """The request's settings, the image's where it says nothing. Raises InvalidRequest when there is no command."""
    entrypoint, cmd = config.entrypoint, config.cmd
    if not entrypoint:
        # A command of one's own goes to the image's entrypoint; an entrypoint of one's own hides the image's command.
        cmd = cmd or (list(image.cmd) if image.cmd else cmd)
        if entrypoint is None:
            entrypoint = list(image.entrypoint) if image.entrypoint is not None else None
    config = replace(
        config,
        user=config.user or image.user,
        exposed_ports=_union(config.exposed_ports, image.exposed_ports),
        env=_environment(config.env, image.env or ()),
        cmd=cmd,
        healthcheck=_healthcheck(config.healthcheck, image),
        volumes=_union(config.volumes, image.volumes),
        working_dir=normpath(config.working_dir or image.working_dir)
        if config.working_dir or image.working_dir
        else "",
        entrypoint=entrypoint,
        labels=_in_order({**(image.labels or {}), **(config.labels or {})}),
        stop_signal=config.stop_signal or image.stop_signal,
    )
    return with_command(config)


def with_command(config: ContainerConfig) -> ContainerConfig:
    """The same with an entrypoint of `[""]` taken as none. Raises InvalidRequest when nothing is left to run."""
    if config.entrypoint == [""]:
        config = replace(config, entrypoint=None)
    if not config.entrypoint and not config.cmd:
        raise InvalidRequest("No command specified")
    return config


def _in_order(mapping: Mapping[str, _V]) -> dict[str, _V]:
    """With its keys sorted, as Go writes every map: so inspect does not depend on who wrote the request."""
    return dict(sorted(mapping.items()))


def _union(asked: dict[str, dict[str, object]] | None, image: Iterable[str]) -> dict[str, dict[str, object]] | None:
    return _in_order({**{key: {} for key in image}, **(asked or {})}) or None


def _environment(asked: list[str] | None, image: Iterable[str]) -> list[str] | None:
    """The request's variables, then the image's that it does not name."""
    if not asked:
        return list(image) or None
    named = {variable.partition("=")[0] for variable in asked}
    return [*asked, *(variable for variable in image if variable.partition("=")[0] not in named)]


def _healthcheck(asked: HealthConfig | None, image: RunConfig) -> HealthConfig | None:
    own = image.healthcheck
    if own is None:
        return asked
    asked = asked or HealthConfig()
    return HealthConfig(
        test=asked.test or list(own.test),
        interval=asked.interval or own.interval_ns,
        timeout=asked.timeout or own.timeout_ns,
        start_period=asked.start_period or own.start_period_ns,
        start_interval=asked.start_interval or own.start_interval_ns,
        retries=asked.retries or own.retries,
    )


def with_names(config: ContainerConfig, network: Mode, *, container_id: str, host: Host) -> ContainerConfig:
    """A host name where none was asked for: the host's own in its network, else the short id."""
    if config.hostname or network.container:
        return config
    return replace(config, hostname=host.hostname if network.is_host else container_id[:SHORT_ID_LENGTH])


def with_daemons(asked: HostConfig, network: Mode, *, host: Host, options: Options) -> HostConfig:
    """The daemon's defaults for what the request left open."""
    masked = [*MASKED_PATHS, *host.thermal_paths]
    unmasked = asked.privileged
    maps = {
        field: getattr(asked, field) for field in ("annotations", "port_bindings", "storage_opt", "sysctls", "tmpfs")
    }
    return replace(
        asked,
        **{field: _in_order(value) for field, value in maps.items() if value},
        network_mode=asked.network_mode if asked.network_mode not in ("", "default") else network.network,
        shm_size=asked.shm_size or options.default_shm_size,
        ipc_mode=asked.ipc_mode or options.default_ipc_mode,
        cgroupns_mode=asked.cgroupns_mode or _cgroupns_mode(asked, host, options),
        runtime=asked.runtime or options.default_runtime,
        oom_kill_disable=asked.oom_kill_disable or False,
        log_config=_log_config(asked.log_config, options),
        cap_add=normalized(asked.cap_add, "CapAdd") if asked.cap_add is not None else None,
        cap_drop=normalized(asked.cap_drop, "CapDrop") if asked.cap_drop is not None else None,
        masked_paths=asked.masked_paths if asked.masked_paths is not None or unmasked else masked,
        readonly_paths=asked.readonly_paths if asked.readonly_paths is not None or unmasked else list(READONLY_PATHS),
    )


def _cgroupns_mode(asked: HostConfig, host: Host, options: Options) -> str:
    # Version 1 shows a privileged container all of /sys/fs/cgroup, as it always did.
    if host.cgroups != "unified" and asked.privileged:
        return "host"
    return options.default_cgroupns_mode or ("private" if host.cgroups == "unified" else "host")


def _log_config(asked: LogConfig, options: Options) -> LogConfig:
    """The daemon's driver, and its options unless another driver was asked for."""
    driver = asked.type or options.log_driver
    inherited = options.log_opts if driver == options.log_driver else {}
    return LogConfig(type=driver, config=_in_order({**inherited, **(asked.config or {})}))
