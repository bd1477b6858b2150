"""How does building compare between two engines? The classic builder of each, the same client, no network.

    bench/build.py A_SOCKET B_SOCKET [--runs N] [--only WORD]

Both engines must hold `busybox:latest`. Runs alternate A B A B …; each row is the median of the ratios A/B, pair
by pair.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

FILES, MANY = 200, 20_000
SMALL = (
    "FROM busybox\nARG N=0\nWORKDIR /app\nCOPY . .\nRUN echo $N > n\nCOPY file1.txt /copied\n"
    'RUN for i in $(seq 500); do echo $i > f$i; done\nCMD ["true"]\n'
)
STAGES = (
    "FROM busybox AS a\nARG N=0\nRUN sleep 1; echo a$N > /a\nFROM busybox AS b\nARG N=0\nRUN sleep 1; echo b$N > /b\n"
    "FROM busybox\nCOPY --from=a /a /a\nCOPY --from=b /b /b\n"
)
BIG = "FROM busybox\nCOPY . /srv\nRUN ls /srv | wc -l\n"
# What is measured, the directory, the flags; {n} is another number each time.
ROWS = (
    ("small build, no cache", "small", "--no-cache --build-arg N={n}"),
    ("small build, all cached", "small", ""),
    ("two stages of one second", "stages", "--no-cache --build-arg N={n}"),
    ("context of 20,000 files, one changed", "big", ""),
)


def lay(root: Path) -> None:
    """Write the three contexts."""
    for name, text in (("small", SMALL), ("stages", STAGES), ("big", BIG)):
        (root / name).mkdir()
        (root / name / "Dockerfile").write_text(text)
    for number in range(FILES):
        (root / "small" / f"file{number}.txt").write_text("x" * 1000 + str(number))
    for number in range(MANY):
        directory = root / "big" / f"d{number % 200}"
        directory.mkdir(exist_ok=True)
        (directory / f"f{number}").write_text("x" * 500 + str(number))


def build(socket: str, context: Path, flags: str) -> float:
    """Milliseconds of one `docker build`."""
    environment = {**os.environ, "DOCKER_HOST": f"unix://{socket}", "DOCKER_BUILDKIT": "0", "DOCKER_CLI_HINTS": "false"}
    begin = time.perf_counter()
    subprocess.run(
        ["docker", "build", "-q", "-t", "benchbuild", *flags.split(), str(context)],
        env=environment, capture_output=True, check=True,
    )  # fmt: skip
    return (time.perf_counter() - begin) * 1e3


def measure(root: Path, row: tuple[str, str, str], sockets: tuple[str, str], runs: int) -> str:
    """One row of the table; the first pair only warms caches."""
    what, directory, flags = row
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(runs + 1):
        if directory == "big":
            (root / "big" / "d0" / "f0").write_text(f"changed {time.time_ns()}")
        for side, socket in enumerate(sockets):
            elapsed = build(socket, root / directory, flags.format(n=time.time_ns()))
            if number:
                taken[side].append(elapsed)
    ratios = [a / b for a, b in zip(*taken, strict=True)]
    a, b = (statistics.median(side) for side in taken)
    return f"{what:38s}{a:10.1f}{b:10.1f}{statistics.median(ratios):9.3f}  ({min(ratios):.3f}..{max(ratios):.3f})"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a")
    parser.add_argument("b")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        lay(Path(directory))
        print(f"{'median ms':38s}{'A':>10s}{'B':>10s}{'A/B':>9s}")
        for row in ROWS:
            if options.only in row[0]:
                runs = min(options.runs, 3) if row[1] == "big" else options.runs
                print(measure(Path(directory), row, (options.a, options.b), runs), flush=True)


if __name__ == "__main__":
    main()
