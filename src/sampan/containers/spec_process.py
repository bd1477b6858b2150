"""What is the process of a container: program, user, environment, limits?

Pure; the `process` part of the OCI runtime spec (config.md, "Process").
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sampan.containers.capabilities import chosen
from sampan.containers.host import Host, Options
from sampan.containers.model import Container
from sampan.containers.security import Security
from sampan.errors import InvalidRequest
from sampan.linux.rlimit import RLIMITS
from sampan.wire.containers import Ulimit

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NUMERIC_USER = re.compile(r"([0-9]+):([0-9]+)")
MAX_ID = (1 << 31) - 1
UNLIMITED = (1 << 64) - 1


def process(container: Container, security: Security, *, host: Host, options: Options) -> dict[str, Any]:
    """The first process of the container."""
    config, asked = container.config, container.host
    capabilities = chosen(
        asked.cap_add or (), asked.cap_drop or (), privileged=asked.privileged, available=host.capabilities
    )
    result: dict[str, Any] = {
        "terminal": config.tty,
        "user": user(config.user, asked.group_add or ()),
        "args": container.argv,
        "env": environment(config.env or (), hostname=config.hostname, terminal=config.tty),
        "cwd": config.working_dir or "/",
        "capabilities": capability_sets(capabilities, config.user),
        "rlimits": rlimits(asked.ulimits or (), options.default_ulimits),
        "noNewPrivileges": security.no_new_privileges,
        "oomScoreAdj": asked.oom_score_adj,
    }
    if config.tty and asked.console_size[0] and asked.console_size[1]:
        result["consoleSize"] = {"height": asked.console_size[0], "width": asked.console_size[1]}
    return result


def user(text: str, groups: Sequence[str]) -> dict[str, Any]:
    """`uid:gid` in numbers as such; anything else is looked up inside the container by the runtime.

    A lone number is looked up, too: its entry in /etc/passwd, if any, decides the group and the home directory.
    """
    numbers = [int(group) for group in groups if group.isdecimal()]
    match = NUMERIC_USER.fullmatch(text)
    if match is None:
        return {"username": text or "0", **({"additionalGids": numbers} if numbers else {})}
    uid, gid = int(match[1]), int(match[2])
    # The primary group is a supplementary one, too: else setgid(2) drops it, and with it a permission denied to it.
    return {"uid": uid, "gid": gid, "additionalGids": list(dict.fromkeys((gid, *numbers)))}


def check_user(text: str) -> None:
    """Could this ever name a user? Raises InvalidRequest."""
    if text and (not text.isprintable() or text != text.strip()):
        raise InvalidRequest(f"invalid user: {text!r}")
    for part in text.split(":"):
        if part.isdecimal() and int(part) > MAX_ID:
            raise InvalidRequest(f"uids and gids must be in range 0-{MAX_ID}")


def capability_sets(names: Sequence[str], user_text: str) -> dict[str, list[str]]:
    """Bounding always; permitted and effective for root only, as execve(2) would leave a user without them.

    Where the user is a name, the runtime empties them when the name turns out not to be root. Inheritable and ambient
    stay empty: what the program runs must not get more than the program.
    """
    uid = user_text.partition(":")[0]
    if uid.isdecimal() and int(uid) != 0:
        return {"bounding": list(names)}
    return {"bounding": list(names), "effective": list(names), "permitted": list(names)}


def environment(asked: Iterable[str], *, hostname: str, terminal: bool) -> list[str]:
    """Docker's variables, then those asked for; a later one of the same name takes the earlier's place.

    A name without `=` takes the variable away.
    """
    defaults = [PATH, f"HOSTNAME={hostname}", *(["TERM=xterm"] if terminal else [])]
    result: dict[str, str] = {}
    for variable in (*defaults, *asked):
        name, equals, _ = variable.partition("=")
        if equals:
            result[name] = variable
        else:
            result.pop(name, None)
    return list(result.values())


def rlimits(asked: Sequence[Ulimit], defaults: Mapping[str, tuple[int, int]]) -> list[dict[str, Any]]:
    """The limits asked for, and the daemon's for those that were not."""
    limits = {limit.name.lower(): (limit.soft, limit.hard) for limit in asked}
    return [
        {"type": f"RLIMIT_{name.upper()}", "hard": _number(hard), "soft": _number(soft)}
        for name, (soft, hard) in {**limits, **{n: v for n, v in defaults.items() if n not in limits}}.items()
    ]


def check_ulimits(ulimits: Iterable[Ulimit]) -> None:
    """Does each name a limit, and is soft within hard? Raises InvalidRequest."""
    for limit in ulimits:
        if f"RLIMIT_{limit.name.upper()}" not in RLIMITS:
            raise InvalidRequest(f"invalid ulimit type: {limit.name}")
        if limit.hard != -1 and (limit.soft == -1 or limit.soft > limit.hard):
            raise InvalidRequest(
                f"ulimit soft limit must be less than or equal to hard limit: {limit.soft} > {limit.hard}"
            )


def _number(limit: int) -> int:
    return UNLIMITED if limit == -1 else limit
