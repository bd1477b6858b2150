"""Where does what was built go, besides the engine? `--output` and `--push`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from sampan.cli.building.trees import joined
from sampan.cli.command import Call, Failure
from sampan.client.credentials import header
from sampan.client.engine import named
from sampan.client.progress import show
from sampan.client.stream import write_all
from sampan.oci.reference import parse_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.building.view import View

STDOUT = 1
TYPES = ("image", "docker", "oci", "tar", "local", "registry", "cacheonly")
NOTHING_TO_RUN = ["nothing"]


def words_of(text: str) -> dict[str, str]:
    """`type=tar,dest=PATH` as its words; a path alone is a directory, `-` a tar on standard output. Raises Failure."""
    if "=" not in text:
        return {"type": "tar", "dest": "-"} if text == "-" else {"type": "local", "dest": text}
    words = {key.strip().lower(): value for key, _, value in (word.partition("=") for word in text.split(","))}
    if words.get("type") not in TYPES:
        raise Failure(f"invalid output {text!r}: its type is one of {', '.join(TYPES)}")
    return words


def write_outputs(call: Call, view: View) -> str:
    """Write what --output and --push ask for; the digest that a registry knows it by, if one does. Raises Failure."""
    names, parts, digest = call.options["tag"], view.parts, ""
    for text in call.options["output"]:
        words = words_of(text)
        kind, dest = words["type"], words.get("dest", "")
        if kind == "oci" and dest and parts:
            _archive(call, names, parts, dest)
        elif kind in ("docker", "oci") and dest:
            to_file(call, named("images", names[0] if names else view.image_id, "get"), dest)
        elif kind in ("tar", "local"):
            if not dest:
                raise Failure(f"output {text!r}: dest is required")
            write_trees(call, kind, view.images if len(view.images) > 1 else [("", view.image_id)], dest)
        if kind == "registry" or (kind == "image" and words.get("push") == "true"):
            digest = push(call, names, parts)
    if call.options["push"]:
        digest = push(call, names, parts)
    return digest


def write_trees(call: Call, kind: str, images: Sequence[tuple[str, str]], dest: str) -> None:
    """The files of images, by platform: several get a directory each, linux_arm64 and so on, as with BuildKit."""
    with ExitStack() as held:
        trees = []
        for platform, image_id in images:
            container = held.enter_context(_container(call, image_id))
            trees.append((platform.replace("/", "_"), named("containers", container, "export")))
        if kind == "local":
            for directory, path in trees:
                _to_directory(call, path, os.path.join(dest, directory) if directory else dest)
        elif len(trees) == 1:
            to_file(call, trees[0][1], dest)
        else:
            write_file(joined((name, call.engine.send("GET", path).pieces()) for name, path in trees), dest)


def push(call: Call, names: list[str], parts: Sequence[dict[str, Any]] = ()) -> str:
    """Send the tags to their registries; the digest that they have there. Raises Failure, Refused."""
    digest = ""
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
        told = show(response, call.out, quiet=call.options["quiet"])
        digest = next((each["Digest"] for each in told if isinstance(each, dict) and "Digest" in each), digest)
    return digest


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
    write_file(call.engine.send("POST", "/build/archive", body=body).pieces(), dest)


def to_file(call: Call, path: str, dest: str) -> None:
    """Write what the engine answers. Raises Failure, Refused."""
    write_file(call.engine.send("GET", path).pieces(), dest)


def write_file(pieces: Iterable[bytes], dest: str) -> None:
    """Write a file, or to standard output. The file is whole, or as it was before. Raises Failure."""
    if dest == "-":
        for piece in pieces:
            write_all(STDOUT, piece)
        return
    partial = f"{dest}.{os.getpid()}.partial"
    try:
        fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            for piece in pieces:
                write_all(fd, piece)
        finally:
            os.close(fd)
        os.replace(partial, dest)
    except OSError as error:
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
