"""sampan inspect, and inspect of the groups: everything the engine knows about something, as JSON or by a template."""

from __future__ import annotations

import json
from collections.abc import Callable

from sampan.cli.command import ANY, Call, Command, Failure
from sampan.cli.flags import SWITCH, TEXT, Flag
from sampan.cli.formats import INSPECT_FORMAT, inspect_template
from sampan.client.engine import Refused, named
from sampan.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

KINDS = {"container": "containers", "image": "images", "network": "networks", "volume": "volumes"}
NOT_FOUND, BAD_REQUEST, NOT_IMPLEMENTED = 404, 400, 501


def look_up(call: Call, kind: str, name: str) -> Any:
    """What the engine says about NAME as a thing of that kind. Raises Refused."""
    query: dict[str, str | list[str]] = {}
    if kind == "container" and call.options["size"]:
        query["size"] = "1"
    if kind in ("network", "volume"):
        return call.engine.get(named(KINDS[kind], name), query)
    return call.engine.get(named(KINDS[kind], name, "json"), query)


def look_up_any(call: Call, name: str) -> Any:
    """Try the kinds one after the other, as docker does. Raises Failure when NAME is nothing."""
    for kind in KINDS:
        try:
            return look_up(call, kind, name)
        except Refused as refused:
            # A name that cannot be one of this kind, or a kind that the engine does not have, is not found either.
            if refused.status not in (NOT_FOUND, BAD_REQUEST, NOT_IMPLEMENTED):
                raise
    raise Failure(f"Error: No such object: {name}")


def run(call: Call) -> int:
    """docker inspect [--type KIND]."""
    kind = call.options["type"]
    if not kind:
        if call.options.given("type"):
            raise Failure('type is empty: must be one of "container", "image", "network", "volume"')
        return print_all(call, lambda name: look_up_any(call, name))
    if kind not in KINDS:
        known = ", ".join(f'"{each}"' for each in KINDS)
        raise Failure(f'unknown type: "{kind}": must be one of {known}')
    return print_all(call, lambda name: look_up(call, kind, name))


def of_kind(kind: str) -> Callable[[Call], int]:
    """docker container inspect, and so on."""
    return lambda call: print_all(call, lambda name: look_up(call, kind, name))


def print_all(call: Call, find: Callable[[str], Any]) -> int:
    """Print what was found, then say what was not; 1 if anything was not."""
    template = call.options["format"]
    compiled = inspect_template(template) if template not in ("", "json") else None
    found: list[Any] = []
    lines: list[str] = []
    problems = []
    for name in call.arguments:
        try:
            found.append(find(name))
            if compiled is not None:
                lines.append(compiled.render(found[-1]))
        except (Refused, Failure) as error:
            problems.append(str(error))
        except InvalidRequest as error:
            problems.append(f"template parsing error: {error}")
            break
    if compiled is not None:
        call.out.line("\n".join(lines))
    elif template == "json":
        call.out.line(json.dumps(found, separators=(",", ":"), ensure_ascii=False))
    else:
        call.out.line(json.dumps(found, indent=4, ensure_ascii=False))
    if problems:
        raise Failure("\n".join(problems))
    return 0


SIZE = Flag("size", SWITCH, "Display total file sizes if the type is container", short="s")
COMMAND = Command(
    "[OPTIONS] NAME|ID [NAME|ID...]",
    run,
    least=1,
    most=ANY,
    flags=(INSPECT_FORMAT, SIZE, Flag("type", TEXT, "Only inspect objects of the given type")),
)
CONTAINER = Command(
    "[OPTIONS] CONTAINER [CONTAINER...]", of_kind("container"), least=1, most=ANY, flags=(INSPECT_FORMAT, SIZE)
)
IMAGE = Command(
    "[OPTIONS] IMAGE [IMAGE...]",
    of_kind("image"),
    least=1,
    most=ANY,
    flags=(INSPECT_FORMAT, Flag("platform", TEXT, "Inspect a specific platform of the image")),
)
NETWORK = Command(
    "[OPTIONS] NETWORK [NETWORK...]",
    of_kind("network"),
    least=1,
    most=ANY,
    flags=(INSPECT_FORMAT, Flag("verbose", SWITCH, "Verbose output for diagnostics", short="v")),
)
VOLUME = Command("[OPTIONS] VOLUME [VOLUME...]", of_kind("volume"), least=1, most=ANY, flags=(INSPECT_FORMAT,))
