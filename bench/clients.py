"""How does the same work by the same client compare between two engines?

    bench/clients.py A_SOCKET B_SOCKET [--runs N] [--only WORD]

Both engines must hold `busybox:latest`, and B for load and save `debian:12`. Runs alternate A B A B …; what is printed
is the median of each and the median of the ratios A/B pair by pair. `--network none` throughout: nothing of the
network is measured. The last row drives A with sampan's own CLI and B with docker.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

LINE = "0123456789" * 7
WRITER = f"yes {LINE} | head -c 100000000"
FILES = (
    "docker run --network none --name benchfiles busybox sh -c 'mkdir /w; for d in $(seq 20); do mkdir /w/$d; "
    "for f in $(seq 100); do echo content $d $f >/w/$d/$f; done; done'"
)
# An image that nobody else has, so that taking it away takes its layer away.
MAKE = (
    "docker rm -f bench; docker create --name bench debian:12 true; docker export bench | docker import - benchload; "
    "docker save benchload -o $SAVED; docker rm bench"
)
ONCE = "docker run --rm --network none busybox true"


@dataclass(frozen=True)
class Case:
    """One row: `prepare` is not timed; `ours` replaces `command` on engine A."""

    name: str
    command: str
    prepare: str = ""
    ours: str = ""
    slow: bool = False


SLEEPER = "docker rm -f bench; docker run -d --network none --name bench busybox sleep 1000"
CASES = (
    Case("run --rm", ONCE),
    Case("exec", "docker exec bench true", SLEEPER),
    Case("20 x run --rm, 4 at a time", f"seq 20 | xargs -P4 -I@ {ONCE}", slow=True),
    Case("rm -f of a running container", "docker rm -f bench", SLEEPER),
    Case("logs of 100 MB", "docker logs benchlog >/dev/null",
         f"docker inspect benchlog || docker run --network none --name benchlog busybox sh -c '{WRITER}'", slow=True),
    Case("writing 100 MB of logs",
         f"docker run -d --network none --name bench busybox sh -c '{WRITER}' && docker wait bench",
         "docker rm -f bench", slow=True),
    Case("save of 220 MB", "docker save benchload >/dev/null", slow=True),
    Case("load of 220 MB", "docker load -q -i $SAVED", "docker rmi -f benchload", slow=True),
    Case("commit of 2,000 new files", "docker commit benchfiles benchcommit",
         f"docker rmi -f benchcommit; docker inspect benchfiles || {FILES}", slow=True),
    Case("run --rm, own CLI on A", ONCE, ours=ONCE.replace("docker", "$SAMPAN", 1)),
)  # fmt: skip


def shell(socket: str, command: str, saved: str) -> float:
    """Milliseconds of one command line, its client pointed at `socket`."""
    sampan = os.path.join(os.path.dirname(sys.executable), "sampan")
    environment = {
        **os.environ, "DOCKER_HOST": f"unix://{socket}", "SAMPAN_HOST": f"unix://{socket}",
        "DOCKER_CLI_HINTS": "false", "SAVED": saved, "SAMPAN": sampan,
    }  # fmt: skip
    begin = time.perf_counter()
    subprocess.run(["/bin/sh", "-c", command], env=environment, capture_output=True, check=False)
    return (time.perf_counter() - begin) * 1e3


def measure(case: Case, sockets: tuple[str, str], runs: int, saved: str) -> str:
    """One row of the table."""
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(runs + 1):
        for side, socket in enumerate(sockets):
            if case.prepare:
                shell(socket, case.prepare, saved)
            elapsed = shell(socket, case.ours if case.ours and side == 0 else case.command, saved)
            if number:  # the first pair warms caches
                taken[side].append(elapsed)
    ratios = [a / b for a, b in zip(*taken, strict=True)]
    a, b = (statistics.median(side) for side in taken)
    return f"{case.name:30s}{a:10.1f}{b:10.1f}{statistics.median(ratios):9.3f}  ({min(ratios):.3f}..{max(ratios):.3f})"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a")
    parser.add_argument("b")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    sockets = (options.a, options.b)
    with tempfile.TemporaryDirectory() as directory:
        saved = f"{directory}/debian.tar"
        if any(options.only in case.name and "220 MB" in case.name for case in CASES):
            shell(options.b, MAKE, saved)
            shell(options.a, "docker load -i $SAVED", saved)
        print(f"{'median ms':30s}{'A':>10s}{'B':>10s}{'A/B':>9s}")
        for case in CASES:
            if options.only in case.name:
                runs = max(3, options.runs // 2) if case.slow else options.runs
                print(measure(case, sockets, runs, saved), flush=True)
        for socket in sockets:
            shell(socket, "docker rm -f bench benchlog benchfiles; docker rmi -f benchload benchcommit", saved)


if __name__ == "__main__":
    main()
