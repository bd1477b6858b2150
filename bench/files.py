"""How long do files take into a container and out of it, on two engines, by the same client?

    bench/files.py A_SOCKET B_SOCKET [--runs N] [--only WORD]

Both engines must hold `busybox:latest`. Runs alternate as in `clients.py`, whose table this is. The last rows drive A
with sampan's own CLI and B with docker. 200 MB of random bytes, and a tree of 2,000 small files, in a directory of its
own below /var/tmp.
"""

import argparse
import os
import tempfile
from pathlib import Path

from clients import Case, measure, shell

BYTES = 200_000_000
FILES = 2_000
BOX = "docker inspect benchfiles || docker run -d --network none --name benchfiles busybox sleep 10000"
FRESH = f"{BOX}; docker exec benchfiles rm -rf /f"
IN, OUT = "docker cp $SAVED/big benchfiles:/f", "docker cp benchfiles:/big $SAVED/out"
FILLED = f"{BOX}; docker exec benchfiles test -e /big || docker cp $SAVED/big benchfiles:/big; rm -rf $SAVED/out"
CASES = (
    Case("cp of 200 MB in", IN, FRESH),
    Case("cp of 200 MB out", OUT, FILLED),
    Case("cp of 200 MB out, to a pipe", "docker cp benchfiles:/big - >/dev/null", FILLED),
    Case("cp of 2,000 files in", "docker cp $SAVED/tree benchfiles:/f", FRESH),
    Case("cp of 2,000 files out", "docker cp benchfiles:/bin $SAVED/out", FILLED),
    Case("cp into a stopped container", "docker cp $SAVED/tree benchstopped:/f",
         "docker rm -f benchstopped; docker create --network none --name benchstopped busybox true"),
    Case("run with a new volume", "docker run --rm --network none -v /etc busybox true"),
    Case("cp of 200 MB in, own CLI on A", IN, FRESH, ours=IN.replace("docker", "$SAMPAN", 1)),
    Case("cp of 200 MB out, own CLI on A", OUT, FILLED, ours=OUT.replace("docker", "$SAMPAN", 1)),
)  # fmt: skip


def fill(directory: Path) -> None:
    """Make the files that are copied."""
    (directory / "big").write_bytes(os.urandom(BYTES))
    for number in range(FILES):
        path = directory / "tree" / str(number % 40) / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x" * 500)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a")
    parser.add_argument("b")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    sockets = (options.a, options.b)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        fill(Path(directory))
        print(f"{'median ms':30s}{'A':>10s}{'B':>10s}{'A/B':>9s}")
        for case in CASES:
            if options.only in case.name:
                print(measure(case, sockets, options.runs, directory), flush=True)
        for socket in sockets:
            shell(socket, "docker rm -f benchfiles benchstopped", directory)


if __name__ == "__main__":
    main()
