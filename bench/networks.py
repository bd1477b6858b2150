"""How do containers' networks compare between two engines?

    bench/networks.py A_SOCKET B_SOCKET [--runs N] [--seconds S] [--only WORD]

Both engines must hold `busybox:latest`; this machine has iperf3, which containers get by a read-only mount of /usr. The
first rows are wall times of the docker client, median of each side and of the ratios pair by pair. The iperf3 rows are
throughput, A over B: between two containers, and from the host through a published port, by the bridge's address and
by 127.0.0.1. The last row is A alone: the same run when 999 ports are published already, over when none is.
"""

import argparse
import json
import os
import socket
import statistics
import struct
import subprocess
import time
from collections.abc import Sequence

RUN = "docker run --rm busybox true"
PUBLISH = "docker run -d --name benchnet -p 127.0.0.1::80 busybox sleep 1000"
REMOVE = "docker rm -f benchnet"
TIMED = (
    ("run --rm (bridge)", "", RUN),
    ("run -d -p 127.0.0.1::80", REMOVE, PUBLISH),
    ("20 x run --rm, 4 at a time", "", f"seq 20 | xargs -P4 -I@ {RUN}"),
)
PROGRAM = "-v /usr:/usr:ro -v /lib:/lib:ro -v /lib64:/lib64:ro"


def shell(engine: str, command: str) -> str:
    """What a command line prints, its docker pointed at `engine`."""
    environment = {**os.environ, "DOCKER_HOST": f"unix://{engine}", "DOCKER_CLI_HINTS": "false"}
    done = subprocess.run(["/bin/sh", "-c", command], env=environment, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def timed(engine: str, command: str) -> float:
    """Milliseconds of a command line."""
    begin = time.perf_counter()
    shell(engine, command)
    return (time.perf_counter() - begin) * 1e3


def pairs(engines: Sequence[str], runs: int, prepare: str, command: str) -> str:
    """Both engines in turn: medians, and the ratio."""
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(runs + 1):
        for side, engine in enumerate(engines):
            if prepare:
                shell(engine, prepare)
            elapsed = timed(engine, command)
            if number:  # the first pair warms caches
                taken[side].append(elapsed)
    ratios = [a / b for a, b in zip(*taken, strict=True)]
    a, b = (statistics.median(side) for side in taken)
    return f"{a:10.1f}{b:10.1f}{statistics.median(ratios):9.3f}  ({min(ratios):.3f}..{max(ratios):.3f})"


def daemon(engine: str) -> int:
    """The process behind a socket (unix(7), SO_PEERCRED): published ports are asked for in its network namespace."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(engine)
        return int(struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0])


def throughput(engine: str, where: str, seconds: int) -> float:
    """Gbit/s by iperf3, between containers, or through a published port by the bridge's address or 127.0.0.1."""
    shell(engine, f"docker run -d --name benchnet -p 5201 {PROGRAM} busybox iperf3 -s")
    try:
        if where == "containers":
            to = shell(engine, "docker inspect -f '{{.NetworkSettings.IPAddress}}' benchnet")
            run, port = f"docker run --rm {PROGRAM} busybox", "5201"
        else:
            port = shell(engine, "docker port benchnet 5201/tcp").splitlines()[0].rpartition(":")[2]
            gateway = shell(engine, "docker inspect -f '{{.NetworkSettings.Gateway}}' benchnet")
            to, run = (gateway if where == "gateway" else "127.0.0.1"), f"nsenter -t {daemon(engine)} -n"
        said = ""
        for _ in range(50):
            said = shell(engine, f"{run} iperf3 -J -t {seconds} -c {to} -p {port}")
            if '"sum_received"' in said:
                break
            time.sleep(0.1)
        return float(json.loads(said)["end"]["sum_received"]["bits_per_second"]) / 1e9
    finally:
        shell(engine, REMOVE)


def ports(engine: str, runs: int) -> str:
    """One more published port when there are 999, over the first."""
    first = alone(engine, runs)
    shell(engine, "docker run -d --name benchmany -p 20000-20998:20000-20998 busybox sleep 1000")
    last = alone(engine, runs)
    shell(engine, f"{REMOVE} benchmany")
    return f"{last:10.1f}{first:10.1f}{last / first:9.3f}"


def alone(engine: str, runs: int) -> float:
    """Median milliseconds of publishing a port."""
    taken = []
    for _ in range(runs):
        shell(engine, REMOVE)
        taken.append(timed(engine, PUBLISH))
    shell(engine, REMOVE)
    return statistics.median(taken)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a")
    parser.add_argument("b")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    engines = (options.a, options.b)
    print(f"{'':40s}{'A':>10s}{'B':>10s}{'A/B':>9s}")
    for name, prepare, command in TIMED:
        if options.only in name:
            print(f"{name:40s}{pairs(engines, options.runs, prepare, command)}", flush=True)
    for engine in engines:
        shell(engine, REMOVE)
    for name, where in (
        ("iperf3, container to container", "containers"),
        ("iperf3, published, bridge's address", "gateway"),
        ("iperf3, published, 127.0.0.1", "loopback"),
    ):
        if options.only in name:
            taken = [[throughput(engine, where, options.seconds) for engine in engines] for _ in range(5)]
            a, b = (statistics.median(side) for side in zip(*taken, strict=True))
            ratio = statistics.median(one / other for one, other in taken)
            print(f"{name:40s}{a:10.1f}{b:10.1f}{ratio:9.3f}  Gbit/s", flush=True)
    if options.only in "the 1000th port over the 1st":
        print(f"{'the 1000th port over the 1st (A)':40s}{ports(options.a, options.runs)}")


if __name__ == "__main__":
    main()
