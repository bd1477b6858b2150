"""sampan image from-host: an image made from programs that are installed on this machine. No registry is needed."""

from __future__ import annotations

from sampan.cli.command import ANY, Call, Command
from sampan.cli.flags import TEXT, Flag
from sampan.client.progress import show

NAME = "host"


def run(call: Call) -> int:
    """sampan image from-host [-t NAME] [PROGRAM...]."""
    body = {"reference": call.options["tag"], "programs": call.arguments}
    show(call.engine.send("POST", "/images/from-host", body=body), call.out)
    return 0


COMMAND = Command(
    "[OPTIONS] [PROGRAM...]",
    run,
    most=ANY,
    details="The programs are taken with the libraries that they need; a shell and coreutils when none are named.",
    flags=(Flag("tag", TEXT, 'Name of the image, as "name[:tag]"', short="t", default=NAME),),
)
