"""What does a client send to create or update a container?

Every field of Docker's `container.Config` and `HostConfig` (Engine API 1.51, `POST /containers/create`), typed and with
its JSON name; what a field means is decided elsewhere. Python names are snake_case; `bodies.to_dict` and `encode` give
Docker's names back in dockerd's order, so the same structs are what a row stores and `inspect` shows. Go's nil and
empty differ in `inspect`, hence `| None` beside most lists.
"""

from typing import Any, ClassVar

import msgspec
from msgspec import Struct, field

from sampan.errors import InvalidRequest
from sampan.wire import json
from sampan.wire.bodies import Int64, StrSlice, Uint16, Uint32, convert
from sampan.wire.mounts import Mount


class HealthConfig(Struct, rename="pascal", frozen=True, kw_only=True, omit_defaults=True):
    """`Healthcheck`; durations are nanoseconds, 0 means "as the image says"."""

    test: list[str] | None = None
    interval: Int64 = 0
    timeout: Int64 = 0
    start_period: Int64 = 0
    start_interval: Int64 = 0
    retries: Int64 = 0


class ContainerConfig(Struct, rename="pascal", frozen=True, kw_only=True):
    """`Config`: the part of a container that does not depend on the host."""

    omitted_when_empty: ClassVar = (
        "ExposedPorts", "ArgsEscaped", "NetworkDisabled", "MacAddress", "StopSignal", "Shell",
    )  # fmt: skip
    omitted_when_null: ClassVar = ("Healthcheck", "StopTimeout")
    hostname: str = ""
    domainname: str = ""
    user: str = ""
    attach_stdin: bool = False
    attach_stdout: bool = False
    attach_stderr: bool = False
    exposed_ports: dict[str, dict[str, Any]] | None = None
    tty: bool = False
    open_stdin: bool = False
    stdin_once: bool = False
    env: list[str] | None = None
    cmd: StrSlice | None = None
    healthcheck: HealthConfig | None = None
    args_escaped: bool = False
    image: str = ""
    volumes: dict[str, dict[str, Any]] | None = None
    working_dir: str = ""
    entrypoint: StrSlice | None = None
    network_disabled: bool = False
    mac_address: str = ""
    on_build: list[str] | None = None
    labels: dict[str, str] | None = None
    stop_signal: str = ""
    stop_timeout: Int64 | None = None
    shell: StrSlice | None = None


class LogConfig(Struct, rename="pascal", frozen=True, kw_only=True):
    """`LogConfig`: a driver's name ("" = the daemon's default) and its options."""

    type: str = ""
    config: dict[str, str] | None = None


class PortBinding(Struct, frozen=True, kw_only=True):
    """One place on the host where a container port is to be reached."""

    host_ip: str = field(default="", name="HostIp")
    host_port: str = field(default="", name="HostPort")


class PortsBody(Struct, rename="pascal", frozen=True, kw_only=True):
    """The body of `POST /containers/{id}/publish` and `unpublish`: container port → places on the host."""

    port_bindings: dict[str, list[PortBinding] | None] | None = None


class RestartPolicy(Struct, rename="pascal", frozen=True, kw_only=True):
    """`RestartPolicy`: no, always, unless-stopped, on-failure[:count]."""

    name: str = ""
    maximum_retry_count: Int64 = 0


class WeightDevice(Struct, rename="pascal", frozen=True, kw_only=True):
    """A block device and its share of time."""

    path: str = ""
    weight: Uint16 = 0


class ThrottleDevice(Struct, rename="pascal", frozen=True, kw_only=True):
    """A block device and its limit, bytes or operations per second."""

    path: str = ""
    rate: Int64 = 0


class DeviceMapping(Struct, rename="pascal", frozen=True, kw_only=True):
    """A device node of the host, where it appears, and the permissions (`rwm`) on it."""

    path_on_host: str = ""
    path_in_container: str = ""
    cgroup_permissions: str = ""


class DeviceRequest(Struct, rename="pascal", frozen=True, kw_only=True):
    """Devices asked for by capability (`--gpus`)."""

    driver: str = ""
    count: Int64 = 0
    device_ids: list[str] | None = field(default=None, name="DeviceIDs")
    capabilities: list[list[str]] | None = None
    options: dict[str, str] | None = None


class Ulimit(Struct, rename="pascal", frozen=True, kw_only=True):
    """A resource limit; -1 is no limit."""

    name: str = ""
    soft: Int64 = 0
    hard: Int64 = 0


class HostConfig(Struct, rename="pascal", frozen=True, kw_only=True):
    """`HostConfig`: the part of a container that depends on the host. Bytes, microseconds, nano-CPUs; 0 is "no limit".

    Also the body of `POST /containers/{id}/update`, where 0, "" and null leave a value as it is.
    """

    omitted_when_empty: ClassVar = (
        "Annotations", "StorageOpt", "Tmpfs", "Sysctls", "Runtime", "KernelMemory", "KernelMemoryTCP", "Mounts",
    )  # fmt: skip
    omitted_when_null: ClassVar = ("Init",)
    binds: list[str] | None = None
    container_id_file: str = field(default="", name="ContainerIDFile")
    log_config: LogConfig = field(default_factory=LogConfig)
    network_mode: str = ""
    port_bindings: dict[str, list[PortBinding] | None] | None = None
    restart_policy: RestartPolicy = field(default_factory=RestartPolicy)
    auto_remove: bool = False
    volume_driver: str = ""
    volumes_from: list[str] | None = None
    console_size: tuple[Uint32, Uint32] = (0, 0)
    annotations: dict[str, str] | None = None
    cap_add: StrSlice | None = None
    cap_drop: StrSlice | None = None
    cgroupns_mode: str = ""
    dns: list[str] | None = None
    dns_options: list[str] | None = None
    dns_search: list[str] | None = None
    extra_hosts: list[str] | None = None
    group_add: list[str] | None = None
    ipc_mode: str = ""
    cgroup: str = ""
    links: list[str] | None = None
    oom_score_adj: Int64 = 0
    pid_mode: str = ""
    privileged: bool = False
    publish_all_ports: bool = False
    readonly_rootfs: bool = False
    security_opt: list[str] | None = None
    storage_opt: dict[str, str] | None = None
    tmpfs: dict[str, str] | None = None
    uts_mode: str = field(default="", name="UTSMode")
    userns_mode: str = ""
    shm_size: Int64 = 0
    sysctls: dict[str, str] | None = None
    runtime: str = ""
    isolation: str = ""
    cpu_shares: Int64 = 0
    memory: Int64 = 0
    nano_cpus: Int64 = 0
    cgroup_parent: str = ""
    blkio_weight: Uint16 = 0
    blkio_weight_device: list[WeightDevice] | None = None
    blkio_device_read_bps: list[ThrottleDevice] | None = None
    blkio_device_write_bps: list[ThrottleDevice] | None = None
    blkio_device_read_iops: list[ThrottleDevice] | None = field(default=None, name="BlkioDeviceReadIOps")
    blkio_device_write_iops: list[ThrottleDevice] | None = field(default=None, name="BlkioDeviceWriteIOps")
    cpu_period: Int64 = 0
    cpu_quota: Int64 = 0
    cpu_realtime_period: Int64 = 0
    cpu_realtime_runtime: Int64 = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    devices: list[DeviceMapping] | None = None
    device_cgroup_rules: list[str] | None = None
    device_requests: list[DeviceRequest] | None = None
    kernel_memory: Int64 = 0
    kernel_memory_tcp: Int64 = field(default=0, name="KernelMemoryTCP")
    memory_reservation: Int64 = 0
    memory_swap: Int64 = 0
    memory_swappiness: Int64 | None = None
    oom_kill_disable: bool | None = None
    pids_limit: Int64 | None = None
    ulimits: list[Ulimit] | None = None
    cpu_count: Int64 = 0
    cpu_percent: Int64 = 0
    io_maximum_iops: Int64 = field(default=0, name="IOMaximumIOps")
    io_maximum_bandwidth: Int64 = field(default=0, name="IOMaximumBandwidth")
    mounts: list[Mount] | None = None
    masked_paths: list[str] | None = None
    readonly_paths: list[str] | None = None
    init: bool | None = None


class IPAMConfig(Struct, frozen=True, kw_only=True):
    """Addresses asked for on one network."""

    ipv4_address: str = field(default="", name="IPv4Address")
    ipv6_address: str = field(default="", name="IPv6Address")
    link_local_ips: list[str] | None = field(default=None, name="LinkLocalIPs")


class EndpointSettings(Struct, rename="pascal", frozen=True, kw_only=True):
    """How a container is to be joined to one network. (What the engine answers there is not accepted from a client.)"""

    ipam_config: IPAMConfig | None = field(default=None, name="IPAMConfig")
    links: list[str] | None = None
    aliases: list[str] | None = None
    mac_address: str = ""
    driver_opts: dict[str, str] | None = None
    gw_priority: Int64 = 0


class NetworkingConfig(Struct, rename="pascal", frozen=True, kw_only=True):
    """Networks by name, with the wishes for each."""

    endpoints_config: dict[str, EndpointSettings | None] | None = None


class ContainerCreate(Struct, frozen=True, kw_only=True):
    """The three parts of a create request, taken apart. On the wire the first lies flat beside the other two."""

    config: ContainerConfig = field(default_factory=ContainerConfig)
    host_config: HostConfig = field(default_factory=HostConfig)
    networking_config: NetworkingConfig = field(default_factory=NetworkingConfig)


class _CreateBody(ContainerConfig, rename="pascal", frozen=True, kw_only=True):
    host_config: HostConfig | None = None
    networking_config: NetworkingConfig | None = None


def decode_create(data: bytes) -> ContainerCreate:
    """The body of `POST /containers/create`; raises InvalidRequest."""
    value = json.parse(data)
    if value is None or value == {}:
        raise InvalidRequest("config cannot be empty in order to create a container")
    body = convert(value, _CreateBody)
    parts = {name: getattr(body, name) for name in ContainerConfig.__struct_fields__}
    return ContainerCreate(
        config=ContainerConfig(**parts),
        host_config=body.host_config or HostConfig(),
        networking_config=body.networking_config or NetworkingConfig(),
    )


def stored(data: bytes | str, kind: type[msgspec.Struct]) -> Any:
    """A struct of this module from the JSON that `bodies.encode` made of it (a row of the engine's own)."""
    return msgspec.json.decode(data, type=kind)
