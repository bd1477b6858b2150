"""sampan exec: another process in a running container."""

from __future__ import annotations

from contextlib import ExitStack

from sampan.cli.attached import check_terminal, converse
from sampan.cli.command import ANY, Call, Command, Failure
from sampan.cli.create.body import environment
from sampan.cli.flags import LIST, SWITCH, TEXT, Flag
from sampan.cli.values import ENVIRONMENT
from sampan.client.engine import named
from sampan.client.stream import Detached
from sampan.wire.detachkeys import parse as parse_keys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def run(call: Call) -> int:
    """docker exec; the exit code of the process."""
    options, name = call.options, call.arguments[0]
    body = exec_body(call)
    call.engine.get(named("containers", name, "json"))
    if not options["detach"]:
        check_terminal(stdin=body["AttachStdin"], tty=body["Tty"])
    if body["Tty"] and call.out.is_terminal:
        from sampan.client.terminal import size

        body["ConsoleSize"] = list(size())
    path = named("exec", call.engine.post(named("containers", name, "exec"), body=body)["Id"])
    start = {"Detach": bool(options["detach"]), "Tty": body["Tty"]}
    if "ConsoleSize" in body:
        start["ConsoleSize"] = body["ConsoleSize"]
    if options["detach"]:
        call.engine.post(f"{path}/start", body=start)
        return 0
    return talk(call, path, start, stdin=body["AttachStdin"])


def talk(call: Call, path: str, start: dict[str, Any], *, stdin: bool) -> int:
    """Start the process with its streams on our side; its exit code."""
    tty = start["Tty"]
    attached = call.engine.upgrade(f"{path}/start", {}, start)
    with ExitStack() as scope:
        if tty and call.out.is_terminal:
            from sampan.client.terminal import followed_size

            scope.enter_context(followed_size(call.engine, path))
        try:
            converse(attached, tty=tty, stdin=stdin, keys=call.options["detach-keys"])
        except Detached:
            raise Failure("read escape sequence") from None
    return int(call.engine.get(f"{path}/json")["ExitCode"] or 0)


def exec_body(call: Call) -> dict[str, Any]:
    """The body of POST /containers/NAME/exec."""
    options = call.options
    if options["detach-keys"]:
        parse_keys(options["detach-keys"])
    attached = not options["detach"]
    return {
        "User": options["user"],
        "Privileged": options["privileged"],
        "Tty": options["tty"],
        "AttachStdin": attached and options["interactive"],
        "AttachStderr": attached,
        "AttachStdout": attached,
        "DetachKeys": options["detach-keys"],
        "Env": environment(options["env-file"], options["env"]),
        "WorkingDir": options["workdir"],
        "Cmd": call.arguments[1:],
    }


COMMAND = Command(
    "[OPTIONS] CONTAINER COMMAND [ARG...]",
    run,
    least=2,
    most=ANY,
    interspersed=False,
    flags=(
        Flag("detach", SWITCH, "Detached mode: run command in the background", short="d"),
        Flag("detach-keys", TEXT, "Override the key sequence for detaching a container"),
        Flag("env", ENVIRONMENT, "Set environment variables", short="e"),
        Flag("env-file", LIST, "Read in a file of environment variables"),
        Flag("interactive", SWITCH, "Keep STDIN open even if not attached", short="i"),
        Flag("privileged", SWITCH, "Give extended privileges to the command"),
        Flag("tty", SWITCH, "Allocate a pseudo-TTY", short="t"),
        Flag("user", TEXT, 'Username or UID (format: "<name|uid>[:<group|gid>]")', short="u"),
        Flag("workdir", TEXT, "Working directory inside the container", short="w"),
    ),
)
