"""How long do many containers at once take: their use, their list, their end, and a restart of the daemon above them?

    bench/life.py A_SOCKET B_SOCKET [--runs N]      both engines must hold `busybox:latest`
    bench/life.py --restart IMAGE_TAR [--runs N]    an engine and a dockerd of its own, each with 200 containers

Runs alternate A B A B …; printed are the medians and the median of the ratios A/B. `--network none` throughout.
IMAGE_TAR is busybox from `docker save`. The dockerd that is started again has `--live-restore`: without it, its
containers would end with it.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOOLS = Path(__file__).resolve().parent.parent / "tools"
sys.path.insert(0, str(TOOLS))

from engine import Engine, ping  # noqa: E402

RUN = "docker run -d --network none --label benchlife busybox sleep 100000"
CREATE = "docker create --network none --label benchlife busybox true"
REMOVE = "docker ps -aq --filter label=benchlife | xargs -r docker rm -f"
# name, what is not timed, what is
CASES = (
    ("stats --no-stream of 50", f"{REMOVE}; seq 50 | xargs -P4 -I@ {RUN}",
     "docker stats --no-stream $(docker ps -q --filter label=benchlife)"),
    ("rm -f of 50 running", f"{REMOVE}; seq 50 | xargs -P4 -I@ {RUN}",
     "docker rm -f $(docker ps -q --filter label=benchlife)"),
    ("ps -a with 500", f"[ $(docker ps -aq --filter label=benchlife | wc -l) = 500 ] || "
     f"{{ {REMOVE}; seq 500 | xargs -P4 -I@ {CREATE}; }}", "docker ps -a"),
)  # fmt: skip
SETTLE = 3.0
COUNT = 200


def shell(command: str, socket: str) -> float:
    """Seconds that a command takes."""
    begin = time.perf_counter()
    environment = {**os.environ, "DOCKER_HOST": f"unix://{socket}"}
    done = subprocess.run(
        ["bash", "-c", command], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
    )
    if done.returncode:
        sys.exit(f"{command}\n{done.stderr.decode()}")
    return time.perf_counter() - begin


def compare(sockets: tuple[str, str], runs: int) -> None:
    """Every case on both engines in turn."""
    for name, prepare, command in CASES:
        taken: list[list[float]] = [[], []]
        for _ in range(runs):
            for side, socket in enumerate(sockets):
                shell(prepare, socket)
                time.sleep(SETTLE if "stats" in name else 0)  # what has just started is not what is measured
                taken[side].append(shell(command, socket))
        ratios = [ours / theirs for ours, theirs in zip(*taken, strict=True)]
        medians = [statistics.median(each) for each in taken]
        print(f"{name:28} {medians[0]:7.3f} s {medians[1]:7.3f} s   ratio {statistics.median(ratios):.2f}", flush=True)
    for socket in sockets:
        shell(REMOVE, socket)


class Dockerd:
    """A dockerd of its own whose containers outlive it, as ours do: `--live-restore`; network, data and all."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="benchlife-"))
        self.socket = str(self.root / "docker.sock")
        self._network = -1
        self._daemon: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, again in the same network namespace, and return when it answers."""
        join = ["--join", str(self._network)] if self._network >= 0 else []
        self._daemon = subprocess.Popen(
            [sys.executable, str(TOOLS / "isolate.py"), *join, "dockerd", "--live-restore", "-H",
             f"unix://{self.socket}", "--data-root", str(self.root / "data"), "--exec-root", str(self.root / "exec"),
             "-p", str(self.root / "pid")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=(self._network,) if self._network >= 0 else (),
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while not ping(self.socket):
            if time.monotonic() > deadline or self._daemon.poll() is not None:
                sys.exit("dockerd does not answer")
            time.sleep(0.01)
        if self._network < 0:
            self._network = os.open(f"/proc/{self._daemon.pid}/ns/net", os.O_RDONLY)

    def stop(self) -> None:
        """SIGTERM; the containers go on."""
        assert self._daemon is not None
        self._daemon.terminate()
        self._daemon.wait(120)

    def close(self) -> None:
        """Remove everything."""
        if self._daemon is not None and self._daemon.poll() is None:
            shell(REMOVE, self.socket)
            self.stop()
        for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
            if (target := line.split()[4]).startswith(str(self.root)):
                subprocess.run(["umount", "-l", target], check=False)
        shutil.rmtree(self.root, ignore_errors=True)


def restart(image: str, runs: int) -> None:
    """Seconds from the start of a daemon until it lists all containers that run; beside a dockerd's if there is one."""
    engines = [Engine(), Dockerd()] if shutil.which("dockerd") else [Engine()]
    taken: list[list[float]] = [[] for _ in engines]
    try:
        for engine in engines:
            engine.start()
            shell(f"docker load -q -i {image}; seq {COUNT} | xargs -P4 -I@ {RUN}", engine.socket)
        for _ in range(runs):
            for engine, seconds in zip(engines, taken, strict=True):
                engine.stop()
                begin = time.perf_counter()
                engine.start()
                shell(f"[ $(docker ps -q | wc -l) = {COUNT} ]", engine.socket)
                seconds.append(time.perf_counter() - begin)
        medians = "".join(f" {statistics.median(each):7.3f} s" for each in taken)
        ratios = [ours / theirs for ours, theirs in zip(*taken, strict=True)] if len(taken) == 2 else []
        told = f"   ratio {statistics.median(ratios):.2f}" if ratios else "   no dockerd here"
        print(f"{f'restart with {COUNT} running':28}{medians}{told}")
    finally:
        for engine in engines:
            engine.close()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sockets", nargs="*", help="the two engines")
    parser.add_argument("--restart", metavar="IMAGE_TAR", default="")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    if options.restart:
        restart(options.restart, options.runs)
    elif len(options.sockets) == 2:
        compare((options.sockets[0], options.sockets[1]), options.runs)
    else:
        parser.error("two sockets, or --restart")


if __name__ == "__main__":
    main()
