"""Which command line would make this container again?

Pure: what inspect says of a container and of its image becomes the flags of `run`. What the image or the engine gives
anyway is left out, so that the line says what somebody asked for.
"""

from __future__ import annotations

from collections.abc import Iterator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NO_VALUE = ""
SHM_BYTES = 64 << 20
SHORT_ID = 12

# flag, field of HostConfig, the value that nobody asked for
PLAIN = (
    ("--memory", "Memory", 0),
    ("--memory-reservation", "MemoryReservation", 0),
    ("--memory-swappiness", "MemorySwappiness", None),
    ("--cpu-shares", "CpuShares", 0),
    ("--cpu-period", "CpuPeriod", 0),
    ("--cpu-quota", "CpuQuota", 0),
    ("--cpu-rt-period", "CpuRealtimePeriod", 0),
    ("--cpu-rt-runtime", "CpuRealtimeRuntime", 0),
    ("--cpuset-cpus", "CpusetCpus", ""),
    ("--cpuset-mems", "CpusetMems", ""),
    ("--blkio-weight", "BlkioWeight", 0),
    ("--pids-limit", "PidsLimit", None),
    ("--oom-score-adj", "OomScoreAdj", 0),
    ("--shm-size", "ShmSize", SHM_BYTES),
    ("--cgroup-parent", "CgroupParent", ""),
    ("--pid", "PidMode", ""),
    ("--uts", "UTSMode", ""),
    ("--userns", "UsernsMode", ""),
    ("--ipc", "IpcMode", "private"),
    ("--volume-driver", "VolumeDriver", ""),
    ("--isolation", "Isolation", ""),
)
SWITCHES = (
    ("--privileged", "Privileged"),
    ("--read-only", "ReadonlyRootfs"),
    ("--publish-all", "PublishAllPorts"),
    ("--oom-kill-disable", "OomKillDisable"),
    ("--rm", "AutoRemove"),
)
LISTS = (
    ("--cap-add", "CapAdd"),
    ("--cap-drop", "CapDrop"),
    ("--dns", "Dns"),
    ("--dns-option", "DnsOptions"),
    ("--dns-search", "DnsSearch"),
    ("--add-host", "ExtraHosts"),
    ("--group-add", "GroupAdd"),
    ("--link", "Links"),
    ("--security-opt", "SecurityOpt"),
    ("--volumes-from", "VolumesFrom"),
    ("--device-cgroup-rule", "DeviceCgroupRules"),
    ("--volume", "Binds"),
)
RATES = (
    ("--device-read-bps", "BlkioDeviceReadBps", "Rate"),
    ("--device-write-bps", "BlkioDeviceWriteBps", "Rate"),
    ("--device-read-iops", "BlkioDeviceReadIOps", "Rate"),
    ("--device-write-iops", "BlkioDeviceWriteIOps", "Rate"),
    ("--blkio-weight-device", "BlkioWeightDevice", "Weight"),
)
HEALTH = (
    ("--health-interval", "Interval"),
    ("--health-timeout", "Timeout"),
    ("--health-start-period", "StartPeriod"),
    ("--health-start-interval", "StartInterval"),
)
Pair = tuple[str, str]


def flags(container: dict[str, Any], image: dict[str, Any], info: dict[str, Any]) -> list[Pair]:
    """(flag, value) pairs, value "" for a switch; `info` is what the engine says of its own defaults."""
    own = image.get("Config") or {}
    return [
        ("--name", container["Name"].removeprefix("/")),
        *_process(container, own),
        *_health(container["Config"].get("Healthcheck"), own.get("Healthcheck")),
        *_limits(container["HostConfig"]),
        *_storage(container, own),
        *_networks(container, own),
        *_rest(container["HostConfig"], info),
    ]


def flat(pairs: list[Pair]) -> list[str]:
    """Pairs as words; a value that begins with a dash cannot be mistaken for a flag."""
    return [word for flag, value in pairs for word in _two(flag, value)]


def _two(flag: str, value: str) -> list[str]:
    if value.startswith("-") or (not value and flag in TAKES_EMPTY):
        return [f"{flag}={value}"]
    return [flag, value] if value else [flag]


TAKES_EMPTY = frozenset(("--entrypoint",))


def program(container: dict[str, Any], image: dict[str, Any]) -> list[str]:
    """The image, and the command if it is not the image's."""
    config, own = container["Config"], image.get("Config") or {}
    entrypoint, cmd = config.get("Entrypoint") or [], config.get("Cmd") or []
    if entrypoint != (own.get("Entrypoint") or []):
        return [config["Image"], *entrypoint[1:], *cmd]
    return [config["Image"], *(cmd if cmd != (own.get("Cmd") or []) else [])]


def _process(container: dict[str, Any], own: dict[str, Any]) -> Iterator[Pair]:
    config, asked = container["Config"], container["HostConfig"]
    shares_a_name = asked["UTSMode"] == "host" or asked["NetworkMode"].startswith(("host", "container:"))
    if config["Hostname"] != container["Id"][:SHORT_ID] and not shares_a_name:
        yield "--hostname", config["Hostname"]
    for flag, field in (("--domainname", "Domainname"), ("--user", "User"), ("--workdir", "WorkingDir"),
                        ("--stop-signal", "StopSignal")):  # fmt: skip
        if config.get(field, "") != (own.get(field) or "") and config.get(field):
            yield flag, config[field]
    if config.get("StopTimeout") is not None:
        yield "--stop-timeout", str(config["StopTimeout"])
    if config["Tty"]:
        yield "--tty", NO_VALUE
    if config["OpenStdin"]:
        yield "--interactive", NO_VALUE
    if (config.get("Entrypoint") or []) != (own.get("Entrypoint") or []):
        yield "--entrypoint", (config.get("Entrypoint") or [""])[0]
    given = own.get("Env") or []
    yield from (("--env", variable) for variable in config.get("Env") or () if variable not in given)
    labels = own.get("Labels") or {}
    for name, value in (config.get("Labels") or {}).items():
        if labels.get(name) != value:
            yield "--label", f"{name}={value}"
    for name, value in (asked.get("Annotations") or {}).items():
        yield "--annotation", f"{name}={value}"


def _health(check: dict[str, Any] | None, own: dict[str, Any] | None) -> Iterator[Pair]:
    if not check or check == own:
        return
    test = check.get("Test") or []
    if test[:1] == ["NONE"]:
        yield "--no-healthcheck", NO_VALUE
        return
    if test != ((own or {}).get("Test") or []):
        # There is no flag for a check without a shell: the words go to one, quoted.
        from shlex import join

        yield "--health-cmd", test[1] if test[:1] == ["CMD-SHELL"] else join(test[1:])
    for flag, field in HEALTH:
        if check.get(field) and check.get(field) != (own or {}).get(field):
            yield flag, f"{check[field]}ns"
    if check.get("Retries") and check.get("Retries") != (own or {}).get("Retries"):
        yield "--health-retries", str(check["Retries"])


def _limits(asked: dict[str, Any]) -> Iterator[Pair]:
    for flag, field, nothing in PLAIN:
        if asked.get(field, nothing) not in (nothing, None):
            yield flag, str(asked[field])
    if asked["NanoCpus"]:
        yield "--cpus", f"{asked['NanoCpus'] / 1e9:.9f}".rstrip("0").rstrip(".")
    if asked["MemorySwap"] and asked["MemorySwap"] != 2 * asked["Memory"]:
        yield "--memory-swap", str(asked["MemorySwap"])
    for limit in asked.get("Ulimits") or ():
        yield "--ulimit", f"{limit['Name']}={limit['Soft']}:{limit['Hard']}"
    for flag, field, value in RATES:
        yield from ((flag, f"{each['Path']}:{each[value]}") for each in asked.get(field) or ())
    for device in asked.get("Devices") or ():
        parts = [device["PathOnHost"], device["PathInContainer"], device["CgroupPermissions"]]
        yield "--device", ":".join(part for part in parts if part)
    for request in asked.get("DeviceRequests") or ():
        if request.get("Driver") == "cdi":
            yield from (("--device", name) for name in request.get("DeviceIDs") or ())
        else:
            count = "all" if request["Count"] == -1 else str(request["Count"])
            devices = request.get("DeviceIDs")
            yield "--gpus", f'"device={",".join(devices)}"' if devices else count


def _storage(container: dict[str, Any], own: dict[str, Any]) -> Iterator[Pair]:
    asked = container["HostConfig"]
    for path, options in (asked.get("Tmpfs") or {}).items():
        yield "--tmpfs", f"{path}:{options}" if options else path
    for mount in asked.get("Mounts") or ():
        yield "--mount", mount_text(mount)
    declared = own.get("Volumes") or {}
    for path in container["Config"].get("Volumes") or {}:
        if path not in declared:
            yield "--volume", path
    for name, value in (asked.get("StorageOpt") or {}).items():
        yield "--storage-opt", f"{name}={value}"


def mount_text(mount: dict[str, Any]) -> str:
    """One of HostConfig.Mounts as the value of --mount."""
    fields = [f"type={mount['Type']}"]
    if mount.get("Source"):
        fields.append(f"source={mount['Source']}")
    fields.append(f"target={mount['Target']}")
    fields += ["readonly"] * bool(mount.get("ReadOnly"))
    bind, volume, tmpfs = (mount.get(f"{kind}Options") or {} for kind in ("Bind", "Volume", "Tmpfs"))
    if bind.get("Propagation"):
        fields.append(f"bind-propagation={bind['Propagation']}")
    if bind.get("NonRecursive"):
        fields.append("bind-recursive=disabled")
    fields += ["volume-nocopy"] * bool(volume.get("NoCopy"))
    if volume.get("Subpath"):
        fields.append(f"volume-subpath={volume['Subpath']}")
    fields += [f"volume-label={name}={value}" for name, value in (volume.get("Labels") or {}).items()]
    driver = volume.get("DriverConfig") or {}
    if driver.get("Name"):
        fields.append(f"volume-driver={driver['Name']}")
    fields += [f"volume-opt={name}={value}" for name, value in (driver.get("Options") or {}).items()]
    if tmpfs.get("SizeBytes"):
        fields.append(f"tmpfs-size={tmpfs['SizeBytes']}")
    if tmpfs.get("Mode"):
        fields.append(f"tmpfs-mode={tmpfs['Mode']:o}")
    # As csv: a field with a comma or a quote in it is quoted.
    return ",".join(f'"{field.replace(chr(34), chr(34) * 2)}"' if set(',"') & set(field) else field for field in fields)


def _networks(container: dict[str, Any], own: dict[str, Any]) -> Iterator[Pair]:
    asked, config = container["HostConfig"], container["Config"]
    mode = asked["NetworkMode"]
    joined = (container.get("NetworkSettings") or {}).get("Networks") or {}
    others = [name for name in joined if name != mode] if mode in joined else []
    for name in (mode, *others):
        settings = joined.get(name) or {}
        fields = [*_endpoint(settings, container["Id"])]
        if fields:
            yield "--network", ",".join((f"name={name}", *fields))
        elif name not in ("default", "bridge") or others:
            yield "--network", name
    bound = asked.get("PortBindings") or {}
    for port, bindings in bound.items():
        for binding in bindings or ():
            host = f"[{binding['HostIp']}]" if ":" in binding["HostIp"] else binding["HostIp"]
            ends = [host, binding["HostPort"], port] if host else [binding["HostPort"], port]
            yield "--publish", ":".join(ends) if host or binding["HostPort"] else port
    exposed = own.get("ExposedPorts") or {}
    yield from (("--expose", port) for port in config.get("ExposedPorts") or () if port not in (*exposed, *bound))


def _endpoint(settings: dict[str, Any], container_id: str) -> Iterator[str]:
    addresses = settings.get("IPAMConfig") or {}
    yield from (f"alias={alias}" for alias in settings.get("Aliases") or () if not container_id.startswith(alias))
    for key, field in (("ip", "IPv4Address"), ("ip6", "IPv6Address")):
        if addresses.get(field):
            yield f"{key}={addresses[field]}"
    yield from (f"link-local-ip={address}" for address in addresses.get("LinkLocalIPs") or ())
    yield from (f"driver-opt={name}={value}" for name, value in (settings.get("DriverOpts") or {}).items())
    if settings.get("GwPriority"):
        yield f"gw-priority={settings['GwPriority']}"


def _rest(asked: dict[str, Any], info: dict[str, Any]) -> Iterator[Pair]:
    for flag, field in SWITCHES:
        if asked.get(field):
            yield flag, NO_VALUE
    for flag, field in LISTS:
        yield from ((flag, value) for value in asked.get(field) or ())
    if asked.get("MaskedPaths") == [] and not asked["Privileged"]:
        yield "--security-opt", "systempaths=unconfined"
    for name, value in (asked.get("Sysctls") or {}).items():
        yield "--sysctl", f"{name}={value}"
    policy = asked["RestartPolicy"]
    if policy["Name"] not in ("", "no"):
        count = policy["MaximumRetryCount"]
        yield "--restart", f"{policy['Name']}:{count}" if count else policy["Name"]
    if asked.get("Init") is not None:
        yield f"--init={str(asked['Init']).lower()}", NO_VALUE
    if asked.get("Runtime") not in ("", None, info.get("DefaultRuntime")):
        yield "--runtime", asked["Runtime"]
    if asked["CgroupnsMode"] not in ("", "private" if info.get("CgroupVersion") == "2" else "host"):
        yield "--cgroupns", asked["CgroupnsMode"]
    log = asked["LogConfig"]
    if log["Type"] not in ("", info.get("LoggingDriver")):
        yield "--log-driver", log["Type"]
    yield from (("--log-opt", f"{name}={value}") for name, value in (log.get("Config") or {}).items())
