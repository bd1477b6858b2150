"""What can the engine ask of a shim?

One function for each request; what it returns is the reply, what it raises is the reply's error. None: the reply comes
later.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from sampan.linux.pty import set_size
from sampan.runtime.control import Answer
from sampan.runtime.driver import Joining
from sampan.runtime.plan import CgroupWrite, ProcessPlan, process_from_json
from sampan.runtime.protocol import Message, close_all
from sampan.runtime.reactor import READ
from sampan.runtime.session import Session
from sampan.runtime.status import StartFailed
from sampan.runtime.stdio import Pipes, make_pipes
from sampan.runtime.steps import sentence
from sampan.runtime.streams import Stdio, Stream, stream_from_json

if TYPE_CHECKING:
    from sampan.runtime.shim import Shim

Verb = Callable[["Shim", Message, list[int], Answer], Message | None]


def handle(shim: "Shim", message: Message, fds: list[int], answer: Answer) -> None:
    """Do what `message` asks and answer it."""
    verb = VERBS.get(str(message.get("op")))
    if verb is None:
        close_all(fds)
        return answer({"error": f"unknown request {message.get('op')!r}", "exit_code": 125})
    # Only these take descriptors over.
    given = fds if verb in (_attach, _exec, _keep) else []
    if not given:
        close_all(fds)
    try:
        reply = verb(shim, message, given, answer)
    except StartFailed as error:
        return answer({"error": str(error), "exit_code": error.exit_code, "plain": error.plain})
    except OSError as error:
        return answer({"error": sentence(error), "exit_code": 125})
    except Exception as error:
        # No engine asks like this; whoever did must not be the end of the container.
        return answer({"error": f"not a request: {type(error).__name__}: {error}", "exit_code": 125})
    if reply is not None:
        answer({"ok": reply})


def _state(shim: "Shim", message: Message, fds: list[int], answer: Answer) -> Message:
    sessions = {name: session.pid for name, session in shim.sessions.items()}
    return {"started": shim.started, "exit": shim.exit if shim.announced else {}, "sessions": sessions}


def _execs(shim: "Shim", message: Message, fds: list[int], answer: Answer) -> Message:
    """What has joined the container, running (`code` is null) or not; with the note that came with each."""
    running = {
        name: {"note": session.note, "pid": session.pid, "code": None} for name, session in shim.sessions.items()
    }
    return {"execs": {**shim.past, **running}}


def _attach(shim: "Shim", message: Message, fds: list[int], answer: Answer) -> Message:
    shim.attach(_stream(message, fds))
    return {}


def _stream(message: Message, fds: list[int]) -> Stream:
    """The client in a request; if there is none, its descriptors are closed."""
    try:
        (fd,) = fds
        return stream_from_json(message["stream"], fd)
    except BaseException:
        close_all(fds)
        raise


def _keep(shim: "Shim", message: Message, fds: list[int], answer: Answer) -> Message:
    """Hold descriptors for an engine to come, under a name; what was held under it before is let go."""
    name = str(message["name"])
    close_all(shim.kept.pop(name, []))
    if fds:
        shim.kept[name] = fds
    return {}


def _kept(shim: "Shim", message: Message, fds: list[int], answer: Answer) -> None:
    """Copies of the descriptors that are held under a name."""
    answer({"ok": {}}, shim.kept.get(str(message["name"]), []))


def _signal(shim: "Shim", message: Message, fds: list[int], answer: Answer) -> Message:
    if shim.launched and not shim.exit:
        if message.get("everyone"):
            shim.driver.kill()
        elif exec_id := message.get("exec_id"):
            if session := shim.sessions.get(exec_id):
                session.signal(message["number"])
        else:
            try:
                shim.driver.signal(shim.launched, message["number"])
            except ProcessLookupError:
                pass  # it ended meanwhile, which is what most signals are for
    return {}


def _freeze(shim: "Shim", message: Message, fds: list[int], answer: Answer) -> Message:
    try:
        shim.driver.freeze(bool(message["frozen"]))
    except FileNotFoundError:
        return {"done": False}  # the program has ended, and its cgroup with it
    return {"done": True}


def _resize(shim: "Shim", message: Message, fds: list[int], answer: Answer) -> Message:
    session = shim.sessions.get(message.get("exec_id") or "")
    if session:
        session.resize(message["rows"], message["columns"])
    elif shim.output.reads(shim.master):
        set_size(shim.master, message["rows"], message["columns"])
    return {}


def _update(shim: "Shim", message: Message, fds: list[int], answer: Answer) -> Message:
    shim.driver.update([CgroupWrite(**write) for write in message["writes"]], message.get("resources") or {})
    return {}


def _forget(shim: "Shim", message: Message, fds: list[int], answer: Answer) -> Message:
    shim.note_exit()
    return {}


def _exec(shim: "Shim", message: Message, fds: list[int], answer: Answer) -> None:
    """Have a process join; the reply comes when it runs or has failed, and the container is served meanwhile."""
    if shim.exit or shim.launched is None:
        close_all(fds)
        raise StartFailed("the container is not running")
    stream = _stream(message, fds) if fds else None
    try:
        stdio, exec_id = Stdio(**message["stdio"]), str(message["exec_id"])
    except BaseException:
        close_all(fds)
        raise
    pipes = make_pipes(stdio)
    try:
        pipes.belong_to(shim.plan.root_outside)
        plan = _confined(shim, process_from_json(message["process"]))
        joining = shim.driver.begin(exec_id, plan, message, shim.launched.pid, pipes.theirs)
    except BaseException:
        pipes.close()
        close_all(fds)
        raise
    session = Session(shim.reactor, exec_id, joining.launched, stdio, stream, shim.session_ended)
    session.note = dict(message.get("note") or {})
    shim.sessions[session.exec_id] = session
    fd = joining.fileno()
    shim.reactor.watch(fd, READ, partial(_report, shim, session, joining, fd, pipes, answer))


def _confined(shim: "Shim", process: ProcessPlan) -> ProcessPlan:
    """What confines the container confines who joins it; only capabilities may differ (docker exec --privileged)."""
    own = shim.plan.process
    return replace(
        process,
        seccomp=own.seccomp,
        seccomp_flags=own.seccomp_flags,
        no_new_privileges=own.no_new_privileges or process.no_new_privileges,
    )


def _report(
    shim: "Shim",
    session: Session,
    joining: Joining,
    fd: int,
    pipes: Pipes,
    answer: Answer,
    events: int,
) -> None:
    """The joining process has said something, or has closed its channel because it runs."""
    try:
        running = joining.advance()
    except StartFailed as error:
        shim.reactor.forget(fd)
        shim.sessions.pop(session.exec_id, None)
        pipes.close()
        session.abandon()
        return answer({"error": str(error), "exit_code": error.exit_code, "plain": error.plain})
    if running:
        shim.reactor.forget(fd)
        answer({"ok": {"pid": session.pid}})
        session.run(pipes, joining.launched.terminal)


VERBS: dict[str, Verb] = {
    "state": _state,
    "execs": _execs,
    "attach": _attach,
    "keep": _keep,
    "kept": _kept,
    "signal": _signal,
    "freeze": _freeze,
    "resize": _resize,
    "update": _update,
    "forget": _forget,
    "exec": _exec,
}
