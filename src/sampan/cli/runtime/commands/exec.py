"""sampan runtime exec: run another process inside a container."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sampan.cli.command import ANY
from sampan.cli.flags import LIST, NUMBER, SWITCH, TEXT, Flag
from sampan.cli.runtime import console
from sampan.cli.runtime.attend import attend, open_terminal
from sampan.cli.runtime.bring_up import STDIO, check_descriptors, sentence, write_pid
from sampan.cli.runtime.bundle import plan_joining, read_object
from sampan.cli.runtime.call import Call, Command
from sampan.cli.runtime.record import Container
from sampan.cli.runtime.sealed import harden
from sampan.errors import Conflict, InvalidRequest, NotSupported
from sampan.linux.pty import get_size
from sampan.runtime import exec as joining
from sampan.runtime.cgroup import Cgroup
from sampan.runtime.launch import Launched
from sampan.runtime.status import StartFailed
from sampan.runtime.subgroup import Subgroup

FLAGS = (
    Flag("console-socket", TEXT, "Unix socket that gets the master end of the terminal"),
    Flag("cwd", TEXT, "Current working directory in the container"),
    Flag("env", LIST, "Set environment variables", short="e"),
    Flag("tty", SWITCH, "Allocate a pseudo-TTY", short="t"),
    Flag("user", TEXT, "UID (format: <uid>[:<gid>])", short="u"),
    Flag("additional-gids", LIST, "Additional gids", short="g"),
    Flag("process", TEXT, "Path to the process.json", short="p"),
    Flag("detach", SWITCH, "Detach from the container's process", short="d"),
    Flag("pid-file", TEXT, "File to write the process id to"),
    Flag("process-label", TEXT, "Refused: SELinux cannot be used"),
    Flag("apparmor", TEXT, "Refused: AppArmor cannot be used"),
    Flag("no-new-privs", SWITCH, "Set the no new privileges value for the process"),
    Flag("cap", LIST, "Add a capability to the bounding set for the process", short="c"),
    Flag("preserve-fds", NUMBER, "How many descriptors from 3 on the process inherits", default=0),
    Flag("cgroup", LIST, "Run the process in an (existing) sub-cgroup: [<controller>:]<cgroup>"),
    Flag("ignore-paused", SWITCH, "Allow exec in a paused container"),
)


def run(call: Call) -> int:
    """Run it and stay with it; its exit code, 0 with --detach."""
    options = call.options
    container = call.store.get(call.arguments[0])
    _refuse(call, container)
    process = described(call, container)
    plan = plan_joining(process, container.record.plan)
    detached = options["detach"]
    socket = console.connect(options["console-socket"], terminal=plan.terminal, detached=detached)
    terminal = open_terminal() if plan.terminal and not socket else -1
    if terminal >= 0:
        rows, columns = get_size(terminal)
        plan = replace(plan, rows=plan.rows or rows, columns=plan.columns or columns)
    preserve = options["preserve-fds"] + _listening(process)
    check_descriptors(preserve)
    cgroup = _cgroup(container, options["cgroup"])
    harden()
    try:
        launched = joining.begin(
            container.record.plan, plan, container.record.pid, cgroup,
            stdio=() if plan.terminal else STDIO, preserve=preserve,
        )  # fmt: skip
        while not joining.advance(launched):
            pass
    except StartFailed as error:
        raise StartFailed(sentence(error).replace("container init", "joining", 1), error.exit_code) from None
    if socket:
        console.hand_over(socket, launched.terminal)
        launched.terminal = -1
    return _stay(launched, options["pid-file"], terminal, detached=detached)


def _stay(launched: Launched, pid_file: str, terminal: int, *, detached: bool) -> int:
    if pid_file:
        write_pid(pid_file, launched.pid)
    if detached:
        os.close(launched.pidfd)
        return 0
    code = attend(launched.pid, launched.pidfd, master=launched.terminal, terminal=terminal)
    os.close(launched.pidfd)
    return code


def _refuse(call: Call, container: Container) -> None:
    status = container.status()
    if status in ("stopped", "creating"):
        raise Conflict(f"cannot exec in a {status} container")
    if status == "paused" and not call.options["ignore-paused"]:
        raise Conflict("cannot exec in a paused container (use --ignore-paused to override)")
    for flag, kind in (("process-label", "SELinux"), ("apparmor", "AppArmor")):
        if call.options[flag]:
            raise NotSupported(f"--{flag}: {kind} cannot be used on this machine")


def described(call: Call, container: Container) -> dict[str, Any]:
    """The OCI process that the words ask for: that of --process, or the container's own, changed. InvalidRequest."""
    options, words = call.options, call.arguments[1:]
    if options["process"]:
        try:
            return read_object(options["process"], "process.json")
        except OSError as error:
            raise InvalidRequest(f"open {options['process']}: {(error.strerror or '').lower()}") from None
    if not words:
        raise InvalidRequest("process args cannot be empty")
    process = {key: value for key, value in container.record.process.items() if key != "consoleSize"}
    process["args"] = words
    process["env"] = [*(process.get("env") or ()), *options["env"]]
    process["cwd"] = options["cwd"] or process.get("cwd")
    process["terminal"] = options["tty"]
    process["noNewPrivileges"] = options["no-new-privs"] or bool(process.get("noNewPrivileges"))
    if options["cap"]:
        process["capabilities"] = with_capabilities(process.get("capabilities") or {}, options["cap"])
    if options["user"] or options["additional-gids"]:
        process["user"] = user_of(process.get("user") or {}, options["user"], options["additional-gids"])
    return process


def with_capabilities(sets: dict[str, list[str]], added: Sequence[str]) -> dict[str, list[str]]:
    """The capability sets with more in those that the kernel lets root gain; never the inheritable (A16)."""
    names = [name.upper() if name.upper().startswith("CAP_") else f"CAP_{name.upper()}" for name in added]
    grown = {key: [*(sets.get(key) or ()), *names] for key in ("bounding", "effective", "permitted")}
    return {**sets, **grown}


def user_of(user: dict[str, Any], text: str, groups: Sequence[str]) -> dict[str, Any]:
    """The OCI user for UID[:GID] and additional groups. Raises InvalidRequest for what is not a number."""
    found = {**user}
    if text:
        uid, colon, gid = text.partition(":")
        found["uid"] = _number(uid, "uid")
        if colon:
            found["gid"] = _number(gid, "gid")
    if groups:
        found["additionalGids"] = [*(user.get("additionalGids") or ()), *(_number(gid, "gid") for gid in groups)]
    return found


def _number(text: str, what: str) -> int:
    if not text.isascii() or not text.isdecimal():
        raise InvalidRequest(f"parsing {text} as int for {what} failed: invalid syntax")
    return int(text)


def _listening(process: dict[str, Any]) -> int:
    """How many descriptors of socket activation there are (sd_listen_fds(3)); the process is told of them."""
    given = os.environ.get("LISTEN_FDS", "")
    if not given.isdecimal() or not int(given):
        return 0
    process["env"] = [*(process.get("env") or ()), f"LISTEN_FDS={given}", "LISTEN_PID=1"]
    return int(given)


def _cgroup(container: Container, words: list[str]) -> Cgroup:
    """The cgroup to join: the container's, or one below it. Raises InvalidRequest."""
    cgroup = container.cgroup()
    if not words:
        return cgroup
    below = Subgroup(cgroup.hierarchies, cgroup.path, words)
    missing = below.missing()
    if missing:
        raise InvalidRequest(f"error adding pid to cgroup: open {missing}/cgroup.procs: no such file or directory")
    return below


COMMAND = Command(
    usage="<container-id> <command> [command options]  || -p process.json <container-id>",
    run=run, flags=FLAGS, most=ANY, interspersed=False, sealed=True, failed=255, prefix="exec failed: ",
)  # fmt: skip
