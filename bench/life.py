"""How long do many containers at once take: their use, their list, their end, and a restart of the daemon above them?

    bench/life.py A_SOCKET B_SOCKET [--runs N]      both engines must hold `busybox:latest`
    bench/life.py --restart IMAGE_TAR [--runs N]    an engine of its own, with 200 containers; IMAGE_TAR: docker save

Runs alternate A B A B …; printed are the medians and the median of the ratios A/B. `--network none` throughout. A
dockerd that others use cannot be restarted for this, so the last row has no ratio.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

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


def restart(image: str, runs: int) -> None:
    """Seconds from the start of a daemon until it lists all containers that run."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))
    from engine import Engine

    engine = Engine()
    try:
        engine.start()
        shell(f"docker load -q -i {image}; seq {COUNT} | xargs -P4 -I@ {RUN}", engine.socket)
        taken = []
        for _ in range(runs):
            engine.stop()
            begin = time.perf_counter()
            engine.start()
            shell(f"[ $(docker ps -q | wc -l) = {COUNT} ]", engine.socket)
            taken.append(time.perf_counter() - begin)
        print(f"restart with {COUNT} running     {statistics.median(taken):7.3f} s")
    finally:
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
