"""How much memory does an engine take, and how much does each container that runs add?

    bench/memory.py IMAGE_TAR [--count N …] [--mappings]

IMAGE_TAR is busybox from `docker save`. An engine of its own runs N × `sleep`, for each N, with `--network none`. What
is counted is the proportional share (Pss of /proc/PID/smaps_rollup) of everything of ours that lives as long as a
container, its shim; the container's own process is not counted. `private` is what would be free if that one shim ended.
With `--mappings`, where it is: the average shim at the last N, mapping by mapping. Root.
"""

import argparse
import re
import statistics
import sys
import time
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

from engine import Engine, processes

SETTLE = 2.0  # what has just started is not what is measured
AT_MOST = 4  # docker clients at a time
KINDS = ("Rss", "Pss", "Private_Dirty", "Private_Clean")
Sizes = dict[str, int]


def run(engine: Engine, count: int) -> None:
    """Start containers until `count` run."""
    for _ in range(count - len(engine.docker("ps", "-q").stdout.split())):
        started = engine.docker("run", "-d", "--network", "none", "busybox", "sleep", "100000")
        if started.code:
            sys.exit(started.stderr)
    time.sleep(SETTLE)


def sizes(text: str) -> Sizes:
    """The kilobytes of one mapping, or of all."""
    return {kind: int(size) for kind, size in re.findall(r"^(\w+): +(\d+) kB", text, re.M) if kind in KINDS}


def rollup(pid: int) -> Sizes:
    """The kilobytes of a process."""
    return sizes(Path(f"/proc/{pid}/smaps_rollup").read_text())


def mappings(pid: int) -> dict[str, Sizes]:
    """The kilobytes of a process by the name of the mapping."""
    found: dict[str, Sizes] = defaultdict(lambda: dict.fromkeys(KINDS, 0))
    for text in re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", Path(f"/proc/{pid}/smaps").read_text(), flags=re.M)[1:]:
        _, rights, _, _, _, *name = text.splitlines()[0].split(maxsplit=5)
        label = f"{(name or ['anonymous'])[0].rpartition('/')[2]} {rights[:3]}"
        for kind, size in sizes(text).items():
            found[label][kind] += size
    return found


def sorted_out(engine: Engine) -> dict[str, list[int]]:
    """The engine's processes by what they are for."""
    found: dict[str, list[int]] = {"daemon": [engine.pid], "zygote": [], "waiting": [], "shim": []}
    for pid in processes(engine):
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        if name == "sampan:zygote":
            found["zygote"].append(pid)
        elif name == "sampan:shim":
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            keeps = any(Path(f"/proc/{child}/comm").read_text() == "sleep\n" for child in children)
            found["shim" if keeps else "waiting"].append(pid)
    return found


def tell(count: int, found: dict[str, list[int]]) -> None:
    """One line of the table, in megabytes."""
    pss = {role: [rollup(pid)["Pss"] / 1e3 for pid in pids] for role, pids in found.items()}
    private = [rollup(pid)["Private_Dirty"] / 1e3 for pid in found["shim"]]
    each = f"{statistics.mean(pss['shim']):8.2f} {statistics.mean(private):8.2f}" if count else f"{'–':>8} {'–':>8}"
    shares = " ".join(f"{sum(pss[role]):8.1f}" for role in ("daemon", "zygote", "waiting"))
    print(f"{count:10} {each} {shares} {sum(map(sum, pss.values())):8.1f}", flush=True)


def tell_mappings(pids: list[int]) -> None:
    """Where the average one's memory is, the largest first, in kilobytes."""
    sums: dict[str, Sizes] = defaultdict(lambda: dict.fromkeys(KINDS, 0))
    for pid in pids:
        for label, kinds in mappings(pid).items():
            for kind, size in kinds.items():
                sums[label][kind] += size
    print(f"\n{'kB of a shim':36}" + "".join(f"{kind:>15}" for kind in KINDS))
    for label, kinds in sorted(sums.items(), key=lambda item: -item[1]["Pss"]):
        print(f"{label:36}" + "".join(f"{kinds[kind] / len(pids):15.0f}" for kind in KINDS))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", metavar="IMAGE_TAR")
    parser.add_argument("--count", type=int, nargs="+", default=[0, 10, 30])
    parser.add_argument("--mappings", action="store_true")
    options = parser.parse_args()
    engine = Engine()
    try:
        engine.start()
        engine.docker("load", "-i", options.image)
        print(f"{'MB':>10} {'each':>8} {'private':>8} {'daemon':>8} {'zygote':>8} {'waiting':>8} {'all':>8}")
        for count in sorted(options.count):
            run(engine, count)
            tell(count, sorted_out(engine))
        if options.mappings:
            tell_mappings(sorted_out(engine)["shim"])
    finally:
        engine.close()


if __name__ == "__main__":
    main()
