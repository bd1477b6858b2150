"""What does `RUN --mount=…` ask for?

Keys, kinds and sentences are those of BuildKit's instructions/commands_runmount.go; words that are not known are
refused, never passed over (security catalogue E04, E07).
"""

import csv
import posixpath
from collections.abc import Callable
from dataclasses import dataclass

from sampan.builder.dockerfile.errors import meant
from sampan.builder.dockerfile.flags import FALSE, TRUE
from sampan.errors import InvalidRequest

BIND, CACHE, TMPFS, SECRET, SSH = KINDS = ("bind", "cache", "tmpfs", "secret", "ssh")
SHARINGS = ("shared", "private", "locked")
KEYS = (
    "type", "from", "source", "target", "readonly", "readwrite", "required", "size", "id", "sharing", "mode", "uid",
    "gid", "env",
)  # fmt: skip
ALIASES = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly", "rw": "readwrite"}
SWITCHES = ("readonly", "readwrite", "required")
UNITS = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}
Expand = Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMount:
    """One mount of a RUN. `size` in bytes, 0 for no limit; `mode`, `uid`, `gid` None where not given."""

    kind: str = BIND
    from_: str = ""
    source: str = ""
    target: str = ""
    readonly: bool = True
    required: bool = False
    size: int = 0
    id: str = ""
    sharing: str = ""
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    env: str = ""


def parse_mount(text: str, expand: Expand = lambda word: word) -> RunMount:
    """The mount that `--mount=TEXT` describes. Raises InvalidRequest."""
    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error:
        raise InvalidRequest(f"failed to parse csv mounts: {text!r}") from None
    values: dict[str, str] = {}
    for word in rows[0] if rows else []:
        key, equals, value = word.partition("=")
        key = ALIASES.get(key.lower(), key.lower())
        if key not in KEYS:
            raise InvalidRequest(f"unexpected key '{key}' in '{word}'{meant(key, (*KEYS, *ALIASES))}")
        if not equals and key not in SWITCHES:
            if key == "env":  # `env` alone: the variable is called like the secret
                value = ""
            else:
                raise InvalidRequest(f"invalid field '{word}' must be a key=value pair")
        if key == "from" and "$" in value:
            raise InvalidRequest("'from' doesn't support variable expansion, define alias stage instead")
        values[key] = expand(value) if "$" in value else value
        if key == "env" and not equals:
            values["env"] = "\0"
    return _checked(values, text)


def _checked(values: dict[str, str], text: str) -> RunMount:
    kind = values.get("type", BIND).lower()
    if kind not in KINDS:
        raise InvalidRequest(f"unsupported mount type {kind!r}{meant(kind, KINDS)}".replace("'", '"'))
    _check_keys(values, kind)
    for key in SWITCHES:
        if values.get(key) and values[key] not in (*TRUE, *FALSE):
            raise InvalidRequest(f"invalid value for {key}: {values[key]}")
    sharing = values.get("sharing", "").lower()
    if sharing and sharing not in SHARINGS:
        raise InvalidRequest(f'unsupported sharing value "{sharing}"{meant(sharing, SHARINGS)}')
    target = values.get("target", "")
    if kind in (BIND, CACHE, TMPFS) and not target:
        raise InvalidRequest(
            "target is required for mount type " + f'"{kind}"' if kind != BIND else "target is required"
        )
    if kind in (BIND, CACHE, TMPFS) and target.startswith("/") and posixpath.normpath("/" + target.lstrip("/")) == "/":
        raise InvalidRequest(f"invalid mount target {target!r}: it is the root")
    if kind == SECRET and not values.get("id"):
        values["id"] = posixpath.basename(values.get("source") or target)
        if not values["id"]:
            raise InvalidRequest("one of source, target required")
    env = values.get("env", "")
    if env == "\0":
        env = values["id"]
    if "\0" in "".join(values[key] for key in values if key != "env"):
        raise InvalidRequest(f"invalid mount {text!r}")
    return RunMount(
        kind=kind,
        from_=values.get("from", ""),
        source=values.get("source", ""),
        target=target,
        readonly=_is_readonly(values, kind),
        required=_is_on(values, "required"),
        size=_size(values["size"]) if "size" in values else 0,
        id=values.get("id", ""),
        sharing=sharing or ("shared" if kind == CACHE else ""),
        mode=_number(values, "mode", 8),
        uid=_number(values, "uid", 10),
        gid=_number(values, "gid", 10),
        env=env,
    )


def _check_keys(values: dict[str, str], kind: str) -> None:
    """Each key where it belongs."""
    for key, kinds in (
        ("from", (BIND, CACHE)), ("sharing", (CACHE,)), ("size", (TMPFS,)), ("required", (SECRET, SSH)),
        ("mode", (CACHE, SECRET, SSH)), ("uid", (CACHE, SECRET, SSH)), ("gid", (CACHE, SECRET, SSH)),
        ("env", (SECRET,)), ("readwrite", (BIND, CACHE)),
        ("readonly", (BIND, CACHE, SECRET, SSH)), ("source", (BIND, CACHE, SECRET)),
    ):  # fmt: skip
        if key in values and kind not in kinds:
            raise InvalidRequest(f'{key!r} is not allowed for mount type "{kind}"'.replace("'", '"', 2))


def _is_on(values: dict[str, str], key: str) -> bool:
    return key in values and (values[key] or "true") in TRUE


def _is_readonly(values: dict[str, str], kind: str) -> bool:
    if "readwrite" in values:
        return not _is_on(values, "readwrite")
    if "readonly" in values:
        return _is_on(values, "readonly")
    return kind == BIND


def _number(values: dict[str, str], key: str, base: int) -> int | None:
    if key not in values:
        return None
    try:
        number = int(values[key], base)
    except ValueError:
        raise InvalidRequest(f"invalid value {values[key]} for {key}") from None
    if not 0 <= number < (0o10000 if key == "mode" else 1 << 31):
        raise InvalidRequest(f"invalid value {values[key]} for {key}")
    return number


def _size(text: str) -> int:
    digits = text.lower().removesuffix("b").removesuffix("i")
    unit = UNITS.get(digits[-1:], 0)
    number = digits[:-1] if unit else digits
    try:
        size = int(float(number) * (unit or 1))
    except (ValueError, OverflowError):
        raise InvalidRequest(f"invalid value for size: {text}") from None
    if not 0 <= size < 1 << 62:
        raise InvalidRequest(f"invalid value for size: {text}")
    return size
