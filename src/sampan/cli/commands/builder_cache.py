"""sampan builder cache: what `RUN --mount=type=cache` keeps, as a tar archive, and back."""

from __future__ import annotations

import os

from sampan.cli.command import Call, Command, Failure
from sampan.cli.commands.export import write_to
from sampan.cli.commands.load import open_input, pieces
from sampan.cli.flags import TEXT, Flag

STDIN = 0
PATH = "/build/mounts"


def run(call: Call) -> int:
    """sampan builder cache export|import ID [FILE|-]."""
    verb, cache, *rest = call.arguments
    path = rest[0] if rest and rest[0] != "-" else ""
    query: dict[str, str | list[str]] = {"id": cache, "namespace": call.options["namespace"]}
    if verb == "export":
        return write_to(call, PATH, path, query)
    if verb != "import":
        raise Failure(f"{verb!r} is neither export nor import")
    if not path and os.isatty(STDIN):
        raise Failure("nothing to import: give a FILE, or redirect an archive into it")
    call.engine.send("POST", PATH, query, data=pieces(open_input(path) if path else STDIN)).read()
    call.out.line(cache)
    return 0


COMMAND = Command(
    "[OPTIONS] export|import ID [FILE|-]",
    run,
    least=2,
    most=3,
    flags=(Flag("namespace", TEXT, "The build argument BUILDKIT_CACHE_MOUNT_NS of the builds that use it"),),
    details="ID is the mount's id, or its target if it has none. Import replaces what was kept; mounts with "
    "sharing=private have nothing to share and are left out.",
)
