"""sampan export and sampan volume export, import: a container's or a volume's files as a tar archive, and back."""

from __future__ import annotations

import os

from sampan.cli.command import Call, Command, Failure
from sampan.cli.commands.load import open_input, pieces
from sampan.cli.flags import TEXT, Flag
from sampan.client.engine import named
from sampan.client.stream import write_all

STDIN, STDOUT = 0, 1


def run(call: Call) -> int:
    """docker export [-o FILE] CONTAINER."""
    return write(call, named("containers", call.arguments[0], "export"))


def run_volume(call: Call) -> int:
    """sampan volume export [-o FILE] VOLUME."""
    return write(call, named("volumes", call.arguments[0], "export"))


def write(call: Call, path: str) -> int:
    """What the engine sends, to a file or to standard output."""
    return write_to(call, path, call.options["output"])


def write_to(call: Call, path: str, target: str, query: dict[str, str | list[str]] | None = None) -> int:
    """The same; "" is standard output. Raises Failure."""
    if not target and call.out.is_terminal:
        raise Failure("cowardly refusing to save to a terminal. Use the -o flag or redirect")
    response = call.engine.send("GET", path, query)
    if not target:
        for piece in response.pieces():
            write_all(STDOUT, piece)
        return 0
    # Complete or not there at all: a backup that was cut off must not look like one.
    partial = f"{target}.{os.getpid()}.partial"
    try:
        fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Failure(f"failed to export: {error.strerror}: {target}") from None
    try:
        for piece in response.pieces():
            write_all(fd, piece)
        os.fsync(fd)
        os.rename(partial, target)
    except BaseException:
        os.unlink(partial)
        raise
    finally:
        os.close(fd)
    return 0


def import_volume(call: Call) -> int:
    """sampan volume import VOLUME [FILE]."""
    name, *rest = call.arguments
    path = rest[0] if rest and rest[0] != "-" else ""
    if not path and os.isatty(STDIN):
        raise Failure("nothing to import: give a FILE, or redirect an archive into it")
    source = open_input(path) if path else STDIN
    call.engine.send("POST", named("volumes", name, "import"), data=pieces(source)).read()
    call.out.line(name)
    return 0


OUTPUT = Flag("output", TEXT, "Write to a file, instead of STDOUT", short="o")
COMMAND = Command("[OPTIONS] CONTAINER", run, least=1, most=1, flags=(OUTPUT,))
VOLUME = Command("[OPTIONS] VOLUME", run_volume, least=1, most=1, flags=(OUTPUT,))
IMPORT = Command(
    "VOLUME [FILE|-]",
    import_volume,
    least=1,
    most=2,
    details="The archive, compressed or not, becomes the files of a new volume, or of one that is empty.",
)
