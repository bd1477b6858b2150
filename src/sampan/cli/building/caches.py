"""Where do the steps of earlier builds come from, and where do those of this one go? `--cache-from`, `--cache-to`."""

from __future__ import annotations

import os

from sampan.cli.building.outputs import push, to_file
from sampan.cli.command import Call, Failure
from sampan.cli.commands.load import open_input, pieces
from sampan.client.engine import named
from sampan.client.progress import show

CACHE_FILE = "cache.tar"


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
        to_file(call, named("images", name, "get"), os.path.join(directory, CACHE_FILE))
    call.engine.delete(named("images", name), {"noprune": "1"})
