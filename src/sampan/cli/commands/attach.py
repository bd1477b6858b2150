"""sampan attach: our terminal becomes that of a running container."""

from __future__ import annotations

from contextlib import ExitStack

from sampan.cli.attached import attach_query, check_terminal, converse, exit_status, give_up
from sampan.cli.command import Call, Command, Failure
from sampan.cli.flags import SWITCH, TEXT, Flag
from sampan.client.engine import named
from sampan.client.stream import Detached

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def run(call: Call) -> int:
    """docker attach; the container's exit code."""
    options, name = call.options, call.arguments[0]
    # Wait stands before everything else, so that an exit in between is not missed.
    waited = call.engine.send("POST", named("containers", name, "wait"))
    container = running(call, name)
    tty = container["Config"]["Tty"]
    check_terminal(stdin=not options["no-stdin"], tty=tty)
    stdin = not options["no-stdin"] and container["Config"]["OpenStdin"]
    path, keys = named("containers", container["Id"]), options["detach-keys"]
    with ExitStack() as scope:
        if options["sig-proxy"] and not tty:
            from sampan.client.terminal import forwarded_signals

            scope.enter_context(forwarded_signals(call.engine, f"{path}/kill", give_up=give_up))
        attached = call.engine.upgrade(f"{path}/attach", attach_query(stdin=stdin, stdout=True, stderr=True, keys=keys))
        running(call, name)
        if tty and call.out.is_terminal:
            from sampan.client.terminal import followed_size

            scope.enter_context(followed_size(call.engine, path, nudge=True))
        try:
            converse(attached, tty=tty, stdin=stdin, keys=keys)
        except Detached:
            raise Failure("read escape sequence") from None
        return exit_status(call, waited)


def running(call: Call, name: str) -> dict[str, Any]:
    """The container, if one can attach to it now. Raises Failure."""
    container: dict[str, Any] = call.engine.get(named("containers", name, "json"))
    state = container["State"]
    if not state["Running"]:
        raise Failure("You cannot attach to a stopped container, start it first")
    if state["Paused"]:
        raise Failure("You cannot attach to a paused container, unpause it first")
    if state["Restarting"]:
        raise Failure("You cannot attach to a restarting container, wait until it is running")
    return container


COMMAND = Command(
    "[OPTIONS] CONTAINER",
    run,
    least=1,
    most=1,
    flags=(
        Flag("detach-keys", TEXT, "Override the key sequence for detaching a container"),
        Flag("no-stdin", SWITCH, "Do not attach STDIN"),
        Flag("sig-proxy", SWITCH, "Proxy all received signals to the process", default=True),
    ),
)
