"""How do pull and push compare between two engines, over one registry?

    bench/registry.py A_SOCKET B_SOCKET [--runs N] [--registry HOST:PORT] [--only WORD]

Both engines must hold `debian:12` and reach a registry at 127.0.0.1:5000, so both run in its network namespace, where a
second registry is started for the pushes of what was pulled. Needs root and Debian's docker-registry. The
image is debian and three layers more: 2,000 small files, 60 MB that cannot be compressed, a copy of /usr/share/doc.
Runs alternate A B A B …; what is printed is the median of each and of the ratios A/B pair by pair, and the most memory
that A's daemon took during a pull. What the runs make is removed again, on both engines, by its own names only.
"""

import argparse
import os
import socket
import statistics
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OTHER = "127.0.0.1:5055"
STEPS = (
    "i=0; while [ $i -lt 2000 ]; do echo $i > /srv/f$i; i=$((i+1)); done",
    "head -c 60000000 /dev/urandom > /opt/blob",
    "cp -a /usr/share/doc /opt/doc && cp -a /usr/lib/python3.11 /opt/py || true",
)


def docker(engine: str, *words: str, check: bool = True) -> str:
    """One run of the docker client; what it printed."""
    environment = {**os.environ, "DOCKER_HOST": f"unix://{engine}", "DOCKER_CLI_HINTS": "false"}
    done = subprocess.run(["docker", *words], env=environment, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise SystemExit(f"docker {' '.join(words)}: {done.stderr}")
    return done.stdout.strip()


def timed(engine: str, *words: str) -> float:
    """Milliseconds of one run of the docker client."""
    begin = time.perf_counter()
    docker(engine, *words)
    return (time.perf_counter() - begin) * 1e3


def build(engine: str, name: str, base: str = "debian:12") -> None:
    """Make the image, each time with layers that no registry has seen."""
    image = base
    for number, step in enumerate(STEPS):
        container = f"bench-registry-{os.getpid()}-{number}"
        docker(engine, "run", "--network", "none", "--name", container, image, "sh", "-c", step)
        image = f"{name}-{number}" if number < len(STEPS) - 1 else name
        docker(engine, "commit", container, image)
        docker(engine, "rm", "-f", container)


def forget(engine: str, name: str) -> None:
    """Remove the image and the steps to it."""
    names = [name, *(f"{name}-{number}" for number in range(len(STEPS) - 1))]
    docker(engine, "rmi", "-f", *names, check=False)


def daemon_of(engine: str) -> int:
    """The process that listens on a unix socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(engine)
        return int(struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0])


def peak_mb(pid: int) -> float:
    """The most memory that a process had since `reset_peak`, in MB."""
    line = next(each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def reset_peak(pid: int) -> None:
    """Begin to measure."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def show(name: str, taken: tuple[list[float], list[float]]) -> None:
    """One row of the table."""
    ratios = [a / b for a, b in zip(*taken, strict=True)]
    a, b = (statistics.median(side) for side in taken)
    spread = f"({min(ratios):.3f}..{max(ratios):.3f})"
    print(f"{name:30s}{a:10.1f}{b:10.1f}{statistics.median(ratios):9.3f}  {spread}", flush=True)


@contextmanager
def other_registry(engine: str) -> Iterator[None]:
    """A second docker-registry beside the engine, empty: nothing can be mounted there."""
    with tempfile.TemporaryDirectory() as directory:
        config = Path(directory) / "config.yml"
        config.write_text(
            f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {directory}/data}}}}\n"
            f"http: {{addr: {OTHER}}}\nlog: {{level: error}}\n"
        )
        inside = ["nsenter", f"--net=/proc/{daemon_of(engine)}/ns/net"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen([*inside, "docker-registry", "serve", str(config)], **quiet) as server:
            try:
                time.sleep(1)
                yield
            finally:
                server.terminate()


def pulls(engines: tuple[str, str], name: str, runs: int) -> None:
    """Pull the image where no layer of it is; then push what was pulled to another registry."""
    taken: tuple[list[float], list[float]] = ([], [])
    again: tuple[list[float], list[float]] = ([], [])
    peaks = []
    pid = daemon_of(engines[0])
    for engine in engines:
        forget(engine, name)
    for run in range(runs + 1):
        for side, engine in enumerate(engines):
            if side == 0:
                reset_peak(pid)
            pull = timed(engine, "pull", "-q", name)
            if side == 0:
                peaks.append(peak_mb(pid))
            copy = f"{OTHER}/bench-copy{side}:{os.getpid()}-{run}"
            docker(engine, "tag", name, copy)
            with other_registry(engine):
                push = timed(engine, "push", "-q", copy)
            docker(engine, "rmi", copy)
            forget(engine, name)
            if run:  # the first pair warms caches
                taken[side].append(pull)
                again[side].append(push)
    show("pull, 4 layers", taken)
    show("push of what was pulled", again)
    print(f"most memory of A during a pull {max(peaks):.0f} MB", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a")
    parser.add_argument("b")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--registry", default="127.0.0.1:5000")
    parser.add_argument("--only", default="", choices=("", "pull", "push"))
    options = parser.parse_args()
    engines = (options.a, options.b)
    print(f"{'median ms':30s}{'A':>10s}{'B':>10s}{'A/B':>9s}")
    if options.only != "pull":
        taken: tuple[list[float], list[float]] = ([], [])
        for run in range(options.runs + 1):
            for side, engine in enumerate(engines):
                name = f"{options.registry}/bench-push{side}:{os.getpid()}-{run}"
                build(engine, name)
                elapsed = timed(engine, "push", "-q", name)
                forget(engine, name)
                if run:
                    taken[side].append(elapsed)
        show("push, freshly made", taken)
    if options.only != "push":
        name = f"{options.registry}/bench-pull:{os.getpid()}"
        # debian:12 is on both engines and would be half of the image: so what is pulled stands on another base.
        base = f"bench-registry:{os.getpid()}"
        copy_base(engines[1], base)
        build(engines[1], name, base)
        docker(engines[1], "push", "-q", name)
        docker(engines[1], "rmi", base)
        pulls(engines, name, options.runs)


def copy_base(engine: str, name: str) -> None:
    """debian:12 again, as a layer of its own: what is exported has files that the image has not."""
    environment = {**os.environ, "DOCKER_HOST": f"unix://{engine}"}
    container = f"bench-registry-{os.getpid()}-base"
    docker(engine, "create", "--network", "none", "--name", container, "debian:12", "true")
    with subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE, env=environment) as export:
        subprocess.run(
            ["docker", "import", "-", name], stdin=export.stdout, env=environment, check=True, capture_output=True
        )
    docker(engine, "rm", container)


if __name__ == "__main__":
    main()
