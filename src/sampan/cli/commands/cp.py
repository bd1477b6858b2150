"""sampan cp: copy files between a container, or a volume, and this machine."""

from __future__ import annotations

import base64
import json
import os

from sampan.cli import copy_paths
from sampan.cli.command import ANY, Call, Command, Failure
from sampan.cli.copy_paths import End
from sampan.cli.flags import SWITCH, Flag
from sampan.client.engine import Refused, named
from sampan.client.stream import write_all
from sampan.client.units import decimal_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STDIN, STDOUT = 0, 1
PIECE = 1 << 20
GO_DIRECTORY, GO_LINK = 1 << 31, 1 << 27
NOT_FOUND = 404
WILD = "*?["


def run(call: Call) -> int:
    """docker cp; several sources and wildcards inside the container are ours."""
    return copy(call, "containers")


def run_volume(call: Call) -> int:
    """sampan volume cp."""
    return copy(call, "volumes")


def copy(call: Call, kind: str) -> int:
    """Copy every source to the last argument."""
    *sources, last = (split_argument(argument) for argument in call.arguments)
    if any(not path and not name for name, path in sources):
        raise Failure("source can not be empty")
    if not last[0] and not last[1]:
        raise Failure("destination can not be empty")
    outward = [bool(name) for name, _ in sources]
    if last[0] and any(outward):
        raise Failure(f"copying between {kind} is not supported")
    if not last[0] and not all(outward):
        raise Failure(f"must specify at least one {kind.removesuffix('s')} source")
    if last[0]:
        if len(sources) > 1:
            require_directory(call, kind, last)
        for _, path in sources:
            copy_in(call, kind, path, *last)
        return 0
    expanded = [(name, path) for name, pattern in sources for path in expand(call, kind, name, pattern)]
    if len(expanded) > 1 and last[1] != "-" and not os.path.isdir(last[1]):
        raise Failure(f'destination "{last[1]}" must be a directory')
    for name, path in expanded:
        copy_out(call, kind, name, path, last[1])
    return 0


def split_argument(text: str) -> tuple[str, str]:
    """`NAME:PATH` as (name, path); a path of this machine has no name: it is absolute, begins with a dot, or "-"."""
    name, colon, path = text.partition(":")
    if os.path.isabs(text) or not colon or name.startswith("."):
        return "", text
    return name, path


def status(call: Call, kind: str, name: str, path: str) -> dict[str, Any] | None:
    """What there is at a path inside; None if there is nothing. Raises Refused, also for a name of nothing."""
    try:
        response = call.engine.send("HEAD", named(kind, name, "archive"), {"path": path})
    except Refused as refused:
        if refused.status != NOT_FOUND:
            raise
        call.engine.get(named(kind, name, "json" if kind == "containers" else ""))  # says so if it is the name
        return None
    response.read()
    return decoded(response.head.fields["x-docker-container-path-stat"])


def decoded(header: str) -> dict[str, Any]:
    """The stat header."""
    found: dict[str, Any] = json.loads(base64.b64decode(header))
    return found


def require_directory(call: Call, kind: str, place: tuple[str, str]) -> None:
    """Several things need a directory to go into."""
    found = destination_of(call, kind, *place)
    if not found.is_directory:
        raise Failure(f'destination "{place[0]}:{place[1]}" must be a directory')


def destination_of(call: Call, kind: str, name: str, path: str) -> End:
    """What the destination is; a link stands for what it leads to."""
    found = status(call, kind, name, path)
    if found is not None and found["mode"] & GO_LINK:
        path = found["linkTarget"]
        found = status(call, kind, name, path)
    return End(path, exists=found is not None, is_directory=bool(found and found["mode"] & GO_DIRECTORY))


def expand(call: Call, kind: str, name: str, pattern: str) -> list[str]:
    """The paths inside that a pattern means; a path that is there, or has no wildcard, means itself."""
    if not any(sign in pattern for sign in WILD) or status(call, kind, name, pattern) is not None:
        return [pattern]
    found: list[str] = call.engine.get(named(kind, name, "glob"), {"pattern": pattern})["Paths"]
    if not found:
        raise Failure(f"no path in {name} matches {pattern}")
    return found


def copy_in(call: Call, kind: str, source: str, name: str, path: str) -> None:
    """From this machine."""
    destination = destination_of(call, kind, name, path)
    if source == "-":
        if not destination.is_directory:
            raise Failure(f'destination "{name}:{path}" must be a directory')
        send(call, kind, name, destination.path, stdin_pieces())
        return
    from sampan.cli.tar_out import pack

    local, shown = local_source(source, follow=call.options["follow-link"])
    is_directory = os.path.isdir(local) and (not os.path.islink(local))
    directory, rename = copy_paths.plan(End(shown, is_directory=is_directory), destination)
    base = copy_paths.split(shown)[1]
    total = send(call, kind, name, directory, pack(local, rename(base)))
    report(call, total, f"{name}:{path}")


def local_source(source: str, *, follow: bool) -> tuple[str, str]:
    """(the path to read, the path as whose last component it is named). Raises Failure when it is not there."""
    path = os.path.abspath(source)
    try:
        if follow:
            os.stat(path)
            return os.path.realpath(path), path
        os.lstat(path)
    except OSError as error:
        raise Failure(f"lstat {os.path.realpath(path) if follow else path}: {(error.strerror or '').lower()}") from None
    if copy_paths.asserts_directory(source):
        if not os.path.isdir(path):
            raise Failure("not a directory")
        return os.path.realpath(path), path + ("/." if copy_paths.ends_in_dot(source) else "/")
    return path, path


def stdin_pieces() -> Any:
    """All of standard input."""
    while piece := os.read(STDIN, PIECE):
        yield piece


def send(call: Call, kind: str, name: str, directory: str, pieces: Any) -> int:
    """Have the tar extracted inside; how many bytes it had."""
    total = 0

    def counted() -> Any:
        nonlocal total
        for piece in pieces:
            total += len(piece)
            yield piece

    query: dict[str, str | list[str]] = {"path": directory, "noOverwriteDirNonDir": "true"}
    if call.options["archive"]:
        query["copyUIDGID"] = "true"
    call.engine.send("PUT", named(kind, name, "archive"), query, data=counted()).read()
    return total


def copy_out(call: Call, kind: str, name: str, path: str, destination: str) -> None:
    """To this machine."""
    if call.options["follow-link"]:
        found = status(call, kind, name, path)
        source = found["linkTarget"] if found is not None and found["mode"] & GO_LINK else path
    else:
        source = path
    local = End(destination)
    if destination != "-":
        local = local_destination(destination)
    response = call.engine.send("GET", named(kind, name, "archive"), {"path": source})
    if destination == "-":
        for piece in response.pieces():
            write_all(STDOUT, piece)
        return
    from sampan.cli.tar_in import Pieces, unpack

    try:
        mode = decoded(response.head.fields["x-docker-container-path-stat"])["mode"]
        base = copy_paths.split(source)[1]
        directory, rename = copy_paths.plan(End(path, is_directory=bool(mode & GO_DIRECTORY)), local)
        asked = copy_paths.split(path)[1]
        pieces = Pieces(response.pieces())
        unpack(
            pieces,
            directory,
            lambda member: rename(copy_paths.rebased(member, base, asked)),
            owners=call.options["archive"] and os.geteuid() == 0,
            say=call.err.line,
        )
    except (OSError, ValueError) as error:
        response.close()
        raise Failure(str(error)) from None
    except BaseException:
        response.close()
        raise
    report(call, pieces.taken, destination)


def local_destination(destination: str) -> End:
    """What the destination on this machine is. Raises Failure when not even its directory is there."""
    path = os.path.abspath(destination)
    if not os.path.lexists(path):
        parent = os.path.dirname(path)
        if not os.path.isdir(parent):
            raise Failure(f'invalid output path: directory "{parent}" does not exist')
        return End(path + "/" if copy_paths.asserts_directory(destination) else path, exists=False)
    return End(path if os.path.isdir(path) else os.path.realpath(path), is_directory=os.path.isdir(path))


def report(call: Call, size: int, destination: str) -> None:
    """Say what was done, to a person."""
    if call.err.is_terminal and not call.options["quiet"]:
        call.err.line(f"Successfully copied {decimal_size(size)} to {destination}")


FLAGS = (
    Flag("archive", SWITCH, "Archive mode (copy all uid/gid information)", short="a"),
    Flag("follow-link", SWITCH, "Always follow symbol link in SRC_PATH", short="L"),
    Flag("quiet", SWITCH, "Suppress the report after the copy", short="q"),
)
DETAILS = (
    "Use '-' as the source to read a tar archive from stdin and extract it to a directory, and '-' as the "
    "destination to stream a tar archive to stdout.\nSeveral sources need a directory to go to. A path inside may "
    "have wildcards (*, ?, [abc]): quote it."
)
COMMAND = Command(
    "[OPTIONS] CONTAINER:SRC_PATH... DEST_PATH|- | SRC_PATH...|- CONTAINER:DEST_PATH",
    run,
    least=2,
    most=ANY,
    flags=FLAGS,
    details=DETAILS,
)
VOLUME = Command(
    "[OPTIONS] VOLUME:SRC_PATH... DEST_PATH|- | SRC_PATH...|- VOLUME:DEST_PATH",
    run_volume,
    least=2,
    most=ANY,
    flags=FLAGS,
    details=DETAILS,
)
