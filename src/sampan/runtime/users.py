"""Which numbers does a user's name have inside the container?

/etc/passwd and /etc/group come from the image: they are opened inside the root, must be regular files, and are read
up to a bound (security catalogue A18–A20). A number is never looked up as a name. passwd(5), group(5).
"""

from collections.abc import Iterator

from sampan.linux.inside import read_in_root
from sampan.runtime.plan import User
from sampan.runtime.plan_process import MAX_ID
from sampan.runtime.status import StartFailed

FILE_LIMIT = 1 << 20
LINE_LIMIT = 1 << 16
GROUPS_LIMIT = 1 << 16


def resolve(user: User, root: int) -> tuple[int, int, list[int], str]:
    """(uid, gid, supplementary groups, home) of `user` inside `root`. Raises StartFailed in docker's words."""
    if not user.name and not user.extra_groups:
        lines = _entries_if_readable(root, "/etc/passwd", 6)
        home = next((entry[5] for entry in lines if entry[2] == str(user.uid)), "/")
        return user.uid, user.gid, [*user.groups], home or "/"
    name, separator, group = user.name.partition(":")
    uid, gid, home, login = _user(name or str(user.uid), root)
    # Groups of the user's own come from /etc/group, unless the request names a group itself (docker run --user u:g).
    groups = [] if separator and group else _memberships(login, root)
    if separator and group:
        gid = _group(group, root)
    groups += [_group(extra, root) for extra in user.extra_groups]
    return uid, gid, list(dict.fromkeys([gid, *user.groups, *groups])), home or "/"


def _user(name: str, root: int) -> tuple[int, int, str, str]:
    number = _number(name)
    # A number stands for itself: user files that cannot be read only cost it its home and groups.
    lines = _entries(root, "/etc/passwd", 6) if number is None else _entries_if_readable(root, "/etc/passwd", 6)
    for entry in lines:
        if entry[2].isdecimal() and (int(entry[2]) == number if number is not None else entry[0] == name):
            return _id(entry[2]), _id(entry[3]), entry[5], entry[0]
    if number is None:
        raise StartFailed(f"unable to find user {name}: no matching entries in passwd file", plain=True)
    return number, 0, "/", ""


def _group(name: str, root: int) -> int:
    number = _number(name)
    if number is not None:
        return number
    for entry in _entries(root, "/etc/group", 3):
        if entry[0] == name:
            return _id(entry[2])
    raise StartFailed(f"unable to find group {name}: no matching entries in group file", plain=True)


def _memberships(login: str, root: int) -> list[int]:
    if not login:
        return []
    lines = _entries_if_readable(root, "/etc/group", 4)
    found = [_id(entry[2]) for entry in lines if login in entry[3].split(",")]
    return found[:GROUPS_LIMIT]


def _number(text: str) -> int | None:
    """The number that `text` is, or None for a name. Raises StartFailed for what is a number but not an id."""
    if not text.lstrip("+-").isdecimal() or not text.isascii():
        return None
    if text != text.lstrip("+-") or int(text) > MAX_ID:
        raise StartFailed(f"uids and gids must be in range 0-{MAX_ID}: {text}", plain=True)
    return int(text)


def _id(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) > MAX_ID:
        raise StartFailed(f"the image's user database holds the id {text[:32]!r}, which is out of range", plain=True)
    return int(text)


def _entries_if_readable(root: int, path: str, fields: int) -> Iterator[list[str]]:
    try:
        yield from _entries(root, path, fields)
    except StartFailed:
        return


def _entries(root: int, path: str, fields: int) -> Iterator[list[str]]:
    """The well-formed lines of a colon-separated file inside `root`; none if it is missing or is not a regular file."""
    try:
        text = read_in_root(root, path, FILE_LIMIT)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StartFailed(f"{path} of the image cannot be read: {(error.strerror or '').lower()}", plain=True) from None
    for line in text.split(b"\n"):
        entry = line[:LINE_LIMIT].decode("utf-8", "surrogateescape").strip().split(":")
        if len(entry) >= fields:
            yield entry
