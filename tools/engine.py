"""How does one run an engine that touches nothing but itself? The demo, the tests and the benchmarks all use this one.

It has a network namespace, a data root, a run root and a cgroup parent of its own; `leaks` says what it left behind.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
LEAK_SECONDS = 3
START_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Result:
    """What a finished command said."""

    code: int
    stdout: str
    stderr: str


class Client:
    """Clients of any engine, ours or not: the docker CLI and sampan's own, both told which socket to use."""

    def __init__(self, socket: str, home: Path) -> None:
        self.socket = socket
        self.home = home

    def environment(self) -> dict[str, str]:
        """The caller's environment, with the engine's address and no settings of whoever runs this."""
        mine = {
            "DOCKER_HOST": f"unix://{self.socket}",
            "SAMPAN_HOST": f"unix://{self.socket}",
            "DOCKER_CONFIG": str(self.home / "docker-config"),
            "DOCKER_CLI_HINTS": "false",
            "HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm",
        }
        return {key: value for key, value in os.environ.items() if not key.startswith(("DOCKER_", "SAMPAN_"))} | mine

    def docker(self, *arguments: str, stdin: str = "", timeout: float = 60) -> Result:
        """One run of the real docker CLI."""
        return self._run(["docker", *arguments], stdin, timeout)

    def sampan(self, *arguments: str, stdin: str = "", timeout: float = 60) -> Result:
        """One run of sampan's own CLI."""
        return self._run([sys.executable, "-m", "sampan", *arguments], stdin, timeout)

    def spawn(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """A docker CLI left running, with pipes for its stdin, stdout and stderr."""
        pipe = subprocess.PIPE
        return subprocess.Popen(["docker", *arguments], stdin=pipe, stdout=pipe, stderr=pipe, env=self.environment())

    def _run(self, argv: list[str], stdin: str, timeout: float) -> Result:
        done = subprocess.run(
            argv, input=stdin.encode(), capture_output=True, env=self.environment(), timeout=timeout, check=False
        )
        return Result(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


class Engine(Client):
    """A sampan daemon, started and stopped at will; its containers outlive its daemon."""

    def __init__(self, *flags: str, bridge: str = "none") -> None:
        """`bridge`: "none" for an engine without bridge networks, "" for one with all that dockerd has by default."""
        self.root = Path(tempfile.mkdtemp(prefix="sampan-", dir="/var/tmp"))
        # Short, since the address of a unix socket below it may have 107 bytes; a tmpfs on any usual machine.
        self.run_root = Path(tempfile.mkdtemp(prefix="s-", dir="/run"))
        self.data_root = self.root / "data"
        self.cgroup_parent = f"/sampan-test-{self.run_root.name}"
        self.flags = flags
        self.bridge = bridge
        self.daemon: subprocess.Popen[bytes] | None = None
        self.network: int | None = None  # keeps the namespace while no process is in it
        (self.root / "home").mkdir()
        super().__init__(str(self.run_root / "sampan.sock"), self.root / "home")

    @property
    def log(self) -> Path:
        """Where the daemon's own words go."""
        return self.root / "daemon.log"

    @property
    def pid(self) -> int:
        """The daemon's process."""
        assert self.daemon is not None, "the engine has not been started"
        return self.daemon.pid

    def command(self) -> list[str]:
        """The daemon's command line."""
        return [
            sys.executable, "-m", "sampan", "daemon", "--host", f"unix://{self.socket}",
            "--data-root", str(self.data_root), "--exec-root", str(self.run_root / "exec"),
            "--pidfile", str(self.run_root / "sampan.pid"), "--cgroup-parent", self.cgroup_parent,
            *(("--bridge", self.bridge) if self.bridge else ()), *self.flags,
        ]  # fmt: skip

    def start(self, *prefix: str) -> None:
        """Start the daemon (again) and return when it answers; `prefix` is a command to run it under.

        A daemon that is started again is in the same network namespace as before, as on a real machine.
        """
        isolate = [sys.executable, str(HERE / "isolate.py")]
        network = () if self.network is None else (self.network,)
        with self.log.open("ab") as log:
            self.daemon = subprocess.Popen(
                [*isolate, *(f for fd in network for f in ("--join", str(fd))), *prefix, *self.command()],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment(), cwd="/",
                start_new_session=True, pass_fds=network,
            )  # fmt: skip
        daemon = self.daemon
        eventually(lambda: self.answers() or daemon.poll() is not None, START_SECONDS)
        if not self.answers():
            raise RuntimeError(f"the daemon did not start:\n{self.log.read_text()[-3000:]}")
        if self.network is None:
            self.network = os.open(f"/proc/{self.daemon.pid}/ns/net", os.O_RDONLY)

    def answers(self) -> bool:
        """Whether a daemon accepts requests on the socket."""
        return ping(self.socket)

    def kill(self) -> None:
        """kill -9 of the daemon alone."""
        assert self.daemon is not None
        self.daemon.send_signal(signal.SIGKILL)
        self.daemon.wait()

    def stop(self) -> int:
        """SIGTERM; the daemon's exit code."""
        assert self.daemon is not None
        self.daemon.terminate()
        return self.daemon.wait(30)

    def close(self) -> list[str]:
        """Remove every container, stop the daemon, and then everything that is left; what that was is the answer."""
        if self.daemon is not None and self.daemon.poll() is not None:
            self.start()
        if self.daemon is not None:
            containers = self.docker("ps", "-aq").stdout.split()
            if containers:
                self.docker("rm", "-f", "-v", *containers)
            self.stop()
        # What was killed may wait for the machine's first process to collect it: that is nobody's leak.
        eventually(lambda: not list(leaks(self)), LEAK_SECONDS)
        found = list(leaks(self))
        self._destroy()
        return found

    def _destroy(self) -> None:
        for pid in processes(self):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it ended by itself meanwhile
        for target in reversed(mounts_below(self)):
            subprocess.run(["umount", "-l", target], check=False)
        for directory in cgroups(self):
            try:
                directory.rmdir()
            except OSError:
                pass  # its last process is still being reaped; an empty cgroup costs nothing
        if self.network is not None:
            os.close(self.network)
            self.network = None
        for root in (self.run_root, self.root):
            shutil.rmtree(root, ignore_errors=True)


def ping(socket_path: str) -> bool:
    """Whether an engine answers `GET /_ping` on a unix socket."""
    import socket  # only here: everything else of this module is about processes

    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        try:
            connection.connect(socket_path)
            connection.sendall(b"GET /_ping HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\r\n")
            return connection.recv(64).startswith(b"HTTP/1.1 200")
        except OSError:
            return False


def leaks(engine: Engine) -> Iterator[str]:
    """What an engine that has no containers and no daemon left behind: processes, mounts, cgroups and directories."""
    for pid in processes(engine):
        yield f"process {pid}: {text_of(f'/proc/{pid}/cmdline').replace(chr(0), ' ')[:120]}"
    for target in mounts_below(engine):
        yield f"mount {target}"
    for directory in cgroups(engine):
        if not str(directory).endswith(engine.cgroup_parent):  # the parent itself is kept, as /docker is
            yield f"cgroup {directory}"
    for directory in ("containers", "snapshots"):
        for kind in (engine.data_root, engine.run_root / "exec"):
            for entry in (kind / directory).glob("[!.]*"):  # hidden ones belong to the store, not to a container
                yield f"directory {entry}"


def processes(engine: Engine) -> list[int]:
    """Every process that belongs to the engine: by its cgroup, its command line or its network namespace."""
    network = None if engine.network is None else os.fstat(engine.network).st_ino
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        marks = text_of(f"{entry}/cgroup") + text_of(f"{entry}/cmdline")
        inside = engine.cgroup_parent in marks or str(engine.run_root) in marks
        if int(entry.name) != os.getpid() and (inside or (network and _network(entry) == network)):
            found.append(int(entry.name))
    return found


def _network(process: Path) -> int:
    try:
        return (process / "ns/net").stat().st_ino
    except OSError:
        return 0  # it ended while we looked


def mounts_below(engine: Engine) -> list[str]:
    """Mount points of this mount namespace below the engine's roots."""
    targets = [line.split()[4] for line in text_of("/proc/self/mountinfo").splitlines()]
    roots = (str(engine.root), str(engine.run_root))
    return [target for target in targets if target.startswith(roots)]


def cgroups(engine: Engine) -> list[Path]:
    """The engine's cgroups in every hierarchy, children before parents."""
    found: list[Path] = []
    for line in text_of("/proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        if right.startswith("cgroup"):
            tree = os.walk(left.split()[4] + engine.cgroup_parent, topdown=False)
            found += [Path(path) for path, _, _ in tree]
    return found


def eventually(condition: Callable[[], object], seconds: float = 10) -> bool:
    """Whether a condition that nothing announces comes true in time; asks every 20 ms."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def text_of(path: str) -> str:
    """What a file of /proc says; nothing, if its process has ended."""
    try:
        return Path(path).read_bytes().decode(errors="replace")
    except OSError:
        return ""
