"""sampan run and sampan create: a new container from an image.

The order of requests is docker's: create, attach, wait, start. Attach and wait stand before the container starts, so
that neither its first byte nor its exit can be missed.
"""

from __future__ import annotations

import os
from contextlib import ExitStack

from sampan.cli.attached import attach_query, check_terminal, converse, exit_status, give_up
from sampan.cli.command import ANY, Call, Command, Failure
from sampan.cli.create.body import container_create
from sampan.cli.create.flags import CREATE_FLAGS, RUN_FLAGS
from sampan.client.connection import Response
from sampan.client.engine import Refused, named
from sampan.client.stream import Detached
from sampan.errors import SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ENGINE_FAILED, CANNOT_INVOKE, NOT_FOUND = 125, 126, 127
SEPARATORS = str.maketrans("./:-_@", "      ")
NOT_FOUND_WORDS = ("executable file not found", "no such file or directory", "system cannot find the file specified")
CANNOT_INVOKE_WORDS = ("permission denied", "is a directory")


def run_container(call: Call) -> int:
    """docker run."""
    body = read_body(call)
    if call.options["detach"]:
        if call.options["attach"]:
            raise Failure("conflicting options: cannot specify both --attach and --detach")
        body.update(AttachStdin=False, AttachStdout=False, AttachStderr=False, StdinOnce=False)
    else:
        check_terminal(stdin=body["AttachStdin"], tty=body["Tty"])
    try:
        container_id = create_container(call, body)
    except SampanError as error:
        raise explained(call, error) from None
    if not body["AttachStdout"] and not body["AttachStderr"]:
        call.out.line(container_id)
        call.out.flush()
    if not body["AttachStdin"] and not body["AttachStdout"] and not body["AttachStderr"]:
        start(call, container_id)
        return 0
    with ExitStack() as scope:
        return run_attached(call, container_id, body, scope)


def run_attached(call: Call, container_id: str, body: dict[str, Any], scope: ExitStack) -> int:
    """Attach, wait, start, talk; the container's exit code."""
    path = named("containers", container_id)
    keys = call.options["detach-keys"]
    if call.options["sig-proxy"]:
        from sampan.client.terminal import forwarded_signals

        scope.enter_context(forwarded_signals(call.engine, f"{path}/kill", give_up=give_up))
    query = attach_query(stdin=body["AttachStdin"], stdout=body["AttachStdout"], stderr=body["AttachStderr"], keys=keys)
    attached = call.engine.upgrade(f"{path}/attach", query)
    condition = "removed" if body["HostConfig"]["AutoRemove"] else "next-exit"
    waited = call.engine.send("POST", f"{path}/wait", {"condition": condition})
    start(call, container_id, waited if condition == "removed" else None)
    if body["Tty"] and call.out.is_terminal:
        from sampan.client.terminal import followed_size

        scope.enter_context(followed_size(call.engine, path))
    output = body["AttachStdout"] or body["AttachStderr"]
    try:
        converse(attached, tty=body["Tty"], stdin=body["AttachStdin"], keys=keys, output=output)
    except Detached:
        return 0
    return exit_status(call, waited) if output else 0


def create_only(call: Call) -> int:
    """docker create."""
    call.out.line(create_container(call, read_body(call)))
    return 0


def read_body(call: Call) -> dict[str, Any]:
    """The request body; options that contradict each other fail as docker's do, with code 125."""
    options = call.options
    try:
        if options["pull"] not in ("always", "missing", "never"):
            raise Failure(f'invalid pull option: {options["pull"]!r}: must be one of "always", "missing" or "never"')
        if options["use-api-socket"]:
            raise Failure(
                "--use-api-socket is not in this version: mount the socket with -v, if you trust the container"
            )
        check_reference(call.arguments[0])
        body = container_create(options, call.arguments[0], call.arguments[1:])
    except (Failure, SampanError) as failure:
        raise explained(call, failure) from None
    if body["Tty"] and call.out.is_terminal:
        from sampan.client.terminal import size

        body["HostConfig"]["ConsoleSize"] = list(size())
    return body


def check_reference(image: str) -> None:
    """Raises InvalidRequest for what cannot name an image; the parser is imported only for names that look odd."""
    words = image.translate(SEPARATORS).split(" ")
    if image != image.lower() or not image.isascii() or not all(word.isalnum() for word in words):
        from sampan.oci.reference import parse_any

        parse_any(image)


def create_container(call: Call, body: dict[str, Any]) -> str:
    """POST /containers/create, after bringing the image if it is missing; the container's ID."""
    options = call.options
    query: dict[str, str | list[str]] = {}
    if options["name"]:
        query["name"] = options["name"]
    if options["platform"]:
        query["platform"] = options["platform"]
    with ExitStack() as undo:
        id_file = claim_id_file(options["cidfile"], undo)
        if options["pull"] == "always":
            pull(call, body["Image"])
        try:
            created = call.engine.post("/containers/create", query, body=body)
        except Refused as refused:
            if refused.status != 404 or options["pull"] != "missing":
                raise
            pull(call, body["Image"], missing=True)
            created = call.engine.post("/containers/create", query, body=body)
        for warning in created.get("Warnings") or ():
            call.err.line(f"WARNING: {warning}")
        if id_file is not None:
            os.write(id_file, created["Id"].encode("ascii"))
        undo.pop_all()
    return str(created["Id"])


def claim_id_file(path: str, undo: ExitStack) -> int | None:
    """Make the file of --cidfile, which must be new; removed again if no container comes of it."""
    if not path:
        return None
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        raise Failure(
            f"container ID file found, make sure the other container isn't running or delete {path}", ENGINE_FAILED
        ) from None
    except OSError as error:
        raise Failure(f"failed to create the container ID file: {error.strerror}: {path}", ENGINE_FAILED) from None
    undo.callback(os.unlink, path)
    return file


def pull(call: Call, image: str, *, missing: bool = False) -> None:
    """Ask the engine to bring an image; progress goes to standard error."""
    from sampan.client.credentials import header
    from sampan.client.progress import show
    from sampan.oci.reference import parse_reference

    reference = parse_reference(image).with_default_tag()
    if missing:
        call.err.line(f"Unable to find image '{reference.familiar}' locally")
    query: dict[str, str | list[str]] = {"fromImage": reference.name, "tag": reference.digest or reference.tag}
    if call.options["platform"]:
        query["platform"] = call.options["platform"]
    fields = {"X-Registry-Auth": header(call.config_directory, reference.domain)}
    response = call.engine.send("POST", "/images/create", query, fields=fields)
    show(response, call.err, quiet=call.options["quiet"])


def start(call: Call, container_id: str, removed: Response | None = None) -> None:
    """POST /start; a container that cannot start and removes itself is waited for. Raises Failure."""
    try:
        call.engine.post(named("containers", container_id, "start"))
    except SampanError as error:
        if removed is not None and isinstance(error, Refused):
            removed.read()
        raise explained(call, error) from None


def explained(call: Call, error: Exception) -> Failure:
    """The failure as docker run tells it; 127 and 126 say that the command was not found or could not be invoked."""
    text = str(error)
    code = error.code if isinstance(error, Failure) and error.code != 1 else ENGINE_FAILED
    if isinstance(error, Refused):
        if any(words in text for words in NOT_FOUND_WORDS):
            code = NOT_FOUND
        elif any(words in text.lower() for words in CANNOT_INVOKE_WORDS):
            code = CANNOT_INVOKE
    return Failure(f"{call.program}: {text}\n\nRun '{call.program} {call.name} --help' for more information", code)


USAGE = "[OPTIONS] IMAGE [COMMAND] [ARG...]"
COMMAND = Command(USAGE, run_container, flags=RUN_FLAGS, least=1, most=ANY, interspersed=False)
CREATE = Command(USAGE, create_only, flags=CREATE_FLAGS, least=1, most=ANY, interspersed=False)
