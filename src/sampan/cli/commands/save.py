"""sampan save: images into a tar archive."""

from __future__ import annotations

import os

from sampan.cli.command import ANY, Call, Command, Failure
from sampan.cli.flags import TEXT, Flag
from sampan.client.stream import write_all

STDOUT = 1


def run(call: Call) -> int:
    """docker save [-o FILE] IMAGE..."""
    path = call.options["output"]
    if not path and call.out.is_terminal:
        raise Failure("cowardly refusing to save to a terminal. Use the -o flag or redirect")
    query: dict[str, str | list[str]] = {"names": call.arguments}
    if call.options["platform"]:
        query["platform"] = call.options["platform"]
    response = call.engine.send("GET", "/images/get", query)
    if not path:
        for piece in response.pieces():
            write_all(STDOUT, piece)
        return 0
    # Complete or not there at all: an archive that was cut off must not look like one.
    partial = f"{path}.{os.getpid()}.partial"
    try:
        fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Failure(f"failed to save image: {error.strerror}: {path}") from None
    try:
        for piece in response.pieces():
            write_all(fd, piece)
        os.rename(partial, path)
    except BaseException:
        os.unlink(partial)
        raise
    finally:
        os.close(fd)
    return 0


COMMAND = Command(
    "[OPTIONS] IMAGE [IMAGE...]",
    run,
    least=1,
    most=ANY,
    flags=(
        Flag("output", TEXT, "Write to a file, instead of STDOUT", short="o"),
        Flag("platform", TEXT, 'Save only the given platform, as "os[/arch[/variant]]"'),
    ),
)
