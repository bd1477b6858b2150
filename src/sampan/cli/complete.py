"""What could the last word of an unfinished command line become?

Commands and flags come from the table; names of containers, images, networks and volumes from the engine, if it runs:
pressing the tab key starts no daemon, and shows no errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module

from sampan.cli.command import Call, Command
from sampan.cli.flags import Flag
from sampan.cli.table import COMMANDS, children
from sampan.client.engine import Engine
from sampan.errors import SampanError

Candidates = Iterator[tuple[str, str]]


def containers(engine: Engine, *, everything: bool) -> Candidates:
    """Names of containers."""
    for container in engine.get("/containers/json", {"all": "1"} if everything else {}):
        for name in container["Names"]:
            yield name.removeprefix("/"), container["Image"]


def images(engine: Engine) -> Candidates:
    """Names of images."""
    for image in engine.get("/images/json"):
        for name in image.get("RepoTags") or ():
            if name != "<none>:<none>":
                yield name, ""


def networks(engine: Engine) -> Candidates:
    """Names of networks."""
    for network in engine.get("/networks"):
        yield network["Name"], network["Driver"]


def volumes(engine: Engine) -> Candidates:
    """Names of volumes."""
    for volume in engine.get("/volumes").get("Volumes") or ():
        yield volume["Name"], volume["Driver"]


# By the first word that a usage text has for an argument.
SOURCES: dict[str, Callable[[Engine], Candidates]] = {
    "CONTAINER": lambda engine: containers(engine, everything=True),
    "IMAGE": images,
    "SOURCE_IMAGE[:TAG]": images,
    "NETWORK": networks,
    "VOLUME": volumes,
    "NAME|ID": lambda engine: containers(engine, everything=True),
}
FLAG_SOURCES: dict[str, Callable[[Engine], Candidates]] = {
    "network": networks,
    "volumes-from": lambda engine: containers(engine, everything=True),
}
SHELLS = ("bash", "zsh", "fish")


def candidates(call: Call) -> list[tuple[str, str]]:
    """(word, what it is) pairs for the last of `call.arguments`."""
    *before, partial = call.arguments or [""]
    name, rest = command_of(before)
    found = set() if rest else {(word, entry.summary) for word, entry in children(name).items()}
    if name and COMMANDS[name].place:
        try:
            found |= set(in_command(call, name, rest, partial))
        except (SampanError, OSError, LookupError):
            pass  # without an engine there are no names
    return sorted(pair for pair in found if pair[0].startswith(partial))


def command_of(words: list[str]) -> tuple[str, list[str]]:
    """The command that the words name, "" for none yet, and the words after it."""
    if words and words[0] in COMMANDS:
        member = " ".join(words[:2])
        return (member, words[2:]) if len(words) > 1 and member in COMMANDS else (words[0], words[1:])
    return "", words


def in_command(call: Call, name: str, rest: list[str], partial: str) -> Candidates:
    """Flags, values of flags, or arguments of a command."""
    module, _, variable = COMMANDS[name].place.partition(":")
    command: Command = getattr(import_module(f"sampan.cli.commands.{module}"), variable or "COMMAND")
    flag = awaiting(command.flags, rest)
    if flag is not None:
        if flag.name in FLAG_SOURCES:
            yield from FLAG_SOURCES[flag.name](asleep(call))
    elif partial.startswith("-"):
        for each in command.flags:
            if not each.hidden:
                yield f"--{each.name}", each.summary.partition("\n")[0]
    elif name == "completion":
        yield from ((shell, "") for shell in SHELLS)
    else:
        arguments = [word for word in command.usage.split() if word != "[OPTIONS]"]
        given = len(rest_arguments(command.flags, rest))
        repeats = "..." in command.usage
        # The word for this argument; of a list without end, its first.
        word = arguments[given] if given < len(arguments) and not repeats else arguments[0] if arguments else ""
        if word in SOURCES and (repeats or given < len(arguments)):
            yield from SOURCES[word](asleep(call))


def awaiting(flags: tuple[Flag, ...], words: list[str]) -> Flag | None:
    """The flag whose value comes next, if one does."""
    if not words or not words[-1].startswith("-") or "=" in words[-1]:
        return None
    last = words[-1]
    for flag in flags:
        long = last in (f"--{name}" for name in (flag.name, *flag.aliases))
        if (
            long or (flag.short and not last.startswith("--") and last.endswith(flag.short))
        ) and not flag.kind.is_switch:
            return flag
    return None


def rest_arguments(flags: tuple[Flag, ...], words: list[str]) -> list[str]:
    """The words that are neither flags nor their values."""
    found = []
    for at, word in enumerate(words):
        if not word.startswith("-") and awaiting(flags, words[:at]) is None:
            found.append(word)
    return found


def asleep(call: Call) -> Engine:
    """The engine, which is not started for this."""
    return Engine(call.engine.endpoint)
