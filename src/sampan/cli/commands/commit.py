"""sampan commit: an image of a container's changes."""

from __future__ import annotations

from sampan.cli.command import Call, Command, Failure
from sampan.cli.flags import LIST, SWITCH, TEXT, Flag
from sampan.errors import InvalidRequest
from sampan.oci.reference import parse_reference


def run(call: Call) -> int:
    """docker commit CONTAINER [REPOSITORY[:TAG]]."""
    container, *name = call.arguments
    options = call.options
    query: dict[str, str | list[str]] = {"container": container}
    if name:
        try:
            reference = parse_reference(name[0])
        except InvalidRequest as error:
            raise Failure(str(error)) from None
        if reference.digest:
            raise Failure("refusing to create a tag with a digest reference")
        query |= {"repo": reference.familiar_name, "tag": reference.with_default_tag().tag}
    for flag, parameter in (("author", "author"), ("message", "comment"), ("change", "changes")):
        if options[flag]:
            query[parameter] = options[flag]
    if not options["pause"] or options["no-pause"]:
        query["pause"] = "0"
    call.out.line(call.engine.post("/commit", query)["Id"])
    return 0


COMMAND = Command(
    "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
    run,
    least=1,
    most=2,
    flags=(
        Flag("author", TEXT, 'Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")', short="a"),
        Flag("change", LIST, "Apply Dockerfile instruction to the created image", short="c"),
        Flag("message", TEXT, "Commit message", short="m"),
        Flag("no-pause", SWITCH, "Do not pause the container during the commit"),
        Flag("pause", SWITCH, "Pause the container during the commit", short="p", default=True),
    ),
)
