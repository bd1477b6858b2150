"""What does a build take from this machine besides its context? Secrets, directories, what flags spell."""

from __future__ import annotations

import base64
import json
import os
from contextlib import ExitStack

from sampan.cli.building.layouts import SCHEME, load_layout
from sampan.cli.command import Call, Failure
from sampan.cli.values import read_bytes
from sampan.client.context import Context

SECRET_BYTES_MAX = 500 << 10
IMAGE = "docker-image://"
CONTEXT = "input:"  # before the word for a context that was left


def secrets_of(texts: list[str]) -> dict[str, str]:
    """`id=ID[,src=PATH|,env=VARIABLE]` → base64 by id. Raises Failure."""
    found: dict[str, str] = {}
    for text in texts:
        words = dict(word.partition("=")[::2] for word in text.split(","))
        unknown = words.keys() - {"id", "src", "source", "env", "type"}
        if unknown or words.get("type", "file") not in ("file", "env"):
            raise Failure(f"invalid secret {text!r}: it is id=ID[,src=PATH|,env=VARIABLE]")
        path, variable = words.get("src") or words.get("source") or "", words.get("env", "")
        name = words.get("id") or os.path.basename(path) or variable
        if not name:
            raise Failure(f"invalid secret {text!r}: it has no id")
        found[name] = base64.b64encode(_secret(name, path, variable, words.get("type", ""))).decode()
    return found


def contexts_of(call: Call, texts: list[str], held: ExitStack) -> dict[str, str]:
    """`NAME=DIRECTORY|URL|docker-image://IMAGE|oci-layout://…` by name. Raises Failure, Refused.

    What is in a directory is sent now; an image of a layout is in the engine while `held` is open.
    """
    found = pairs_of(texts, "build-context")
    directories = [
        name for name, where in found.items() if "://" not in where and not where.startswith(("git@", "github.com/"))
    ]
    for name in directories:
        if not os.path.isdir(found[name]):
            raise Failure(f"failed to get build context {name}: {found[name]}: no such directory")
    for name, where in found.items():
        if where.startswith(SCHEME):
            found[name] = IMAGE + load_layout(call, where, held)
    for name in directories:
        sent = call.engine.send("POST", "/build/inputs", data=Context(found[name], "").pieces())
        found[name] = CONTEXT + str(json.loads(sent.read())["Id"])
    return found


def _secret(name: str, path: str, variable: str, kind: str) -> bytes:
    if not path and not variable:
        variable = name if kind == "env" or name in os.environ else ""
        path = "" if variable else name
    if variable:
        return os.environ.get(variable, "").encode(errors="surrogateescape")
    try:
        with open(path, "rb") as file:
            data = file.read(SECRET_BYTES_MAX + 1)
    except OSError as error:
        raise Failure(f"secret {name}: {path}: {(error.strerror or '').lower()}") from None
    if len(data) > SECRET_BYTES_MAX:
        raise Failure(f"secret {name}: {path} is larger than {SECRET_BYTES_MAX} bytes")
    return data


def arguments_of(texts: list[str]) -> dict[str, str | None]:
    """--build-arg NAME[=VALUE]: a name alone takes this environment's value, if there is one."""
    found: dict[str, str | None] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if equals:
            found[name] = value
        elif name in os.environ:
            found[name] = os.environ[name]
    return found


def pairs_of(texts: list[str], flag: str) -> dict[str, str]:
    """NAME=VALUE flags. Raises Failure."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or (not equals and flag != "label"):
            raise Failure(f"invalid argument {text!r} for --{flag}: it is NAME=VALUE")
        found[name] = value
    return found


def ulimits_of(texts: list[str]) -> list[dict[str, object]]:
    """--ulimit NAME=SOFT[:HARD]. Raises Failure."""
    found: list[dict[str, object]] = []
    for text in texts:
        name, _, values = text.partition("=")
        soft, _, hard = values.partition(":")
        try:
            found.append({"Name": name, "Soft": int(soft), "Hard": int(hard or soft)})
        except ValueError:
            raise Failure(f"invalid ulimit argument: {text}") from None
    return found


def size_of(text: str) -> int:
    """A size such as 64m; 0 when it is not given. Raises Failure."""
    try:
        return read_bytes(text) if text else 0
    except ValueError as error:
        raise Failure(f"invalid size {text!r}: {error}") from None
