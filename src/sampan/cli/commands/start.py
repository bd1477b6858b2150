"""sampan start: run containers again, or for the first time after create."""

from __future__ import annotations

from contextlib import ExitStack

from sampan.cli.attached import attach_query, converse, exit_status, give_up
from sampan.cli.command import ANY, Call, Command, Failure
from sampan.cli.each import for_each
from sampan.cli.flags import SWITCH, TEXT, Flag
from sampan.client.connection import Response
from sampan.client.engine import named
from sampan.client.stream import Detached
from sampan.errors import SampanError


def run(call: Call) -> int:
    """docker start."""
    if call.options["checkpoint"] or call.options["checkpoint-dir"]:
        raise Failure("checkpoints are not in this version: start the container without --checkpoint")
    if call.options["attach"] or call.options["interactive"]:
        if len(call.arguments) > 1:
            raise Failure("you cannot start and attach multiple containers at once")
        return start_attached(call, call.arguments[0])
    failed: list[str] = []

    def start(name: str) -> None:
        try:
            call.engine.post(named("containers", name, "start"))
        except SampanError:
            failed.append(name)
            raise

    code = for_each(call, call.arguments, start)
    if failed:
        raise Failure(f"Error: failed to start containers: {', '.join(failed)}")
    return code


def start_attached(call: Call, name: str) -> int:
    """docker start -a: inspect, attach, wait, start, talk; the container's exit code."""
    container = call.engine.get(named("containers", name, "json"))
    path, keys = named("containers", container["Id"]), call.options["detach-keys"]
    tty = container["Config"]["Tty"]
    stdin = call.options["interactive"] and container["Config"]["OpenStdin"]
    with ExitStack() as scope:
        if not tty:
            from sampan.client.terminal import forwarded_signals

            scope.enter_context(forwarded_signals(call.engine, f"{path}/kill", give_up=give_up))
        query = attach_query(stdin=stdin, stdout=True, stderr=True, keys=keys)
        attached = call.engine.upgrade(f"{path}/attach", query)
        removes_itself = container["HostConfig"]["AutoRemove"]
        waited = call.engine.send("POST", f"{path}/wait", {"condition": "removed" if removes_itself else "next-exit"})
        start_or_wait(call, path, waited if removes_itself else None)
        if tty and call.out.is_terminal:
            from sampan.client.terminal import followed_size

            scope.enter_context(followed_size(call.engine, path))
        try:
            converse(attached, tty=tty, stdin=stdin, keys=keys)
        except Detached:
            return 0
        return exit_status(call, waited)


def start_or_wait(call: Call, path: str, removed: Response | None) -> None:
    """Start; if that fails and the container removes itself, be there until it is gone."""
    try:
        call.engine.post(f"{path}/start")
    except SampanError:
        if removed is not None:
            removed.read()
        raise


COMMAND = Command(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    run,
    least=1,
    most=ANY,
    flags=(
        Flag("attach", SWITCH, "Attach STDOUT/STDERR and forward signals", short="a"),
        Flag("checkpoint", TEXT, "Restore from this checkpoint", hidden=True),
        Flag("checkpoint-dir", TEXT, "Use a custom checkpoint storage directory", hidden=True),
        Flag("detach-keys", TEXT, "Override the key sequence for detaching a container"),
        Flag("interactive", SWITCH, "Attach container's STDIN", short="i"),
    ),
)
