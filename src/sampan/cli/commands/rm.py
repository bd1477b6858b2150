"""sampan rm: remove containers."""

from __future__ import annotations

from sampan.cli.command import ANY, Call, Command
from sampan.cli.each import for_each
from sampan.cli.flags import SWITCH, Flag
from sampan.client.engine import Refused, named


def run(call: Call) -> int:
    """docker rm; with --force, a container that does not exist is no failure."""
    query: dict[str, str | list[str]] = {}
    for flag, parameter in (("force", "force"), ("volumes", "v"), ("link", "link")):
        if call.options[flag]:
            query[parameter] = "1"

    def remove(name: str) -> None:
        call.engine.delete(named("containers", name.strip("/")), query)

    def is_gone(error: Exception) -> bool:
        return bool(call.options["force"]) and isinstance(error, Refused) and error.status == 404

    return for_each(call, call.arguments, remove, forgives=is_gone)


COMMAND = Command(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    run,
    least=1,
    most=ANY,
    flags=(
        Flag("force", SWITCH, "Force the removal of a running container (uses SIGKILL)", short="f"),
        Flag("link", SWITCH, "Remove the specified link", short="l"),
        Flag("volumes", SWITCH, "Remove anonymous volumes associated with the container", short="v"),
    ),
)
