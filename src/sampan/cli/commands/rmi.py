"""sampan rmi: remove names of images, and images that have no name left."""

from __future__ import annotations

from sampan.cli.command import ANY, Call, Command
from sampan.cli.each import for_each
from sampan.cli.flags import LIST, SWITCH, Flag
from sampan.client.engine import Refused, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def run(call: Call) -> int:
    """docker rmi; with --force, an image that does not exist is no failure."""
    query: dict[str, str | list[str]] = {}
    if call.options["force"]:
        query["force"] = "1"
    if call.options["no-prune"]:
        query["noprune"] = "1"
    if call.options["platform"]:
        query["platforms"] = call.options["platform"]

    def removed(name: str, result: Any) -> str | None:
        return "\n".join(f"{verb}: {what}" for entry in result for verb, what in entry.items()) or None

    def is_gone(error: Exception) -> bool:
        return bool(call.options["force"]) and isinstance(error, Refused) and error.status == 404

    return for_each(
        call,
        call.arguments,
        lambda name: call.engine.delete(named("images", name), query),
        says=removed,
        forgives=is_gone,
    )


COMMAND = Command(
    "[OPTIONS] IMAGE [IMAGE...]",
    run,
    least=1,
    most=ANY,
    flags=(
        Flag("force", SWITCH, "Force removal of the image", short="f"),
        Flag("no-prune", SWITCH, "Do not delete untagged parents"),
        Flag("platform", LIST, 'Remove only the given platform, as "os[/arch[/variant]]"'),
    ),
)
