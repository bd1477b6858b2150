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
from collections.abc import Callable
from functools import cached_property
from typing import Any, NoReturn

from sampan.linux.cgroupfs import hierarchies
from sampan.linux.prctl import set_name
from sampan.linux.procfs import start_time
from sampan.runtime import oom, places, requests, starter, visit
from sampan.runtime.cgroup import Cgroup
from sampan.runtime.client_reader import ClientReader
from sampan.runtime.control import Control
from sampan.runtime.driver import Driver, OwnDriver
from sampan.runtime.hooks import run_hooks, state_of
from sampan.runtime.input import Input
from sampan.runtime.launch import Launched
from sampan.runtime.log_writer import LogWriter, Spool
from sampan.runtime.oci_driver import OciDriver
from sampan.runtime.output import Output
from sampan.runtime.plan import ContainerPlan, container_from_json
from sampan.runtime.protocol import Message, decode_body, receive, receive_body, send
from sampan.runtime.reactor import READ, Reactor
from sampan.runtime.session import Session
from sampan.runtime.starter import Starter
from sampan.runtime.status import StartFailed
from sampan.runtime.stdio import Pipes, make_pipes
from sampan.runtime.steps import sentence
from sampan.runtime.streams import Stdio, Stream, log_options_from_json, stream_from_json

SPOOL_LIMIT = 1 << 20
FORGET_SECONDS = 5.0  # how long the shim stays for an engine that is connected but has not yet noted the exit
DRAIN_SECONDS = 2.0
PAST_EXECS = 64


# Found once, in the zygote, before any shim is forked: the hierarchies are mounted when the machine starts.
HIERARCHIES = hierarchies()


class Shim:
    """One container's keeper. `directory` is its place in the run root, open."""

    def __init__(
        self, order: Message, encoded: bytes, directory: int, stdio: Stdio, pipes: Pipes, first: Starter | None
    ) -> None:
        log = log_options_from_json(order["log"])
        self._encoded = encoded
        self.stdio = stdio
        self.pipes = pipes
        self.has_own_pids = bool(order["own_pids"])
        self.has_poststop = bool(order["poststop"])
        self.reactor = Reactor()
        self.directory = directory
        self.cgroup = Cgroup(HIERARCHIES, order["cgroup"])
        self.driver: Driver = OwnDriver(lambda: self.plan, self.cgroup, first)
        keeper = LogWriter(log) if log.directory else Spool(f"/proc/self/fd/{directory}", SPOOL_LIMIT)
        self.log = keeper
        self.output = Output(self.reactor, keeper)
        self.input: Input | None = None
        self.control = Control(self.reactor, directory, lambda *request: requests.handle(self, *request))
        self.sessions: dict[str, Session] = {}
        self.past: dict[str, Message] = {}  # those that have ended, for an engine that was not there
        self.leaving: list[Session] = []  # ended, but a client has yet to take the last of the output
        self.kept: dict[str, list[int]] = {}  # descriptors held for the engine, which may be replaced by another
        self.launched: Launched | None = None
        self.started: Message = {}
        self.exit: Message = {}
        self.master = -1
        self.oom_kills = 0
        self.announced = False
        self.noted = False

    @cached_property
    def plan(self) -> ContainerPlan:
        """Everything about the container; decoded only when it is looked at, since that costs a megabyte."""
        return container_from_json(decode_body(self._encoded))

    def hand_over(self, driver: OciDriver) -> None:
        """Let another runtime keep the container. What it orphans becomes ours, and is collected."""
        self.driver = driver
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)  # for the wake-up descriptor alone
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self.reactor.watch(reader, READ, lambda events: self._reap(reader))

    def _reap(self, reader: int) -> None:
        os.read(reader, 4096)
        known = {session.pid for session in self.sessions.values()}
        self.driver.reap(known | ({self.launched.pid} if self.launched else set()))

    def start(self, streams: list[Stream]) -> None:
        """Bring the container up and serve `streams` from its first byte. Raises StartFailed."""
        pipes = self.pipes
        try:
            launched = self.driver.launch(pipes.theirs)
        except BaseException:
            pipes.close()
            raise
        self.launched = launched
        pipes.close_theirs()
        self._wire(launched, pipes)
        for stream in streams:
            self.attach(stream)
        self.reactor.watch(launched.pidfd, READ, self._ended)
        if (leaving := self.driver.leaving()) >= 0:
            self.reactor.watch(leaving, READ, lambda events: self._settle())
        watch = oom.watch(self.cgroup)
        if watch >= 0:
            self.reactor.watch(watch, READ, lambda events: self._oom(watch))
        self.started = {
            "event": "started",
            "pid": launched.pid,
            "start_time": start_time(launched.pid),
            "started_at": time.time_ns(),
        }
        self._write_file("state.json", {**self.started, "cgroup": self.cgroup.path})

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

    def attach(self, stream: Stream) -> None:
        """Serve one more client."""
        keys = stream.detach_keys if self.stdio.terminal else b""
        target = self.input if stream.stdin else None
        reader = ClientReader(self.reactor, self.output, stream, target, keys, self._detached)
        self.output.add(reader, replay=stream.replay)
        reader.begin(stream.initial)

    def _detached(self) -> None:
        self.control.tell({"event": "detach"})

    def _oom(self, watch: int) -> None:
        os.read(watch, 4096)
        self._tell_of_oom()

    def _tell_of_oom(self) -> None:
        # Both kinds of watch also wake up for other reasons, the removal of the cgroup among them.
        kills = self.cgroup.oom_kills()
        if kills > self.oom_kills:
            self.control.tell({"event": "oom"})
        self.oom_kills = max(kills, self.oom_kills)

    def _settle(self) -> None:
        if (leaving := self.driver.leaving()) >= 0:
            self.reactor.forget(leaving)
            self.driver.settle()

    def _ended(self, events: int) -> None:
        """The container's first process has ended: collect, note, announce, in this order."""
        launched = self.launched
        if launched is None:
            return
        _, status = os.waitpid(launched.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self.reactor.forget(launched.pidfd)
        os.close(launched.pidfd)
        if not self.has_own_pids:
            # With a pid namespace of its own everybody died with the first process; without one they must be told.
            self.driver.kill()
            self._settle()
        for session in list(self.sessions.values()):
            session.kill()
        self.exit = {"event": "exit", "code": code if code >= 0 else 128 - code, "finished_at": time.time_ns()}
        # Who has just helped with the start has the streams open still, and says nothing: no need to wait for it.
        if self.output.drain() or self.driver.leaving() >= 0:
            self._conclude()
        else:
            self.reactor.later(DRAIN_SECONDS, self._conclude)

    def _conclude(self) -> None:
        self.output.drain()
        self._tell_of_oom()  # the exit may have been noticed before what caused it
        self.exit["oom_killed"] = self.oom_kills > 0
        self.driver.end()
        # On disk before anybody hears of it: an engine that dies now finds it there (I3).
        self._write_file("exit.json", self.exit)
        self.announced = True
        self.control.tell(self.exit)
        if self.input:
            self.input.close()
        self.output.finish()
        if self.has_poststop:
            try:
                run_hooks(self.plan.hooks.poststop, "poststop", state_of(self.plan, "stopped", 0))
            except StartFailed:
                pass  # the container is gone either way (runtime.md "Lifecycle", step 13)
        self.reactor.later(FORGET_SECONDS, self.note_exit)

    def note_exit(self) -> None:
        """An engine has the exit on record, or none came for it; the file stays either way.

        From then on no child of ours holds the container's mounts any more.
        """
        self._settle()
        self.noted = self.announced

    def session_ended(self, session: Session, code: int) -> None:
        """A joined process has ended."""
        self.sessions.pop(session.exec_id, None)
        self.past[session.exec_id] = {"note": session.note, "pid": 0, "code": code}
        for exec_id in list(self.past)[:-PAST_EXECS]:
            del self.past[exec_id]
        self.leaving = [left for left in (*self.leaving, session) if left.has_client]
        self.control.tell({"event": "exec_exit", "exec_id": session.exec_id, "code": code})

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
        while not self.noted or self.output.readers or self.sessions or any(s.has_client for s in self.leaving):
            self.reactor.turn()
        self.control.close()


def wait_for_order(zygote: socket.socket, get_ready: Callable[[], None] | None) -> NoReturn:
    """Be a shim without a container yet: get its descriptors from the zygote, and what to do from the engine.

    `get_ready` is done meanwhile; None: somebody waits already, then there is no time for it.
    """
    os.setsid()
    set_name("sampan:shim")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    first = None
    if get_ready:
        first = starter.fork(HIERARCHIES, ahead=True)
        get_ready()  # after the fork, which write-protects what the starter has
    given = receive(zygote)
    if given is None:
        os._exit(0)  # the zygote is gone, and nobody will ask any more
    zygote.close()
    fds = given[1]
    engine = socket.socket(fileno=fds[0])
    order = receive(engine)
    if order is None:
        os._exit(0)
    if "visit" in order[0]:
        if first:
            first.dismiss()
        visit.serve(order[0]["visit"], engine)
    main(order[0], engine, fds[1:], first)


def main(message: Message, engine: socket.socket, streams: list[int], first: Starter | None) -> NoReturn:
    """Be the shim of the container in `message`; `streams` are the clients attached from the beginning."""
    code = 1
    try:
        directory = os.open(message["directory"], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        encoded = receive_body(engine)
        places.mount_all(message["places"])
        if not message["starter"]:
            first = first and first.dismiss()
        elif first is None:
            first = starter.fork(HIERARCHIES, ahead=False)
        stdio = Stdio(**message["stdio"])
        pipes = make_pipes(stdio)
        if first:
            first = starter.order(first, encoded, pipes.theirs, HIERARCHIES)  # it works while we get ready
        shim = Shim(message, encoded, directory, stdio, pipes, first)
        if not first:
            pipes.belong_to(shim.plan.root_outside)
        if program := message.get("program"):
            shim.hand_over(OciDriver(shim.plan, shim.cgroup, program, directory, message["directory"]))
        shim.start([stream_from_json(s, fd) for s, fd in zip(message["streams"], streams, strict=True)])
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
