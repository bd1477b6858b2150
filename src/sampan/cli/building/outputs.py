"""Where does what was built go, besides the engine? `--output`, `--push`, `--cache-to`; and `--cache-from`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sampan.cli.command import Call, Failure
from sampan.cli.commands.load import open_input, pieces
from sampan.client.credentials import header
from sampan.client.engine import named
from sampan.client.progress import show
from sampan.client.stream import write_all
from sampan.oci.reference import parse_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.client.connection import Response

STDOUT = 1
TYPES = ("image", "docker", "oci", "tar", "local", "registry", "cacheonly")
CACHE_FILE = "cache.tar"
NOTHING_TO_RUN = ["nothing"]


def words_of(text: str) -> dict[str, str]:
    """`type=tar,dest=PATH` as its words; a path alone is a directory, `-` a tar on standard output. Raises Failure."""
    if "=" not in text:
        return {"type": "tar", "dest": "-"} if text == "-" else {"type": "local", "dest": text}
    words = {key.strip().lower(): value for key, _, value in (word.partition("=") for word in text.split(","))}
    if words.get("type") not in TYPES:
        raise Failure(f"invalid output {text!r}: its type is one of {', '.join(TYPES)}")
    return words


def write_outputs(call: Call, image_id: str, names: list[str], parts: list[dict[str, Any]]) -> None:
    """Write what --output and --push ask for; `parts` go out as one index. Raises Failure."""
    for text in call.options["output"]:
        words = words_of(text)
        kind, dest = words["type"], words.get("dest", "")
        if kind == "oci" and dest and parts:
            _archive(call, names, parts, dest)
        elif kind in ("docker", "oci") and dest:
            _to_file(call, named("images", names[0] if names else image_id, "get"), dest)
        elif kind in ("tar", "local"):
            if not dest:
                raise Failure(f"output {text!r}: dest is required")
            with _container(call, image_id) as container:
                path = named("containers", container, "export")
                if kind == "tar":
                    _to_file(call, path, dest)
                else:
                    _to_directory(call, path, dest)
        if kind == "registry" or (kind == "image" and words.get("push") == "true"):
            push(call, names, parts)
    if call.options["push"]:
        push(call, names, parts)


def push(call: Call, names: list[str], parts: Sequence[dict[str, Any]] = ()) -> None:
    """Send the tags to their registries. Raises Failure, Refused."""
    if not names:
        raise Failure("tag is needed when pushing to registry: give it with -t")
    for name in names:
        reference = parse_reference(name).with_default_tag()
        fields = {"X-Registry-Auth": header(call.config_directory, reference.domain)}
        query: dict[str, str | list[str]] = {"tag": reference.tag}
        if parts:
            body = {"Name": str(reference), "Images": list(parts)}
            response = call.engine.send("POST", "/build/push", body=body, fields=fields)
        else:
            response = call.engine.send("POST", named("images", reference.name, "push"), query, fields=fields)
        show(response, call.out, quiet=call.options["quiet"])


def cache_sources(call: Call) -> list[str]:
    """--cache-from as names of images; what lies in a directory is loaded first. Raises Failure."""
    found = []
    for text in call.options["cache-from"]:
        words = dict(word.partition("=")[::2] for word in text.split(",")) if "=" in text else {"ref": text}
        if words.get("type", "registry") == "local":
            path = os.path.join(words.get("src", ""), CACHE_FILE)
            response = call.engine.send("POST", "/images/load", {"quiet": "1"}, data=pieces(open_input(path)))
            show(response, call.out, quiet=True)
            found.append(cache_name(words.get("src", "")))
        elif words.get("ref"):
            found.append(words["ref"])
        else:
            raise Failure(f"invalid cache source {text!r}: it is NAME, type=registry,ref=NAME or type=local,src=PATH")
    return found


def cache_name(directory: str) -> str:
    """What the image of a cache in a directory is called meanwhile."""
    name = "".join(
        c if c.isascii() and c.isalnum() else "-" for c in os.path.basename(os.path.abspath(directory)).lower()
    )
    return f"sampan.cache/{name.strip('-') or 'cache'}:local"


def cache_target(call: Call) -> tuple[str, str, str]:
    """(type, name of the image that holds the cache, directory) of --cache-to; all empty without. Raises Failure."""
    given = call.options["cache-to"]
    if not given:
        return "", "", ""
    words = dict(word.partition("=")[::2] for word in given[-1].split(",")) if "=" in given[-1] else {"ref": given[-1]}
    kind = words.get("type", "registry")
    if kind == "inline":
        return kind, "", ""
    if kind == "registry" and words.get("ref"):
        return kind, words["ref"], ""
    if kind == "local" and words.get("dest"):
        return kind, cache_name(words["dest"]), words["dest"]
    raise Failure(
        f"invalid cache target {given[-1]!r}: it is type=inline, type=registry,ref=NAME or type=local,dest=PATH"
    )


def write_cache(call: Call, target: tuple[str, str, str]) -> None:
    """Send the cache where it was asked to be, and forget the image that held it."""
    kind, name, directory = target
    if not name:
        return
    if kind == "registry":
        push(call, [name])
    else:
        os.makedirs(directory, exist_ok=True)
        _to_file(call, named("images", name, "get"), os.path.join(directory, CACHE_FILE))
    call.engine.delete(named("images", name), {"noprune": "1"})


@contextmanager
def _container(call: Call, image_id: str) -> Iterator[str]:
    """A container that is never started, to read its tree."""
    made = call.engine.post("/containers/create", body={"Image": image_id, "Cmd": NOTHING_TO_RUN})["Id"]
    try:
        yield made
    finally:
        call.engine.delete(named("containers", made), {"v": "1"})


def _archive(call: Call, names: list[str], parts: list[dict[str, Any]], dest: str) -> None:
    body = {"Name": names[0] if names else "", "Images": parts}
    _write(call.engine.send("POST", "/build/archive", body=body), dest)


def _to_file(call: Call, path: str, dest: str) -> None:
    _write(call.engine.send("GET", path), dest)


def _write(response: Response, dest: str) -> None:
    if dest == "-":
        for piece in response.pieces():
            write_all(STDOUT, piece)
        return
    partial = f"{dest}.{os.getpid()}.partial"
    try:
        fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            for piece in response.pieces():
                write_all(fd, piece)
        finally:
            os.close(fd)
        os.replace(partial, dest)
    except OSError as error:
        response.close()
        raise Failure(f"{dest}: {(error.strerror or str(error)).lower()}") from None


def _to_directory(call: Call, path: str, dest: str) -> None:
    from sampan.cli.tar_in import Pieces, unpack

    response = call.engine.send("GET", path)
    try:
        os.makedirs(dest, exist_ok=True)
        unpack(Pieces(response.pieces()), dest, lambda name: name, owners=False, say=call.err.line)
    except (OSError, ValueError) as error:
        response.close()
        raise Failure(str(error)) from None
