"""Who owns what COPY and ADD write, and with which permissions?

--chown: numbers, or names looked up in the /etc/passwd and /etc/group of the stage (read as data, never followed out of
it). --chmod: octal, or the symbolic form of chmod(1). Pure but for the two files.
"""

import re
from dataclasses import dataclass

from sampan.builder.tree import Tree
from sampan.errors import InvalidRequest

FILE_LIMIT = 1 << 20
MAX_ID = (1 << 31) - 1
CLAUSE = re.compile(r"([ugoa]*)((?:[-+=][rwxXst]*)+)", re.ASCII)
ACTION = re.compile(r"([-+=])([rwxXst]*)", re.ASCII)
BITS = {"r": 0o444, "w": 0o222, "x": 0o111}
WHO = {"u": 0o4700, "g": 0o2070, "o": 0o1007, "a": 0o7777}


@dataclass(frozen=True, slots=True)
class Owner:
    """A user and a group, in numbers."""

    uid: int
    gid: int


ROOT = Owner(0, 0)


def find_owner(text: str, tree: Tree) -> Owner:
    """`--chown=TEXT` in this stage. Raises InvalidRequest when a name is not known there."""
    user, colon, group = text.partition(":")
    if ":" in group or not (user or group):
        raise InvalidRequest(f"invalid chown string parse failure: {text}")
    uid, gid = _user(user, tree) if user else (0, 0)
    if colon and group:
        gid = _group(group, tree)
    return Owner(uid, gid)


def _user(user: str, tree: Tree) -> tuple[int, int]:
    if (number := _number(user)) is not None:
        return number, number
    for entry in _entries(tree, b"/etc/passwd", 4):
        if entry[0] == user:
            return _valid(entry[2]), _valid(entry[3])
    raise InvalidRequest(
        f"unable to convert uid/gid chown string to host mapping: can't find uid for user {user}: no such user: {user}"
    )


def _group(group: str, tree: Tree) -> int:
    if (number := _number(group)) is not None:
        return number
    for entry in _entries(tree, b"/etc/group", 3):
        if entry[0] == group:
            return _valid(entry[2])
    raise InvalidRequest(
        "unable to convert uid/gid chown string to host mapping: "
        f"can't find gid for group {group}: no such group: {group}"
    )


def _number(text: str) -> int | None:
    return _valid(text) if text.isascii() and text.isdecimal() else None


def _valid(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) > MAX_ID:
        raise InvalidRequest(f"uids and gids must be in range 0-{MAX_ID}: {text[:32]!r}")
    return int(text)


def _entries(tree: Tree, path: bytes, fields: int) -> list[list[str]]:
    lines = (tree.read(path, FILE_LIMIT) or b"").decode(errors="surrogateescape").splitlines()
    return [entry for entry in (line.strip().split(":") for line in lines) if len(entry) >= fields]


def check_chmod(text: str) -> None:
    """Raises InvalidRequest for what is no mode."""
    changed_mode(text, 0o644, is_directory=False)


def changed_mode(text: str, mode: int, *, is_directory: bool) -> int:
    """The permissions after `--chmod=TEXT`; "" leaves them."""
    if not text:
        return mode
    if re.fullmatch(r"[0-7]{1,5}", text):
        number = int(text, 8)
        if number <= 0o7777:
            return number
    clauses = [CLAUSE.fullmatch(clause) for clause in text.split(",")]
    if not all(clauses) or text.isdecimal():
        raise InvalidRequest(f"invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777")
    for clause in clauses:
        assert clause is not None
        who = 0
        for letter in clause[1] or "a":
            who |= WHO[letter]
        for action, letters in ACTION.findall(clause[2]):
            mode = _applied(mode, who, action, letters, is_directory)
    return mode


def _applied(mode: int, who: int, action: str, letters: str, is_directory: bool) -> int:
    bits = 0
    for letter in letters:
        if letter == "X":
            bits |= 0o111 if is_directory or mode & 0o111 else 0
        elif letter == "s":
            bits |= 0o6000
        elif letter == "t":
            bits |= 0o1000
        else:
            bits |= BITS[letter]
    bits &= who
    if action == "+":
        return mode | bits
    if action == "-":
        return mode & ~bits
    return mode & ~(who & 0o777) | bits
