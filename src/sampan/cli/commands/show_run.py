"""sampan show-run: the command line that would make a container again."""

from __future__ import annotations

from shlex import quote

from sampan.cli.command import ANY, Call, Command
from sampan.cli.flags import SWITCH, Flag
from sampan.cli.rebuild import flags, flat, program
from sampan.client.engine import Refused, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def run(call: Call) -> int:
    """One command for each container, ready to be pasted. Raises Refused for a container that does not exist."""
    info = call.engine.get("/info")
    for name in call.arguments:
        container = call.engine.get(named("containers", name, "json"))
        image = image_of(call, container)
        given = [" ".join(quote(word) for word in flat([pair])) for pair in flags(container, image, info)]
        command = [quote(word) for word in program(container, image)]
        separator = " \\\n    " if call.options["pretty"] else " "
        call.out.line(separator.join([f"{call.program} run -d", *given, " ".join(command)]))
    return 0


def image_of(call: Call, container: dict[str, Any]) -> dict[str, Any]:
    """What the engine knows of a container's image; nothing when the image is gone."""
    try:
        found: dict[str, Any] = call.engine.get(named("images", container["Image"], "json"))
    except Refused:
        return {}
    return found


COMMAND = Command(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    run,
    flags=(Flag("pretty", SWITCH, "One flag on each line"),),
    least=1,
    most=ANY,
)
