"""What do the instructions do that touch nothing but the image's config?

ENV LABEL CMD ENTRYPOINT EXPOSE VOLUME USER SHELL STOPSIGNAL HEALTHCHECK ONBUILD MAINTAINER ARG: each a function of the
state, with BuildKit's rules and its words for the history.
"""

import json
import re
import signal
from collections.abc import Callable, Mapping
from typing import Any

from sampan.builder.dockerfile import instructions as said
from sampan.builder.state import PROXIES, State
from sampan.errors import InvalidRequest
from sampan.images.changes import exposed_ports

SIGNAL_NUMBER = re.compile(r"[0-9]{1,2}", re.ASCII)
REALTIME = re.compile(r"RT(MIN|MAX)([+-][0-9]{1,2})?", re.ASCII)
SIGNALS = frozenset(name.removeprefix("SIG") for name in signal.Signals.__members__)
HIGHEST_SIGNAL = 64


def configure(state: State, instruction: said.Instruction, given: Mapping[str, str | None]) -> str | None:
    """Change the state; the history's words, None when it has none. Raises InvalidRequest.

    `given` are the build arguments of the request.
    """
    if isinstance(instruction, said.Arg):
        return _arg(state, instruction, given)
    return APPLY[type(instruction)](state, instruction)


def is_config(instruction: said.Instruction) -> bool:
    """Whether `configure` is what obeys it."""
    return isinstance(instruction, said.Arg) or type(instruction) in APPLY


def _env(state: State, instruction: said.Env) -> str:
    # All of one ENV are expanded before any is set: `ENV a=$b b=1` uses the old b.
    pairs = [(state.expand(name, instruction), state.expand(value, instruction)) for name, value in instruction.pairs]
    state.env.update(pairs)
    return "ENV " + " ".join(f"{name}={value}" for name, value in pairs)


def _label(state: State, instruction: said.Label) -> str:
    pairs = [(state.expand(name, instruction), state.expand(value, instruction)) for name, value in instruction.pairs]
    labels = state.config["Labels"] = state.config.get("Labels") or {}
    labels.update(pairs)
    return "LABEL " + " ".join(f"{name}={value}" for name, value in pairs)


def _maintainer(state: State, instruction: said.Maintainer) -> str:
    state.author = instruction.name
    return f"MAINTAINER {instruction.name}"


def command_words(state: State, instruction: said.Command) -> list[str]:
    """The words that are executed: the shell and the text, or the JSON form's own."""
    return [*state.shell, *instruction.words] if instruction.is_shell else list(instruction.words)


def _cmd(state: State, instruction: said.Cmd) -> str:
    words = command_words(state, instruction) if instruction.words else []
    state.config["Cmd"] = words
    state.cmd_is_set = True
    return f"CMD {_quoted(words)}"


def _entrypoint(state: State, instruction: said.Entrypoint) -> str:
    words = command_words(state, instruction) if instruction.words else []
    state.config["Entrypoint"] = words
    if not state.cmd_is_set:
        state.config["Cmd"] = None  # the base image's CMD was meant for its own entrypoint
    return f"ENTRYPOINT {_quoted(words)}"


def _expose(state: State, instruction: said.Expose) -> str:
    words = [word for port in instruction.ports for word in state.expand_words(port, instruction)]
    ports = exposed_ports(words)
    state.config["ExposedPorts"] = {port: {} for port in sorted({*(state.config.get("ExposedPorts") or {}), *ports})}
    return f"EXPOSE [{' '.join(ports)}]"


def _volume(state: State, instruction: said.Volume) -> str:
    paths = [state.expand(path, instruction).strip() for path in instruction.paths]
    if not all(paths):
        raise InvalidRequest("VOLUME specified can not be an empty string")
    state.config["Volumes"] = {path: {} for path in sorted({*(state.config.get("Volumes") or {}), *paths})}
    return f"VOLUME [{' '.join(paths)}]"


def _user(state: State, instruction: said.User) -> str:
    state.config["User"] = state.expand(instruction.user, instruction)
    return f"USER {state.config['User']}"


def _shell(state: State, instruction: said.Shell) -> str:
    state.config["Shell"] = list(instruction.words)
    return f"SHELL [{' '.join(instruction.words)}]"


def _stop_signal(state: State, instruction: said.StopSignal) -> str:
    text = state.expand(instruction.signal, instruction)
    name = text.upper().removeprefix("SIG")
    is_number = bool(SIGNAL_NUMBER.fullmatch(text)) and 0 < int(text) <= HIGHEST_SIGNAL
    if not (is_number or name in SIGNALS or REALTIME.fullmatch(name)):
        raise InvalidRequest(f"Invalid signal: {text}")
    state.config["StopSignal"] = text
    return f"STOPSIGNAL {text}"


def _healthcheck(state: State, instruction: said.Healthcheck) -> str:
    found = {
        "Test": list(instruction.test),
        "Interval": instruction.interval_ns,
        "Timeout": instruction.timeout_ns,
        "StartPeriod": instruction.start_period_ns,
        "StartInterval": instruction.start_interval_ns,
        "Retries": instruction.retries,
    }
    state.config["Healthcheck"] = {name: value for name, value in found.items() if value}
    return f"HEALTHCHECK {json.dumps(state.config['Healthcheck'], separators=(',', ':'))}"


def _onbuild(state: State, instruction: said.OnBuild) -> str:
    state.config["OnBuild"] = [*(state.config.get("OnBuild") or []), instruction.expression]
    return f"ONBUILD {instruction.expression}"


def _arg(state: State, instruction: said.Arg, given: Mapping[str, str | None]) -> str:
    """A name comes into scope. Its value: the request's, its default, what it had before FROM, the predefined one."""
    told = []
    for name, default in instruction.pairs:
        state.declared[name] = None
        asked = given.get(name)
        value = asked if asked is not None else None
        if value is None and default is not None:
            value = state.expand(default, instruction)
        if value is None:
            value = state.globals.get(name)
        if value is not None:
            state.arguments[name] = value
        told.append(name if value is None or name in PROXIES else f"{name}={value}")
    return "ARG " + " ".join(told)


def _quoted(words: list[str]) -> str:
    """As Go's %q prints a slice of strings."""
    return "[" + " ".join(json.dumps(word, ensure_ascii=False) for word in words) + "]"


APPLY: Mapping[type[said.Instruction], Callable[[State, Any], str]] = {
    said.Env: _env,
    said.Label: _label,
    said.Maintainer: _maintainer,
    said.Cmd: _cmd,
    said.Entrypoint: _entrypoint,
    said.Expose: _expose,
    said.Volume: _volume,
    said.User: _user,
    said.Shell: _shell,
    said.StopSignal: _stop_signal,
    said.Healthcheck: _healthcheck,
    said.OnBuild: _onbuild,
}
