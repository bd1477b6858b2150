"""What does `--change "ENV A=b"` do to an image's defaults?

`docker import` and `docker commit` take Dockerfile instructions that touch nothing but the config: CMD ENTRYPOINT ENV
EXPOSE HEALTHCHECK LABEL ONBUILD STOPSIGNAL USER VOLUME WORKDIR. The config is the JSON object of an image config
(Docker's field names); sentences are dockerd's.
"""

import json
import posixpath
import re
from collections.abc import Callable, Iterable
from typing import Any

from sampan.errors import InvalidRequest
from sampan.images.words import cut, expand
from sampan.wire import timestamps

Config = dict[str, Any]

_CONTINUED = re.compile(r"\\[ \t]*$")
_PORT = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
_ONE_MILLISECOND = 10**6


def apply_changes(config: Config, changes: Iterable[str]) -> Config:
    """A copy of `config` after all instructions, in order. Raises InvalidRequest."""
    changed: Config = json.loads(json.dumps(config))
    lines = [line for change in changes for line in _instructions(change)]
    cmd_is_set = False
    for name, rest in lines:
        instruction = _INSTRUCTIONS.get(name)
        if instruction is None:
            raise InvalidRequest(f"{name.lower()} is not a valid change command")
        if not rest and name not in ("CMD", "ENTRYPOINT"):
            needs = "exactly one argument" if name in ("USER", "WORKDIR", "STOPSIGNAL") else "at least one argument"
            raise InvalidRequest(f"{name} requires {needs}")
        instruction(changed, rest)
        cmd_is_set = cmd_is_set or name == "CMD"
        if name == "ENTRYPOINT" and not cmd_is_set:
            # The image's CMD was meant for the old entrypoint.
            changed["Cmd"] = None
    return changed


def _instructions(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    pending = ""
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if _CONTINUED.search(line):
            pending += _CONTINUED.sub("", line)
            continue
        name, _, rest = (pending + line).strip().partition(" ")
        found.append((name.upper(), rest.strip()))
        pending = ""
    if pending:
        name, _, rest = pending.strip().partition(" ")
        found.append((name.upper(), rest.strip()))
    if not found:
        raise InvalidRequest("file with no instructions")
    return found


def _variables(config: Config) -> dict[str, str]:
    return {name: value for name, _, value in (item.partition("=") for item in config.get("Env") or [])}


def _pairs(config: Config, rest: str, instruction: str) -> list[tuple[str, str]]:
    words = cut(rest)
    if "=" in words[0]:
        for word in words:
            if "=" not in word:
                raise InvalidRequest(f'Syntax error - can\'t find = in "{word}". Must be of the form: name=value')
        raw = [tuple(word.split("=", 1)) for word in words]
    else:
        # The old form: one name, and everything after it is the value.
        raw = [tuple(rest.split(None, 1))]
        if len(raw[0]) < 2:
            raise InvalidRequest(f"{instruction} must have two arguments")
    variables = _variables(config)
    pairs = [(expand(name, variables), expand(value, variables)) for name, value in raw]
    if not all(name for name, _ in pairs):
        raise InvalidRequest(f"{instruction} names can not be blank")
    return pairs


def _env(config: Config, rest: str) -> None:
    env: list[str] = list(config.get("Env") or [])
    for name, value in _pairs(config, rest, "ENV"):
        positions = [position for position, item in enumerate(env) if item.partition("=")[0] == name]
        if positions:
            env[positions[0]] = f"{name}={value}"
        else:
            env.append(f"{name}={value}")
    config["Env"] = env


def _label(config: Config, rest: str) -> None:
    config["Labels"] = {**(config.get("Labels") or {}), **dict(_pairs(config, rest, "LABEL"))}


def _json_words(rest: str) -> list[str] | None:
    if not rest.startswith("["):
        return None
    try:
        words = json.loads(rest)
    except ValueError:
        return None
    return words if isinstance(words, list) and all(isinstance(word, str) for word in words) else None


def _command(config: Config, rest: str) -> list[str]:
    words = _json_words(rest)
    if words is not None:
        return words
    return [*(config.get("Shell") or ["/bin/sh", "-c"]), rest] if rest else []


def _cmd(config: Config, rest: str) -> None:
    config["Cmd"] = _command(config, rest)


def _entrypoint(config: Config, rest: str) -> None:
    config["Entrypoint"] = _command(config, rest) or None


def exposed_ports(words: Iterable[str]) -> list[str]:
    """`80`, `8000-8002/udp` as the config has them, sorted: `80/tcp`, … Raises InvalidRequest."""
    ports: set[str] = set()
    for word in words:
        address, _, protocol = word.partition("/")
        port = address.rpartition(":")[2]
        protocol = protocol.lower() or "tcp"
        if not port:
            raise InvalidRequest(f"No port specified: {word}<empty>")
        if protocol not in ("tcp", "udp", "sctp"):
            raise InvalidRequest(f"Invalid proto: {protocol}")
        match = _PORT.fullmatch(port)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last <= 65535:
            raise InvalidRequest(f"Invalid containerPort: {port}")
        ports |= {f"{number}/{protocol}" for number in range(first, last + 1)}
    return sorted(ports)


def _expose(config: Config, rest: str) -> None:
    ports = exposed_ports(expand(rest, _variables(config)).split())
    config["ExposedPorts"] = {port: {} for port in sorted({*(config.get("ExposedPorts") or {}), *ports})}


def _user(config: Config, rest: str) -> None:
    config["User"] = expand(rest, _variables(config))


def _workdir(config: Config, rest: str) -> None:
    path = expand(rest, _variables(config))
    if not path:
        raise InvalidRequest("cannot normalize nothing")
    joined = posixpath.normpath(posixpath.join("/", config.get("WorkingDir") or "/", path))
    config["WorkingDir"] = "/" + joined.lstrip("/")  # POSIX lets normpath keep two leading slashes


def _volume(config: Config, rest: str) -> None:
    words = _json_words(rest)
    volumes = [expand(word, _variables(config)).strip() for word in (cut(rest) if words is None else words)]
    if not all(volumes):
        raise InvalidRequest("VOLUME specified can not be an empty string")
    config["Volumes"] = {path: {} for path in sorted({*(config.get("Volumes") or {}), *volumes})}


def _stop_signal(config: Config, rest: str) -> None:
    signal = expand(rest, _variables(config))
    if not re.fullmatch(r"\d{1,2}|[A-Za-z][A-Za-z0-9+-]*", signal):
        raise InvalidRequest(f"Invalid signal: {signal}")
    config["StopSignal"] = signal


def _on_build(config: Config, rest: str) -> None:
    trigger = rest.split()[0].upper()
    if trigger == "ONBUILD":
        raise InvalidRequest("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if trigger in ("MAINTAINER", "FROM"):
        raise InvalidRequest(f"{trigger} isn't allowed as an ONBUILD trigger")
    config["OnBuild"] = [*(config.get("OnBuild") or []), rest]


def _healthcheck(config: Config, rest: str) -> None:
    flags: dict[str, str] = {}
    while rest.startswith("--"):
        flag, _, rest = rest.partition(" ")
        name, _, value = flag[2:].partition("=")
        if name not in _HEALTHCHECK_FLAGS:
            raise InvalidRequest(f"Unknown flag: {name}")
        if name in flags:
            raise InvalidRequest(f"Duplicate flag specified: {name}")
        flags[name] = value
        rest = rest.lstrip()
    kind, _, command = rest.partition(" ")
    command = command.strip()
    if kind.upper() == "NONE":
        if command:
            raise InvalidRequest("HEALTHCHECK NONE takes no arguments")
        config["Healthcheck"] = {"Test": ["NONE"]}
        return
    if kind.upper() != "CMD":
        raise InvalidRequest(f'Unknown type "{kind.upper()}" in HEALTHCHECK (try CMD)')
    if not command:
        raise InvalidRequest("Missing command after HEALTHCHECK CMD")
    words = _json_words(command)
    test = ["CMD-SHELL", command] if words is None else ["CMD", *words]
    settings = {_HEALTHCHECK_FLAGS[name]: _healthcheck_value(name, value) for name, value in flags.items()}
    config["Healthcheck"] = {"Test": test} | {name: value for name, value in settings.items() if value}


def _healthcheck_value(name: str, value: str) -> int:
    if name == "retries":
        if not re.fullmatch(r"\d{1,9}", value):
            raise InvalidRequest(f"--retries must be a number, 0 or more: {value!r}")
        return int(value)
    duration = timestamps.duration(value)
    if 0 < duration < _ONE_MILLISECOND:
        raise InvalidRequest(f'Interval "{name}" cannot be less than 1ms')
    return duration


_HEALTHCHECK_FLAGS = {
    "interval": "Interval",
    "timeout": "Timeout",
    "start-period": "StartPeriod",
    "start-interval": "StartInterval",
    "retries": "Retries",
}
_INSTRUCTIONS: dict[str, Callable[[Config, str], None]] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "ONBUILD": _on_build,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
