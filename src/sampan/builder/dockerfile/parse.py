"""What does each line of a Dockerfile mean?

A `Node` in, an `Instruction` out; sentences are those of BuildKit's frontend/dockerfile/instructions. Pure.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from sampan.builder.dockerfile import instructions as said
from sampan.builder.dockerfile.errors import located, meant
from sampan.builder.dockerfile.flags import LIST, SWITCH, TEXT, Flags, parse_flags
from sampan.builder.dockerfile.lexer import Node, cut_flags
from sampan.builder.dockerfile.mounts import parse_mount
from sampan.errors import InvalidRequest
from sampan.images.words import cut
from sampan.wire import timestamps

STAGE_NAME = re.compile(r"[a-z][a-z0-9-_.]*")
NETWORKS = ("default", "none", "host")
SECURITIES = ("sandbox", "insecure")
ONE_MILLISECOND = 10**6
ARRAY_OF_OTHERS = "when using JSON array syntax, arrays must be comprised of strings only"

TRANSFER_FLAGS = {"chown": TEXT, "chmod": TEXT, "link": SWITCH, "exclude": LIST}
HEALTH_FLAGS = dict.fromkeys(("interval", "timeout", "start-period", "start-interval", "retries"), TEXT)
FLAGS: Mapping[str, Mapping[str, str]] = {
    "FROM": {"platform": TEXT},
    "COPY": {**TRANSFER_FLAGS, "from": TEXT, "parents": SWITCH},
    "ADD": {**TRANSFER_FLAGS, "checksum": TEXT, "keep-git-dir": SWITCH, "unpack": SWITCH},
    "RUN": {"mount": LIST, "network": TEXT, "security": TEXT, "device": LIST},
    "HEALTHCHECK": HEALTH_FLAGS,
}


def parse_node(node: Node) -> said.Instruction:
    """The instruction that a node is. Raises DockerfileError."""
    keyword = node.keyword
    try:
        found = PARSERS.get(keyword)
        if found is None:
            raise InvalidRequest(f"unknown instruction: {node.name}{meant(keyword, PARSERS)}")
        return found(node, parse_flags(node.flags, FLAGS.get(keyword, {})))
    except InvalidRequest as error:
        raise located(error, node.line, node.end_line, node.column) from None


def _from(node: Node, flags: Flags) -> said.Instruction:
    words = node.rest.split()
    if len(words) == 3 and words[1].lower() == "as":
        stage = words[2].lower()
        if not STAGE_NAME.fullmatch(stage):
            raise InvalidRequest(
                f'invalid name for build stage: "{words[2]}", name can\'t start with a number or contain symbols'
            )
    elif len(words) == 1:
        stage = ""
    else:
        raise InvalidRequest("FROM requires either one argument, or three: FROM <source> [as <name>]")
    return said.From(node=node, image=words[0], stage=stage, platform=flags.text("platform"))


def _arg(node: Node, flags: Flags) -> said.Instruction:
    pairs: list[tuple[str, str | None]] = []
    for word in _at_least_one(node, cut(node.rest, node.escape)):
        name, equals, value = word.partition("=")
        if not name:
            raise InvalidRequest("ARG names can not be blank")
        pairs.append((name, value if equals else None))
    return said.Arg(node=node, pairs=tuple(pairs))


def _pairs(node: Node) -> tuple[tuple[tuple[str, str], ...], bool]:
    words = _at_least_one(node, cut(node.rest, node.escape))
    legacy = "=" not in words[0]
    if legacy:
        old = node.rest.split(None, 1)
        if len(old) < 2:
            raise InvalidRequest(f"{node.keyword} must have two arguments")
        pairs = [(old[0], old[1])]
    else:
        for word in words:
            if "=" not in word:
                raise InvalidRequest(f'Syntax error - can\'t find = in "{word}". Must be of the form: name=value')
        pairs = [(name, value) for name, _, value in (word.partition("=") for word in words)]
    if not all(name for name, _ in pairs):
        raise InvalidRequest(f"{node.keyword} names can not be blank")
    return tuple(pairs), legacy


def _env(node: Node, flags: Flags) -> said.Instruction:
    pairs, legacy = _pairs(node)
    return said.Env(node=node, pairs=pairs, legacy=legacy)


def _label(node: Node, flags: Flags) -> said.Instruction:
    pairs, legacy = _pairs(node)
    return said.Label(node=node, pairs=pairs, legacy=legacy)


def _maintainer(node: Node, flags: Flags) -> said.Instruction:
    return said.Maintainer(node=node, name=_exactly_one(node))


def _transfer(node: Node, flags: Flags) -> dict[str, Any]:
    """What COPY and ADD have in common."""
    words = _json_words(node.rest)
    words = cut_plain(node.rest) if words is None else words
    if len(words) < 2:
        raise InvalidRequest(
            f"{node.keyword} requires at least two arguments"
            + (", but only one was provided. Destination could not be determined" if words else "")
        )
    *sources, target = words
    opened = {heredoc.name: heredoc for heredoc in node.heredocs}
    if target.startswith("<<") and target.lstrip("<-").strip("'\"") in opened:
        raise InvalidRequest(f"{node.keyword} cannot accept a heredoc as a destination")
    plain = [word for word in sources if not (word.startswith("<<") and word.lstrip("<-").strip("'\"") in opened)]
    return {
        "node": node,
        "sources": tuple(plain),
        "target": target,
        "heredocs": node.heredocs,
        "chown": flags.text("chown"),
        "chmod": flags.text("chmod"),
        "link": flags.switch("link"),
        "exclude": flags.all("exclude"),
    }


def _copy(node: Node, flags: Flags) -> said.Instruction:
    return said.Copy(**_transfer(node, flags), from_=flags.text("from"), parents=flags.switch("parents"))


def _add(node: Node, flags: Flags) -> said.Instruction:
    return said.Add(
        **_transfer(node, flags),
        checksum=flags.text("checksum"),
        keep_git_dir=flags.maybe("keep-git-dir"),
        unpack=flags.maybe("unpack"),
    )


def _command(node: Node) -> tuple[tuple[str, ...], bool]:
    words = _json_words(node.rest)
    if words is not None:
        return tuple(words), False
    return ((node.rest,) if node.rest else ()), True


def _run(node: Node, flags: Flags) -> said.Instruction:
    words, is_shell = _command(node)
    if not words and not node.heredocs:
        raise InvalidRequest("RUN requires at least one argument")
    network, security = flags.text("network"), flags.text("security")
    if "network" in flags.values and network not in NETWORKS:
        raise InvalidRequest(f'unsupported network mode "{network}"{meant(network, NETWORKS)}')
    if "security" in flags.values and security not in SECURITIES:
        raise InvalidRequest(f'security "{security}" is not valid{meant(security, SECURITIES)}')
    if flags.all("device"):
        raise InvalidRequest("RUN --device is not supported: this builder gives no devices to a step")
    for mount in flags.all("mount"):
        parse_mount(mount)
    return said.Run(
        node=node, words=words, is_shell=is_shell, mounts=flags.all("mount"), network=network, security=security,
        heredocs=node.heredocs,
    )  # fmt: skip


def _cmd(node: Node, flags: Flags) -> said.Instruction:
    words, is_shell = _command(node)
    return said.Cmd(node=node, words=words, is_shell=is_shell)


def _entrypoint(node: Node, flags: Flags) -> said.Instruction:
    words, is_shell = _command(node)
    return said.Entrypoint(node=node, words=words, is_shell=is_shell)


def _shell(node: Node, flags: Flags) -> said.Instruction:
    words = _json_words(node.rest)
    if words is None:
        raise InvalidRequest("SHELL requires the arguments to be in JSON form")
    return said.Shell(node=node, words=tuple(_at_least_one(node, words)))


def _expose(node: Node, flags: Flags) -> said.Instruction:
    return said.Expose(node=node, ports=tuple(sorted(_at_least_one(node, node.rest.split()))))


def _volume(node: Node, flags: Flags) -> said.Instruction:
    words = _json_words(node.rest)
    paths = [word.strip() for word in _at_least_one(node, node.rest.split() if words is None else words)]
    if not all(paths):
        raise InvalidRequest("VOLUME specified can not be an empty string")
    return said.Volume(node=node, paths=tuple(paths))


def _user(node: Node, flags: Flags) -> said.Instruction:
    return said.User(node=node, user=_exactly_one(node))


def _workdir(node: Node, flags: Flags) -> said.Instruction:
    return said.Workdir(node=node, path=_exactly_one(node))


def _stop_signal(node: Node, flags: Flags) -> said.Instruction:
    return said.StopSignal(node=node, signal=_exactly_one(node))


def _healthcheck(node: Node, flags: Flags) -> said.Instruction:
    kind, _, command = node.rest.partition(" ")
    command = command.strip()
    if not kind:
        raise InvalidRequest("HEALTHCHECK requires at least one argument")
    if kind.upper() == "NONE":
        if command:
            raise InvalidRequest("HEALTHCHECK NONE takes no arguments")
        return said.Healthcheck(node=node, test=("NONE",))
    if kind.upper() != "CMD":
        raise InvalidRequest(f'Unknown type "{kind.upper()}" in HEALTHCHECK (try CMD)')
    words = _json_words(command)
    if not command or words == []:
        raise InvalidRequest("Missing command after HEALTHCHECK CMD")
    return said.Healthcheck(
        node=node,
        test=("CMD-SHELL", command) if words is None else ("CMD", *words),
        interval_ns=_duration(flags, "interval"),
        timeout_ns=_duration(flags, "timeout"),
        start_period_ns=_duration(flags, "start-period"),
        start_interval_ns=_duration(flags, "start-interval"),
        retries=_retries(flags.text("retries")),
    )


def _duration(flags: Flags, name: str) -> int:
    text = flags.text(name)
    if not text:
        return 0
    duration = timestamps.duration(text)
    if duration < 0:
        raise InvalidRequest(f'Interval "{name}" cannot be less than 0')
    if 0 < duration < ONE_MILLISECOND:
        raise InvalidRequest(f'Interval "{name}" cannot be less than 1ms')
    return duration


def _retries(text: str) -> int:
    if not text:
        return 0
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise InvalidRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    if int(text) < 0:
        raise InvalidRequest(f"--retries cannot be negative ({int(text)})")
    return int(text)


def _onbuild(node: Node, flags: Flags) -> said.Instruction:
    words = node.rest.split(None, 1)
    if not words:
        raise InvalidRequest("ONBUILD requires at least one argument")
    trigger = words[0].upper()
    if trigger == "ONBUILD":
        raise InvalidRequest("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if trigger in ("FROM", "MAINTAINER"):
        raise InvalidRequest(f"{trigger} isn't allowed as an ONBUILD trigger")
    inner_flags, rest = cut_flags(words[1] if len(words) > 1 else "", node.escape)
    inner = Node(
        name=words[0], rest=rest, flags=inner_flags, original=node.rest, line=node.line, end_line=node.end_line,
        column=node.column, escape=node.escape, heredocs=node.heredocs,
    )  # fmt: skip
    expression = node.rest
    for heredoc in node.heredocs:
        expression += f"\n{heredoc.content}{heredoc.name}"
    return said.OnBuild(node=node, expression=expression, trigger=parse_node(inner))


def cut_plain(text: str) -> list[str]:
    """The blank-separated words of text without quoting, heredoc words whole."""
    return cut(text) if "<<" in text else text.split()


def _json_words(rest: str) -> list[str] | None:
    """The strings of a JSON array, None when it is none. Raises InvalidRequest for an array of other things."""
    if not rest.startswith("["):
        return None
    try:
        words = json.loads(rest)
    except (ValueError, RecursionError):
        return None
    if not isinstance(words, list):
        return None
    if not all(isinstance(word, str) for word in words):
        raise InvalidRequest(ARRAY_OF_OTHERS)
    return words


def _at_least_one(node: Node, words: list[str]) -> list[str]:
    if not words:
        raise InvalidRequest(f"{node.keyword} requires at least one argument")
    return words


def _exactly_one(node: Node) -> str:
    if not node.rest:
        raise InvalidRequest(f"{node.keyword} requires exactly one argument")
    return node.rest


PARSERS: Mapping[str, Callable[[Node, Flags], said.Instruction]] = {
    "ADD": _add,
    "ARG": _arg,
    "CMD": _cmd,
    "COPY": _copy,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "FROM": _from,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "MAINTAINER": _maintainer,
    "ONBUILD": _onbuild,
    "RUN": _run,
    "SHELL": _shell,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
