"""sampan import: an image of one layer from a tarball."""

from __future__ import annotations

from collections.abc import Iterable

from sampan.cli.command import Call, Command
from sampan.cli.commands.load import STDIN, open_input, pieces
from sampan.cli.flags import LIST, TEXT, Flag
from sampan.client.progress import show


def run(call: Call) -> int:
    """docker import file|URL|- [REPOSITORY[:TAG]]."""
    source, *name = call.arguments
    query: dict[str, str | list[str]] = {}
    data: Iterable[bytes] = ()
    if source.startswith(("http://", "https://")):
        query["fromSrc"] = source
    else:
        query["fromSrc"] = "-"
        data = pieces(STDIN if source == "-" else open_input(source))
    if name:
        query["repo"] = name[0]
    for flag, parameter in (("change", "changes"), ("message", "message"), ("platform", "platform")):
        if call.options[flag]:
            query[parameter] = call.options[flag]
    show(call.engine.send("POST", "/images/create", query, data=data), call.out)
    return 0


COMMAND = Command(
    "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
    run,
    least=1,
    most=2,
    flags=(
        Flag("change", LIST, "Apply Dockerfile instruction to the created image", short="c"),
        Flag("message", TEXT, "Set commit message for imported image", short="m"),
        Flag("platform", TEXT, "Set platform of the image"),
    ),
)
