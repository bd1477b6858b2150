"""Who looks after one running container?

The shim: parent of the container's first process, owner of its streams and its log. It outlives the daemon, needs
nothing from it, and knows one container only. One thread, one poll(2) loop, no garbage collection (design: a forked
child of the frozen zygote stays small as long as it never collects); so objects here do not refer to each other in
circles once they are done with.

    engine ──control socket──▶ shim ──fork──▶ init, exec'd processes
                                │ stdout, stderr ▶ log ▶ attached clients
                                │ exit           ▶ exit.json ▶ engine
"""

import errno
import json
import os
import signal
import socket
import time
from dataclasses import replace
from typing import Any, NoReturn

from sampan.linux.cgroupfs import hierarchies
from sampan.linux.pidfd import pidfd_send_signal
from sampan.linux.prctl import set_name
from sampan.linux.procfs import start_time
from sampan.linux.pty import set_size
from sampan.linux.sched import CloneFlag
from sampan.runtime import exec as joining
from sampan.runtime import oom
from sampan.runtime.cgroup import Cgroup
from sampan.runtime.client_reader import ClientReader
from sampan.runtime.control import Answer, Control
from sampan.runtime.hooks import run_hooks, state_of
from sampan.runtime.input import Input
from sampan.runtime.launch import Launched, launch
from sampan.runtime.log_writer import LogWriter, Spool
from sampan.runtime.output import Output
from sampan.runtime.plan import CgroupWrite, ContainerPlan, process_from_json
from sampan.runtime.protocol import Message, close_all, send
from sampan.runtime.reactor import READ, Reactor
from sampan.runtime.session import Session
from sampan.runtime.status import StartFailed
from sampan.runtime.stdio import Pipes, make_pipes
from sampan.runtime.steps import sentence
from sampan.runtime.streams import LogOptions, Stdio, Stream

SPOOL_LIMIT = 1 << 20
FORGET_SECONDS = 5.0  # how long the shim stays for an engine that is connected but has not yet noted the exit
DRAIN_SECONDS = 2.0


class Shim:
    """One container's keeper. `directory` is its place in the run root, open."""

    def __init__(self, plan: ContainerPlan, stdio: Stdio, log: LogOptions, directory: int) -> None:
        self.plan = plan
        self.stdio = stdio
        self.reactor = Reactor()
        self.directory = directory
        self.cgroup = Cgroup(hierarchies(), plan.cgroup.path)
        keeper = LogWriter(log) if log.directory else Spool(f"/proc/self/fd/{directory}", SPOOL_LIMIT)
        self.log = keeper
        self.output = Output(self.reactor, keeper, self._reader_gone)
        self.input: Input | None = None
        self.control = Control(self.reactor, directory, self._handle)
        self.sessions: dict[str, Session] = {}
        self.launched: Launched | None = None
        self.started: Message = {}
        self.exit: Message = {}
        self.master = -1
        self.oom_kills = 0
        self.done = False

    # ── start ────────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self, streams: list[Stream]) -> None:
        """Bring the container up and serve `streams` from its first byte. Raises StartFailed."""
        pipes = make_pipes(self.stdio)
        try:
            launched = launch(self.plan, self.cgroup, stdio=pipes.theirs)
        except BaseException:
            pipes.close()
            raise
        self.launched = launched
        pipes.close_theirs()
        self._wire(launched, pipes)
        for stream in streams:
            self.attach(stream)
        self.reactor.watch(launched.pidfd, READ, self._ended)
        watch = oom.watch(self.cgroup)
        if watch >= 0:
            self.reactor.watch(watch, READ, lambda events: self._oom(watch))
        self.started = {
            "event": "started",
            "pid": launched.pid,
            "start_time": start_time(launched.pid),
            "started_at": time.time_ns(),
        }
        self._write_file("state.json", {**self.started, "cgroup": self.plan.cgroup.path})

    def _wire(self, launched: Launched, pipes: Pipes) -> None:
        stdin, outputs = pipes.stdin, pipes.outputs
        if launched.terminal >= 0:
            self.master = launched.terminal
            os.set_blocking(self.master, False)
            outputs = [(self.master, 1)]
            stdin = os.dup(self.master)
        for fd, number in outputs:
            self.output.add_pipe(fd, number)
        if stdin >= 0:
            self.input = Input(self.reactor, stdin, once=self.stdio.stdin_once, terminal=self.stdio.terminal)

    def attach(self, stream: Stream, *, replay: bool = False) -> None:
        """Serve one more client."""
        keys = stream.detach_keys if self.stdio.terminal else b""
        target = self.input if stream.stdin else None
        reader = ClientReader(self.reactor, self.output, stream, target, keys, self._detached)
        self.output.add(reader, replay=replay or stream.replay)
        reader.begin(stream.initial)

    def _detached(self) -> None:
        self.control.tell({"event": "detach"})

    def _reader_gone(self, reader: object) -> None:
        if self.exit:
            self._maybe_leave()

    def _oom(self, watch: int) -> None:
        os.read(watch, 4096)
        # Both kinds of watch also wake up for other reasons, the removal of the cgroup among them.
        kills = self.cgroup.oom_kills()
        if kills > self.oom_kills:
            self.control.tell({"event": "oom"})
        self.oom_kills = max(kills, self.oom_kills)

    # ── requests ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _handle(self, message: Message, fds: list[int], answer: Answer) -> None:
        """One request of the engine's."""
        verb = getattr(self, f"_do_{message.get('op')}", None)
        if verb is None:
            close_all(fds)
            return answer({"error": f"unknown request {message.get('op')!r}", "exit_code": 125})
        try:
            result = verb(message, fds, answer)
        except StartFailed as error:
            answer({"error": str(error), "exit_code": error.exit_code, "plain": error.plain})
        except OSError as error:
            answer({"error": sentence(error), "exit_code": 125})
        else:
            if result is not None:
                answer({"ok": result})

    def _do_state(self, message: Message, fds: list[int], answer: Answer) -> Message:
        sessions = {name: session.pid for name, session in self.sessions.items()}
        return {"started": self.started, "exit": self.exit, "sessions": sessions}

    def _do_attach(self, message: Message, fds: list[int], answer: Answer) -> Message:
        self.attach(stream_from_json(message["stream"], fds[0]))
        return {}

    def _do_signal(self, message: Message, fds: list[int], answer: Answer) -> Message:
        if self.launched and not self.exit:
            if message.get("everyone"):
                self.cgroup.kill()
            else:
                try:
                    pidfd_send_signal(self.launched.pidfd, message["number"])
                except ProcessLookupError:
                    pass
        return {}

    def _do_freeze(self, message: Message, fds: list[int], answer: Answer) -> Message:
        if message["frozen"]:
            self.cgroup.freeze()
        else:
            self.cgroup.thaw()
        return {}

    def _do_resize(self, message: Message, fds: list[int], answer: Answer) -> Message:
        session = self.sessions.get(message.get("exec_id") or "")
        if session:
            session.resize(message["rows"], message["columns"])
        elif self.master >= 0:
            set_size(self.master, message["rows"], message["columns"])
        return {}

    def _do_update(self, message: Message, fds: list[int], answer: Answer) -> Message:
        self.cgroup.write([CgroupWrite(**write) for write in message["writes"]])
        return {}

    def _do_forget(self, message: Message, fds: list[int], answer: Answer) -> Message:
        if self.exit:
            self.exit["noted"] = True
            self._maybe_leave()
        return {}

    def _do_exec(self, message: Message, fds: list[int], answer: Answer) -> None:
        if self.exit or self.launched is None:
            close_all(fds)
            raise StartFailed("the container is not running")
        stdio = Stdio(**message["stdio"])
        stream = stream_from_json(message["stream"], fds[0]) if fds else None
        pipes = make_pipes(stdio)
        try:
            # What confines the container confines who joins it; only capabilities may differ (exec --privileged).
            plan = replace(
                process_from_json(message["process"]),
                seccomp=self.plan.process.seccomp,
                seccomp_flags=self.plan.process.seccomp_flags,
                no_new_privileges=self.plan.process.no_new_privileges,
            )
            launched = joining.begin(self.plan, plan, self.launched.pid, self.cgroup, stdio=pipes.theirs)
        except BaseException:
            pipes.close()
            close_all(fds)
            raise
        session = Session(self.reactor, message["exec_id"], launched, stdio, stream, self._session_ended)
        self.sessions[session.exec_id] = session
        channel = launched.channel
        if channel:
            self.reactor.watch(
                channel.fileno(),
                READ,
                lambda events: self._exec_report(session, launched, channel.fileno(), pipes, answer),
            )

    def _exec_report(self, session: Session, launched: Launched, fd: int, pipes: Pipes, answer: Answer) -> None:
        if launched.channel is None:
            return None
        before = launched.channel
        try:
            running = joining.advance(launched)
        except StartFailed as error:
            self._forget_channel(fd, before)
            self.sessions.pop(session.exec_id, None)
            pipes.close()
            session.finish()
            return answer({"error": str(error), "exit_code": error.exit_code, "plain": error.plain})
        if running:
            self._forget_channel(fd, before)
            answer({"ok": {"pid": session.pid}})
            session.run(pipes, launched.terminal)
        return None

    def _forget_channel(self, fd: int, channel: socket.socket) -> None:
        # The descriptor is closed by now, and its number still in the table.
        self.reactor.forget(fd)

    def _session_ended(self, session: Session, code: int) -> None:
        self.sessions.pop(session.exec_id, None)
        self.control.tell({"event": "exec_exit", "exec_id": session.exec_id, "code": code})

    # ── end ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _ended(self, events: int) -> None:
        """The container's first process has ended: collect, note, announce, in this order."""
        launched = self.launched
        if launched is None:
            return
        _, status = os.waitpid(launched.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self.reactor.forget(launched.pidfd)
        os.close(launched.pidfd)
        if not self.plan.new_namespaces & CloneFlag.NEWPID:
            # With a pid namespace of its own everybody died with the first process; without one they must be told.
            self.cgroup.kill()
        for session in list(self.sessions.values()):
            session.kill()
        self.exit = {"event": "exit", "code": code if code >= 0 else 128 - code, "finished_at": time.time_ns()}
        if self.output.drain():
            self._conclude()
        else:
            self.reactor.later(DRAIN_SECONDS, self._conclude)

    def _conclude(self) -> None:
        self.output.drain()
        self.exit["oom_killed"] = max(self.cgroup.oom_kills(), self.oom_kills) > 0
        self.cgroup.remove()
        # On disk before anybody hears of it: an engine that dies now finds it there (I3).
        self._write_file("exit.json", self.exit)
        self.control.tell(self.exit)
        if self.input:
            self.input.close()
        self.output.finish()
        if self.plan.hooks.poststop:
            try:
                run_hooks(self.plan.hooks.poststop, "poststop", state_of(self.plan, "stopped", 0))
            except StartFailed:
                pass  # the container is gone either way (runtime.md "Lifecycle", step 13)
        self.reactor.later(FORGET_SECONDS, self._leave_soon)
        self._maybe_leave()

    def _leave_soon(self) -> None:
        self.exit["noted"] = True
        self._maybe_leave()

    def _maybe_leave(self) -> None:
        self.done = bool(self.exit.get("noted")) and not self.output.readers and not self.sessions

    def _write_file(self, name: str, content: dict[str, Any]) -> None:
        """Put a file into the run directory in one step."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        fd = os.open(f".{name}", flags, 0o600, dir_fd=self.directory)
        try:
            os.write(fd, json.dumps(content).encode())
        finally:
            os.close(fd)
        os.rename(f".{name}", name, src_dir_fd=self.directory, dst_dir_fd=self.directory)

    def serve(self) -> None:
        """Look after the container until it has ended and everybody who needs to know does."""
        while not self.done:
            self.reactor.turn()
        self.control.close()


def stream_from_json(data: dict[str, Any], fd: int) -> Stream:
    """The attached client that a request describes; `fd` came with it."""
    values = {**data, "detach_keys": bytes.fromhex(data["detach_keys"]), "initial": bytes.fromhex(data["initial"])}
    return Stream(fd=fd, **values)


def stream_to_json(stream: Stream) -> dict[str, Any]:
    """The description of an attached client, without its descriptor."""
    return {
        "stdin": stream.stdin, "stdout": stream.stdout, "stderr": stream.stderr, "framed": stream.framed,
        "detach_keys": stream.detach_keys.hex(), "initial": stream.initial.hex(), "replay": stream.replay,
    }  # fmt: skip


def main(message: Message, plan: ContainerPlan, fds: list[int]) -> NoReturn:
    """Be the shim of the container in `message`: the zygote has just forked it. `fds`: control, then streams."""
    os.setsid()
    set_name("sampan:shim")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    engine = socket.socket(fileno=fds[0])
    code = 1
    try:
        directory = os.open(message["directory"], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        shim = Shim(plan, Stdio(**message["stdio"]), LogOptions(**message["log"]), directory)
        streams = [stream_from_json(s, fd) for s, fd in zip(message["streams"], fds[1:], strict=True)]
        shim.start(streams)
        shim.control.adopt(engine)
        shim.control.tell(shim.started)
        shim.serve()
        code = 0
    except StartFailed as error:
        _tell(engine, {"event": "failed", "error": str(error), "exit_code": error.exit_code, "plain": error.plain})
    except OSError as error:
        _tell(engine, {"event": "failed", "error": sentence(error), "exit_code": 125})
    except BaseException as error:
        _tell(engine, {"event": "failed", "error": f"{type(error).__name__}: {error}", "exit_code": 125})
    os._exit(code)


def _tell(engine: socket.socket, message: Message) -> None:
    try:
        engine.setblocking(True)
        send(engine, message)
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ECONNRESET, errno.EBADF):
            raise
