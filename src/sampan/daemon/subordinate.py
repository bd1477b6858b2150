"""Whose ids on the host do containers' users get, when the daemon is told `--userns-remap`?

`default` (the user dockremap), `USER[:GROUP]` or `UID[:GID]`: the first range that subuid(5) and subgid(5) give them,
as dockerd has it. `FIRST-COUNT` is such a range itself, for a machine whose files shall stay as they are.
"""

import grp
import pwd
import re
from pathlib import Path

from sampan.containers.host import IdMap
from sampan.errors import InvalidRequest

DEFAULT_USER = "dockremap"
RANGE = re.compile(r"([0-9]{1,10})-([0-9]{1,10})")
LEAST, MOST = 65_536, 1 << 32


def remap(text: str, files: tuple[str, str] = ("/etc/subuid", "/etc/subgid")) -> tuple[IdMap, IdMap]:
    """The ranges for users and groups. Raises InvalidRequest."""
    if match := RANGE.fullmatch(text):
        found = _checked((int(match[1]), int(match[2])), text)
        return found, found
    user, _, group = text.partition(":")
    user = DEFAULT_USER if user == "default" else user
    return _range(files[0], _names_of_user(user), user), _range(files[1], _names_of_group(group or user), group or user)


def _range(path: str, names: set[str], asked: str) -> IdMap:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        name, _, rest = line.partition(":")
        first, colon, count = rest.partition(":")
        if name in names and colon and first.isdecimal() and count.isdecimal():
            return _checked((int(first), int(count)), f"{asked} in {path}")
    kind = "subuid" if path.endswith("subuid") else "subgid"
    raise InvalidRequest(
        f'Can\'t create ID mappings: no {kind} ranges found for user "{asked}" in {path}: '
        f"add a line such as {asked}:100000:65536, or give the range itself: --userns-remap 100000-65536"
    )


def _checked(found: IdMap, where: str) -> IdMap:
    first, count = found
    if first < 1 or count < LEAST or first + count > MOST:
        raise InvalidRequest(f"--userns-remap {where}: a range of {LEAST} ids or more, without root, is needed")
    return found


def _names_of_user(user: str) -> set[str]:
    try:
        entry = pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
    except (KeyError, OverflowError):
        return {user}
    return {entry.pw_name, str(entry.pw_uid)}


def _names_of_group(group: str) -> set[str]:
    try:
        entry = grp.getgrgid(int(group)) if group.isdecimal() else grp.getgrnam(group)
    except (KeyError, OverflowError):
        return {group}
    return {entry.gr_name, str(entry.gr_gid)}
