"""What do --security-opt values ask for? Profiles are read here: the engine may be on another machine."""

from __future__ import annotations

import json

from sampan.cli.command import Failure

PLAIN = ("no-new-privileges", "disable", "writable-cgroups")


def security_options(given: list[str]) -> tuple[list[str], list[str] | None, list[str] | None]:
    """(SecurityOpt, MaskedPaths, ReadonlyPaths); paths are None for the engine's own. Raises Failure."""
    options = []
    masked: list[str] | None = None
    readonly: list[str] | None = None
    for text in given:
        at = min((index for index in (text.find("="), text.find(":")) if index >= 0), default=-1)
        if at < 0 and text not in PLAIN:
            raise Failure(f"invalid --security-opt: {text!r}: write it as seccomp=unconfined or no-new-privileges", 125)
        key, value = (text, "") if at < 0 else (text[:at], text[at + 1 :])
        if text == "systempaths=unconfined":
            masked, readonly = [], []
        elif key == "seccomp" and value not in ("unconfined", "builtin"):
            options.append(f"seccomp={read_profile(value)}")
        else:
            options.append(text)
    return options, masked, readonly


def read_profile(path: str) -> str:
    """A seccomp profile as one line of JSON. Raises Failure."""
    try:
        with open(path, "rb") as file:
            return json.dumps(json.load(file), separators=(",", ":"))
    except OSError as error:
        raise Failure(f"opening seccomp profile ({path}) failed: {error.strerror or error}", 125) from None
    except ValueError as error:
        raise Failure(f"compacting json for seccomp profile ({path}) failed: {error}", 125) from None
