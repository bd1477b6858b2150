"""How does a shim have another OCI runtime (runc, crun, runsc, kata) keep its container?

By the command line that they all share: create, start, exec, kill, pause, resume, update, delete. The shim mounts the
root filesystem in a mount namespace of its own, so that it goes when the shim does; it adopts orphans, so that the
container's processes become its children as those of our own are; everything else it does as always.

    <run root>/containers/<id>/bundle/config.json, rootfs/   what the program is given
                               oci/                          its own notes (--root)
"""

import json
import os
import signal
from collections.abc import Sequence
from typing import Any

from sampan.linux.fsmount import move_mount
from sampan.linux.mount import MountFlag, mount
from sampan.linux.pidfd import pidfd_open, pidfd_send_signal
from sampan.linux.prctl import set_child_subreaper
from sampan.linux.pty import set_size
from sampan.linux.sched import CloneFlag, unshare
from sampan.runtime import users
from sampan.runtime.cgroup import Cgroup
from sampan.runtime.launch import Launched
from sampan.runtime.oci_program import FAILED, NOT_EXECUTABLE, NOT_FOUND, ConsoleSocket, Running, begin
from sampan.runtime.overlay import make_overlay
from sampan.runtime.plan import CgroupWrite, ContainerPlan, ProcessPlan
from sampan.runtime.protocol import Message
from sampan.runtime.status import StartFailed

CREATE = "failed to create shim task: OCI runtime create failed: {}: unknown"
START = "OCI runtime start failed: {}: unknown"
EXEC = "OCI runtime exec failed: {}: unknown"


class OciDriver:
    """One container that a program keeps. `order` is what `oci_spec.order` made; `directory` is open and at `path`."""

    def __init__(self, plan: ContainerPlan, cgroup: Cgroup, order: Message, directory: int, path: str) -> None:
        self.container_id = plan.id
        self._plan = plan
        self._cgroup = cgroup
        self._words: list[str] = order["words"]
        self._environment: dict[str, str] = order["environment"]
        self._spec: dict[str, Any] = order["spec"]
        self._directory = directory
        self._path = path
        self._root = -1
        self._commands = 0
        self._pending: set[int] = set()  # commands that have yet to say which child is theirs

    def launch(self, stdio: Sequence[int]) -> Launched:
        """Create and start. Raises StartFailed in the words of dockerd, with what the program said."""
        set_child_subreaper(True)
        self._prepare()
        try:
            launched = self._create(stdio)
        except BaseException:
            self.end()
            raise
        try:
            self._run("start", self._plan.id)
        except StartFailed as error:
            self.end()
            os.waitpid(launched.pid, 0)
            os.close(launched.pidfd)
            if launched.terminal >= 0:
                os.close(launched.terminal)
            raise worded(START, error, self._plan.process.argv[0]) from None
        return launched

    def _prepare(self) -> None:
        """The bundle: the tree, where only this process and its children see it, and the spec."""
        bundle = f"{self._path}/bundle"
        for directory in (bundle, f"{bundle}/rootfs", f"{self._path}/oci"):
            os.makedirs(directory, 0o700, exist_ok=True)
        unshare(CloneFlag.NEWNS)
        mount("", "/", "", MountFlag.SLAVE | MountFlag.REC)
        if self._plan.overlay is None:
            raise StartFailed("there is no root filesystem")
        self._root = make_overlay(self._plan.overlay)
        place = os.open(f"{bundle}/rootfs", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            move_mount(self._root, "", place, "")
        finally:
            os.close(place)
        self._spec["process"] = self._numbered(self._spec["process"], self._plan.process)
        _write(f"{bundle}/config.json", self._spec)

    def _numbered(self, process: dict[str, Any], plan: ProcessPlan) -> dict[str, Any]:
        """The process with its user in numbers: looked up in the container's files, which no OCI runtime does."""
        uid, gid, groups, _ = users.resolve(plan.user, self._root)
        numbers = {"uid": uid, "gid": gid, "additionalGids": groups, "umask": plan.umask}
        capabilities = dict(process.get("capabilities") or {})
        if uid:
            # As execve(2) would leave a user who is not root.
            capabilities |= {"effective": [], "permitted": []}
        return {**process, "user": numbers, "capabilities": capabilities}

    def _create(self, stdio: Sequence[int]) -> Launched:
        words = ["create", "--bundle", f"{self._path}/bundle", "--pid-file", f"{self._path}/init.pid"]
        console = ConsoleSocket(self._directory, "console.sock") if self._plan.process.terminal else None
        try:
            if console:
                words += ["--console-socket", console.path]
            self._begin([*words, self._plan.id], stdio).wait()
            terminal = console.take() if console else -1
        except StartFailed as error:
            raise worded(CREATE, error, self._plan.process.argv[0]) from None
        finally:
            if console:
                console.close()
        pid = _read_pid(f"{self._path}/init.pid")
        if terminal >= 0:
            _resize(terminal, self._plan.process)
        return Launched(pid=pid, pidfd=pidfd_open(pid), terminal=terminal)

    def begin(self, exec_id: str, process: ProcessPlan, asked: Message, pid: int, stdio: Sequence[int]) -> "OciJoining":
        """`exec --detach`: the program ends once the process runs, which is then our child."""
        return OciJoining(self, exec_id, process, self._numbered(asked["oci"], process), stdio)

    def command(self, words: Sequence[str], stdio: Sequence[int]) -> Running:
        """A command that is not waited for here; `settled` must follow."""
        running = self._begin(words, stdio)
        self._pending.add(running.pid)
        return running

    def settled(self, running: Running) -> None:
        """The command has ended, and what it left is known."""
        self._pending.discard(running.pid)

    def place(self, name: str) -> str:
        """The path of a file in the container's run directory."""
        return f"{self._path}/{name}"

    def console(self, name: str) -> ConsoleSocket:
        """A socket for one terminal."""
        return ConsoleSocket(self._directory, name)

    def _begin(self, words: Sequence[str], stdio: Sequence[int] = ()) -> Running:
        self._commands += 1
        log = f"{self._path}/oci-{self._commands}.log"
        options = ["--root", f"{self._path}/oci", "--log", log, "--log-format", "json"]
        return begin([*self._words, *options, *words], log, self._environment, stdio)

    def _run(self, *words: str) -> None:
        self._begin(words).wait()

    def signal(self, launched: Launched, number: int) -> None:
        """`kill`; the program knows where the process is, perhaps in a virtual machine."""
        pidfd_send_signal(launched.pidfd, 0)
        try:
            self._run("kill", self._plan.id, str(number))
        except StartFailed:
            pidfd_send_signal(launched.pidfd, 0)  # most often it has ended meanwhile
            raise

    def kill(self) -> None:
        """`kill`, and whoever is in the cgroup after that."""
        try:
            self._run("kill", self._plan.id, str(int(signal.SIGKILL)))
        except StartFailed:
            pass  # it has ended, or the cgroup does it
        self._cgroup.kill()

    def freeze(self, frozen: bool) -> None:
        """`pause` and `resume`; to ask for what is so already is no error here, as it is none with our own."""
        try:
            self._run("pause" if frozen else "resume", self._plan.id)
        except StartFailed:
            if self._cgroup.is_frozen() != frozen:
                raise

    def update(self, writes: Sequence[CgroupWrite], resources: dict[str, Any]) -> None:
        """`update` with the resources in a file."""
        path = self.place("resources.json")
        _write(path, resources)
        try:
            self._run("update", "--resources", path, self._plan.id)
        finally:
            os.unlink(path)

    def reap(self, known: set[int]) -> None:
        """Orphans of a container without a pid namespace of its own become ours."""
        if self._pending:
            return
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            children = [int(word) for word in file.read().split()]
        for pid in children:
            if pid not in known:
                os.waitpid(pid, os.WNOHANG)

    def end(self) -> None:
        """`delete --force`, and what it may have left of the cgroup."""
        try:
            self._run("delete", "--force", self._plan.id)
        except StartFailed:
            pass  # it was never created, or has been deleted
        self._cgroup.remove()

    def leaving(self) -> int:
        """Nobody helps."""
        return -1

    def settle(self) -> None:
        """Nobody is waited for."""


class OciJoining:
    """An `exec` command that has yet to end."""

    def __init__(
        self, driver: OciDriver, exec_id: str, plan: ProcessPlan, process: dict[str, Any], stdio: Sequence[int]
    ) -> None:
        self.launched = Launched(pid=0, pidfd=-1)
        self._driver = driver
        self._plan = plan
        name = f"exec-{exec_id[:32]}"
        self._pid_file, self._file = driver.place(f"{name}.pid"), driver.place(f"{name}.json")
        _write(self._file, process)
        words = ["exec", "--process", self._file, "--detach", "--pid-file", self._pid_file]
        self._console = driver.console(f"{name}.sock") if plan.terminal else None
        if self._console:
            words += ["--console-socket", self._console.path]
        try:
            self._running = driver.command([*words, driver.container_id], stdio)
        except BaseException:
            self._clean()
            raise

    def fileno(self) -> int:
        """Readable when the command has ended."""
        return self._running.pidfd

    def advance(self) -> bool:
        """Take the process over."""
        try:
            self._running.wait()
            terminal = self._console.take() if self._console else -1
            pid = _read_pid(self._pid_file)
        except StartFailed as error:
            raise worded(EXEC, error, self._plan.argv[0]) from None
        finally:
            self._driver.settled(self._running)
            self._clean()
        if terminal >= 0:
            _resize(terminal, self._plan)
        self.launched.pid, self.launched.pidfd, self.launched.terminal = pid, pidfd_open(pid), terminal
        return True

    def _clean(self) -> None:
        if self._console:
            self._console.close()
        for path in (self._file, self._pid_file):
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass


def worded(frame: str, error: StartFailed, program: str) -> StartFailed:
    """The program's words as dockerd passes them on, with the exit code that it makes of them."""
    said = str(error)
    low, code = said.lower(), FAILED
    if "executable file not found" in low or (program in said and "no such file or directory" in low):
        code = NOT_FOUND
    elif program in said and ("permission denied" in low or "is a directory" in low):
        code = NOT_EXECUTABLE
    return StartFailed(frame.format(said), code, plain=True)


def _resize(terminal: int, plan: ProcessPlan) -> None:
    if plan.rows and plan.columns:
        set_size(terminal, plan.rows, plan.columns)


def _read_pid(path: str) -> int:
    try:
        with open(path) as file:
            return int(file.read(32))
    except (OSError, ValueError):
        raise StartFailed("the OCI runtime did not say which process it started", FAILED, plain=True) from None


def _write(path: str, content: dict[str, Any]) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(fd, "w") as file:
        json.dump(content, file)
