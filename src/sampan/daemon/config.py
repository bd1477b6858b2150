"""How is this daemon to behave? dockerd's flags and its configuration file, made into one frozen value.

The file is JSON with dockerd's keys (`daemon.json`); a key that is also given as a flag is an error, as neither would
be the obvious winner. Everything is judged here, before anything is started.
"""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sampan.containers.host import CDI_SPEC_DIRS, IdMap
from sampan.containers.log_driver import DRIVERS as LOG_DRIVERS
from sampan.daemon import subordinate
from sampan.daemon.arguments import Value, differences, parse, read
from sampan.daemon.config_registries import PROXIES, registry_settings, table_text
from sampan.daemon.flags import BY_FILE_KEY, COMMAND_LINE_ONLY, FLAGS, Flag, Kind
from sampan.daemon.network_settings import network_settings
from sampan.errors import InvalidRequest
from sampan.networks.create import Settings as NetworkSettings
from sampan.registry.settings import Settings
from sampan.wire import json

STORAGE_DRIVERS = {"": "", "erofs": "erofs", "directory": "directory", "overlay2": ""}
"""Accepted storage drivers; "" is the best that the kernel can do, which is what overlay2 means elsewhere."""

LOG_LEVELS = ("debug", "info", "warn", "error", "fatal")
OWN_RUNTIME = "sampan"
_FILE_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A daemon's settings; fields are named after dockerd's flags."""

    hosts: tuple[str, ...]
    data_root: Path
    exec_root: Path
    pidfile: Path
    cgroup_parent: str
    bridge: str
    group: str
    debug: bool
    log_level: str
    labels: tuple[str, ...]
    storage_driver: str
    tlsverify: bool
    tlscacert: str
    tlscert: str
    tlskey: str
    default_runtime: str
    runtimes: Mapping[str, str]
    default_shm_size: int
    default_ipc_mode: str
    default_cgroupns_mode: str
    default_ulimits: Mapping[str, tuple[int, int]]
    init: bool
    no_new_privileges: bool
    seccomp_profile: str
    log_driver: str
    log_opts: Mapping[str, str]
    dns: tuple[str, ...]
    dns_opts: tuple[str, ...]
    dns_search: tuple[str, ...]
    host_gateway_ip: str
    cdi_spec_dirs: tuple[str, ...]
    metrics_addr: str
    userns_remap: tuple[IdMap, IdMap] | None
    registries: Settings
    networks: NetworkSettings
    shutdown_timeout: int
    config_file: Path
    words: tuple[str, ...] = field(default=(), repr=False)


def configure(words: Sequence[str], environment: Mapping[str, str] = os.environ) -> Config:
    """The settings that the command line and the file it names ask for. Raises InvalidRequest with one sentence."""
    flags = parse(words)
    explicit = "config-file" in flags
    path = Path(str(flags.get("config-file", FLAGS["config-file"].default)))
    given = _merge(flags, _read_file(path, must_exist=explicit))
    for flag in FLAGS.values():
        if flag.absent and (asked := differences(given, flag)) is not None:
            raise InvalidRequest(f"--{flag.name}={_shown(asked)}: {flag.absent}")
    return _config(given, path, environment, tuple(words))


def _read_file(path: Path, *, must_exist: bool) -> dict[str, Value]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        if must_exist:
            raise InvalidRequest(_file_problem(path, "no such file or directory")) from None
        return {}
    except OSError as error:
        raise InvalidRequest(_file_problem(path, error.strerror or str(error))) from None
    if not data.strip():
        return {}
    try:
        content = json.parse(data, limit=_FILE_LIMIT)
        if not isinstance(content, dict):
            raise InvalidRequest("it does not hold a JSON object")
        if isinstance(proxies := content.pop(PROXIES, {}), dict):
            content |= proxies  # dockerd has them in an object of their own
        return {_flag_of(key).name: _file_value(_flag_of(key), value) for key, value in content.items()}
    except InvalidRequest as error:
        raise InvalidRequest(_file_problem(path, str(error))) from None


def _file_problem(path: Path, reason: str) -> str:
    return f"unable to configure the daemon with file {path}: {reason}"


def _flag_of(key: str) -> Flag:
    flag = BY_FILE_KEY.get(key)
    if flag is None or flag.name in COMMAND_LINE_ONLY:
        raise InvalidRequest(f"the following directives don't match any configuration option: {key}")
    return flag


def _file_value(flag: Flag, value: Any) -> Value:
    wrong = InvalidRequest(f"{flag.file_key}: a value of another type is expected, not {value!r}")
    if flag.kind is Kind.SWITCH and isinstance(value, bool):
        return value
    if flag.kind in (Kind.NUMBER, Kind.BYTES) and isinstance(value, int) and not isinstance(value, bool):
        return value
    if flag.kind is Kind.LIST and isinstance(value, list) and all(isinstance(each, str) for each in value):
        return value
    if flag.kind is Kind.MAP and isinstance(value, dict):
        return {name: _map_value(flag, each) for name, each in value.items()}
    if flag.kind in (Kind.TEXT, Kind.BYTES) and isinstance(value, str):
        try:
            return read(flag.kind, value)
        except ValueError:
            raise wrong from None
    raise wrong


def _map_value(flag: Flag, value: Any) -> str:
    """The file writes runtimes and ulimits as objects; the command line has one text for each."""
    if flag.name == "add-runtime" and isinstance(value, dict):
        return _runtime(value)
    if flag.name == "registries":
        return table_text(value)
    if flag.name == "default-ulimit" and isinstance(value, dict):
        return f"{value.get('Soft', '')}:{value.get('Hard', '')}"
    if isinstance(value, bool | int | str):
        return str(value).lower() if isinstance(value, bool) else str(value)
    raise InvalidRequest(f"{flag.file_key}: a text is expected, not {value!r}")


def _runtime(entry: dict[str, Any]) -> str:
    """The command line of a runtime: its program, and arguments for each call."""
    if entry.keys() - {"path", "runtimeArgs"}:
        # runtimeType names a containerd shim; there is no containerd here, but most of them come with a program, too.
        raise InvalidRequest("runtimes: only `path` and `runtimeArgs` are supported: give the path of an OCI runtime")
    words = [entry.get("path") or "", *(entry.get("runtimeArgs") or ())]
    if not words[0] or not all(isinstance(word, str) for word in words):
        raise InvalidRequest("runtimes: `path` must be the path of a program, and `runtimeArgs` a list of texts")
    return shlex.join(words)


def _merge(flags: dict[str, Value], file: dict[str, Value]) -> dict[str, Value]:
    both = sorted(flags.keys() & file.keys())
    if both:
        shown = ", ".join(
            f"{FLAGS[name].file_key}: (from flag: {_shown(flags[name])}, from file: {_shown(file[name])})"
            for name in both
        )
        raise InvalidRequest(
            f"the following directives are specified both as a flag and in the configuration file: {shown}"
        )
    return flags | file


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(map(str, value))
    if isinstance(value, dict):
        return ",".join(f"{name}={each}" for name, each in value.items())
    return str(value)


def _config(given: dict[str, Value], path: Path, environment: Mapping[str, str], words: tuple[str, ...]) -> Config:
    def value(name: str) -> Any:
        flag = FLAGS[name]
        empty: Any = {Kind.LIST: [], Kind.MAP: {}}.get(flag.kind)
        return given.get(name, flag.default if flag.default is not None else empty)

    data_root, exec_root = _absolute(value("data-root"), "data-root"), _absolute(value("exec-root"), "exec-root")
    runtimes = {OWN_RUNTIME: "", "runc": "runc"} | value("add-runtime")
    if OWN_RUNTIME in value("add-runtime"):
        raise InvalidRequest(f"runtime name '{OWN_RUNTIME}' is reserved")
    _one_of("default-runtime", value("default-runtime"), runtimes)
    _one_of("log-level", value("log-level"), LOG_LEVELS)
    _one_of("log-driver", value("log-driver"), LOG_DRIVERS)
    _one_of("storage-driver", value("storage-driver"), STORAGE_DRIVERS)
    _one_of("default-ipc-mode", value("default-ipc-mode"), ("shareable", "private"))
    _one_of("default-cgroupns-mode", value("default-cgroupns-mode"), ("", "host", "private"))
    return Config(
        hosts=tuple(value("host")) or (f"unix://{exec_root}/sampan.sock",),
        data_root=data_root,
        exec_root=exec_root,
        pidfile=Path(value("pidfile") or exec_root / "sampan.pid"),
        cgroup_parent=value("cgroup-parent"),
        bridge=value("bridge"),
        group=value("group"),
        debug=value("debug"),
        log_level="debug" if value("debug") else value("log-level"),
        labels=tuple(_label(label) for label in value("label")),
        storage_driver=STORAGE_DRIVERS[value("storage-driver")],
        **_tls(given, environment),
        default_runtime=value("default-runtime"),
        runtimes=runtimes,
        default_shm_size=value("default-shm-size"),
        default_ipc_mode=value("default-ipc-mode"),
        default_cgroupns_mode=value("default-cgroupns-mode"),
        default_ulimits={name: _ulimit(name, text) for name, text in value("default-ulimit").items()},
        init=value("init"),
        no_new_privileges=value("no-new-privileges"),
        seccomp_profile=value("seccomp-profile"),
        log_driver=value("log-driver"),
        log_opts=value("log-opt"),
        dns=tuple(value("dns")),
        dns_opts=tuple(value("dns-opt")),
        dns_search=tuple(value("dns-search")),
        host_gateway_ip=value("host-gateway-ip"),
        metrics_addr=value("metrics-addr"),
        userns_remap=subordinate.remap(value("userns-remap")) if value("userns-remap") else None,
        cdi_spec_dirs=tuple(str(_absolute(path, "cdi-spec-dir")) for path in value("cdi-spec-dir") or CDI_SPEC_DIRS),
        registries=registry_settings(value, environment),
        networks=network_settings(value),
        shutdown_timeout=value("shutdown-timeout"),
        config_file=path,
        words=words,
    )


def _absolute(text: str, name: str) -> Path:
    if not text.startswith("/"):
        raise InvalidRequest(f"--{name}={text}: an absolute path is expected")
    return Path(os.path.normpath(text))


def _one_of(name: str, value: str, accepted: Any) -> None:
    if value not in accepted:
        known = ", ".join(each for each in accepted if each)
        raise InvalidRequest(f"--{name}={value}: not known; there is {known}")


def _label(text: str) -> str:
    if "=" not in text or text.startswith("="):
        raise InvalidRequest(f"bad attribute format: {text}")
    return text


def _tls(given: Mapping[str, Value], environment: Mapping[str, str]) -> dict[str, Any]:
    directory = environment.get("DOCKER_CERT_PATH") or str(Path(environment.get("HOME", "/root")) / ".docker")
    verify = bool(given.get("tlsverify", False))
    names = {"tlscacert": "ca.pem", "tlscert": "cert.pem", "tlskey": "key.pem"}
    files = {flag: str(given.get(flag) or f"{directory}/{file}") for flag, file in names.items()}
    for flag, path in files.items():
        if verify and not os.access(path, os.R_OK):
            raise InvalidRequest(f"--{flag}: could not read {path}")
    return {"tlsverify": verify} | files


def _ulimit(name: str, text: str) -> tuple[int, int]:
    soft, _, hard = text.partition(":")
    try:
        pair = int(soft), int(hard or soft)
    except ValueError:
        raise InvalidRequest(f"--default-ulimit {name}={text}: SOFT[:HARD], both numbers, is expected") from None
    if pair[1] != -1 and (pair[0] == -1 or pair[0] > pair[1]):
        raise InvalidRequest(f"ulimit soft limit must be less than or equal to hard limit: {pair[0]} > {pair[1]}")
    return pair
