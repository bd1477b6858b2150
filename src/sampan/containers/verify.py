"""Can this container be made here, and if not, which sentence says why?

Every field of a create request is honoured, or refused: as dockerd would (InvalidRequest, dockerd's sentence), or as
not yet there (NotSupported). None is passed over in silence. Pure but for a look at whether --mount sources exist.
"""

import ipaddress
import os
import re
from collections.abc import Iterable, Mapping

from sampan.containers import (
    capabilities,
    cdi,
    devices,
    limits,
    log_driver,
    modes,
    mounts,
    security,
    signals,
    spec_process,
)
from sampan.containers.host import Host, Options
from sampan.errors import InvalidRequest, NotSupported
from sampan.networks.mode import Mode
from sampan.wire.containers import ContainerConfig, HostConfig

MILLISECOND = 1_000_000
SYSCTL_KEY = re.compile(r"[a-zA-Z0-9_]+(?:[./][a-zA-Z0-9_-]+(?:@[a-zA-Z0-9_-]+)?)*")
IPC_SYSCTLS = frozenset(
    f"kernel.{name}" for name in ("msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced")
)
PORT = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/(tcp|udp|sctp))?")


def settle(
    config: ContainerConfig, asked: HostConfig, network: Mode, *, host: Host, options: Options
) -> tuple[HostConfig, list[str]]:
    """What will be set of the host config, and warnings. Raises InvalidRequest or NotSupported."""
    _check_config(config)
    asked, warnings = limits.settle(asked, host)
    modes.check(asked, config, network, is_remapped=options.userns_remap is not None)
    _check_host(asked, options)
    _check_text(config, asked)
    check_restart_policy(asked)
    _refuse_what_is_missing(config, asked)
    check_sysctls(asked.sysctls or {}, network=network, ipc_mode=asked.ipc_mode)
    capabilities.normalized(asked.cap_add or (), "CapAdd")
    capabilities.normalized(asked.cap_drop or (), "CapDrop")
    spec_process.check_ulimits(asked.ulimits or ())
    security.parse(asked.security_opt or (), host=host)
    devices.check(asked.devices or (), asked.device_cgroup_rules or ())
    cdi.check(asked.device_requests or ())
    for option in asked.storage_opt or {}:
        if option.lower() != "size":
            raise InvalidRequest(f"Unknown option {option}")
        raise InvalidRequest(
            "--storage-opt is not supported: the size of a container's own files cannot be limited on this storage; "
            "a volume of type tmpfs (-o type=tmpfs -o device=tmpfs -o o=size=1g) has a limit"
        )
    for raw in asked.volumes_from or ():
        mounts.parse_volumes_from(raw)
    mounts.parse_anonymous(config.volumes or ())
    for point in mounts.parse(asked):
        if point.must_exist and not os.path.exists(point.source):
            raise InvalidRequest(
                f'invalid mount config for type "bind": bind source path does not exist: {point.source}'
            )
    if (asked.port_bindings or asked.publish_all_ports) and network.network in ("none", "host"):
        mode = "host" if network.is_host else network.network
        warnings.append(f"Published ports are discarded when using {mode} network mode")
    return asked, warnings


def _check_config(config: ContainerConfig) -> None:
    if config.working_dir and not config.working_dir.startswith("/"):
        raise InvalidRequest(
            f"the working directory '{config.working_dir}' is invalid, it needs to be an absolute path"
        )
    for variable in config.env or ():
        if not variable.partition("=")[0]:
            raise InvalidRequest(f"invalid environment variable: {variable}")
    if config.stop_signal:
        signals.parse(config.stop_signal)
    for port in config.exposed_ports or ():
        check_port(port)
    check = config.healthcheck
    if check is None:
        return
    for name, value in (
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("StartPeriod", check.start_period),
        ("StartInterval", check.start_interval),
    ):
        if value and value < MILLISECOND:
            raise InvalidRequest(f"{name} in Healthcheck cannot be less than 1ms")
    if check.retries < 0:
        raise InvalidRequest("Retries in Healthcheck cannot be negative")


def check_port(text: str) -> None:
    """`80`, `80/tcp`, `8000-8010/udp`. Raises InvalidRequest."""
    match = PORT.fullmatch(text)
    if match is None or int(match[1]) > 65535 or int(match[2] or 0) > 65535:
        raise InvalidRequest(f'invalid port specification: "{text}"')


def _check_host(asked: HostConfig, options: Options) -> None:
    if asked.shm_size < 0:
        raise InvalidRequest("SHM size can not be less than 0")
    if not -1000 <= asked.oom_score_adj <= 1000:
        raise InvalidRequest(f"Invalid value {asked.oom_score_adj}, range for oom score adj is [-1000, 1000]")
    if asked.runtime and asked.runtime not in options.runtimes:
        raise InvalidRequest(f"Unknown runtime specified {asked.runtime}")
    for key in asked.annotations or {}:
        if key.startswith("sampan.") or not key:
            raise InvalidRequest(f'invalid annotation "{key}": names that begin with "sampan." are the engine\'s own')
    parts = asked.cgroup_parent.split("/")
    if ".." in parts or ":" in asked.cgroup_parent or not asked.cgroup_parent.isprintable():
        raise InvalidRequest(f"invalid cgroup parent: {asked.cgroup_parent!r}")
    for port, bindings in (asked.port_bindings or {}).items():
        check_port(port)
        for binding in bindings or ():
            if binding.host_port:
                check_port(binding.host_port)
    log_driver.check(asked)


def _check_text(config: ContainerConfig, asked: HostConfig) -> None:
    """Nothing that ends up as a line of /etc/hosts and its like may forge another line."""
    spec_process.check_user(config.user)
    for field, value, most in (("hostname", config.hostname, 64), ("domainname", config.domainname, 64)):
        if not _is_word(value) or len(value) > most:
            raise InvalidRequest(f"invalid {field} format: {value}")
    for address in asked.dns or ():
        if not _is_address(address):
            raise InvalidRequest(f"{address} is not an ip address")
    for value in (*(asked.dns_search or ()), *(asked.dns_options or ()), *(asked.group_add or ())):
        if not value or not _is_word(value) or "," in value:
            raise InvalidRequest(f"invalid value: {value!r}")
    for entry in asked.extra_hosts or ():
        name, colon, address = entry.partition(":")
        if not colon or not name or not _is_word(name):
            raise InvalidRequest(f'bad format for add-host: "{entry}"')
        if address != "host-gateway" and not _is_address(address.removeprefix("[").removesuffix("]")):
            raise InvalidRequest(f'invalid IP address in add-host: "{address}"')


def _is_word(text: str) -> bool:
    return text.isprintable() and not any(character.isspace() for character in text)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return _is_word(text)


def check_restart_policy(asked: HostConfig) -> None:
    """Raises InvalidRequest for an impossible policy."""
    policy = asked.restart_policy
    if policy.name not in ("", "no", "always", "unless-stopped", "on-failure"):
        raise InvalidRequest(f"invalid restart policy '{policy.name}'")
    if policy.maximum_retry_count and policy.name not in ("", "on-failure"):
        raise InvalidRequest(f"maximum retry count cannot be used with restart policy '{policy.name}'")
    if policy.maximum_retry_count < 0:
        raise InvalidRequest("maximum retry count cannot be negative")
    if asked.auto_remove and policy.name not in ("", "no"):
        raise InvalidRequest("can't create 'AutoRemove' container with restart policy")


def check_sysctls(sysctls: Mapping[str, str], *, network: Mode, ipc_mode: str) -> None:
    """Only what a namespace of the container's own holds may be set, one value each. Raises InvalidRequest."""
    for key, value in sysctls.items():
        if not SYSCTL_KEY.fullmatch(key) or not value.isprintable():
            raise InvalidRequest(f"invalid sysctl: {key!r}={value!r}")
        dotted = key.replace("/", ".")
        if dotted in IPC_SYSCTLS or dotted.startswith("fs.mqueue."):
            if ipc_mode == "host" or modes.container_of(ipc_mode):
                raise InvalidRequest(f'sysctl "{key}" is not allowed in the hosts ipc namespace')
        elif dotted.startswith("net."):
            if not network.is_private:
                raise InvalidRequest(f'sysctl "{key}" not allowed in host network namespace')
        else:
            raise InvalidRequest(f'sysctl "{key}" is not in a separate kernel namespace')


def _refuse_what_is_missing(config: ContainerConfig, asked: HostConfig) -> None:
    missing: Iterable[tuple[object, str]] = (
        (asked.cgroup, "sharing a cgroup with another container is not supported"),
    )
    for asked_for, sentence in missing:
        if asked_for:
            raise NotSupported(sentence)
