"""What is a container? Makes an image and runs containers on an engine of its own, and shows what they are made of.

`tools/try` sets up and runs this. It needs root, no network and no registry, and leaves nothing behind.
"""

import os
import subprocess
import sys
from pathlib import Path

from engine import Engine, eventually

INSIDE = """
echo "hello from process $$ of $(cat /etc/hostname), user $(id -u)"
echo namespaces:; for kind in cgroup ipc mnt net pid time user uts; do echo "  $(readlink /proc/self/ns/$kind)"; done
echo cgroups:; while IFS=: read -r number name path; do echo "  ${name:-unified} $path"; done </proc/self/cgroup
while read -r source target type options rest; do [ "$target" != / ] || echo "root: $type $options"; done </proc/mounts
"""
TICKER = "i=0; while sleep 0.1; do i=$((i+1)); echo tick $i; done"


def say(text: str) -> None:
    """One line about what comes next."""
    print(f"\n\033[1m# {text}\033[0m" if sys.stdout.isatty() else f"\n# {text}", flush=True)


def sampan(engine: Engine, *arguments: str, shown: str = "") -> str:
    """Run sampan as a user would, print the command and what it says; its stdout."""
    print(f"$ sampan {shown or ' '.join(arguments)}", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "sampan", *arguments], env=engine.environment(), stdout=subprocess.PIPE, check=False
    )
    text = done.stdout.decode(errors="replace")
    print(text, end="", flush=True)
    if done.returncode:
        raise SystemExit(f"sampan exited with {done.returncode}; the daemon's log:\n{engine.log.read_text()[-2000:]}")
    return text


def layers(engine: Engine) -> None:
    """The files that the image's layers are."""
    say("its layers are files of the store: the tar as it is, and an index of it that the kernel can mount")
    for path in sorted((engine.data_root / "layers").glob("*/*")):
        print(f"  {path.parent.name[:12]}…/{path.name}  {path.stat().st_size:,} bytes")


def show(engine: Engine) -> None:
    """The whole demonstration, in order."""
    say("an image, made of a shell and coreutils of this machine and the libraries they need")
    sampan(engine, "image", "from-host", "-t", "hello")
    say("a container runs from it, and says what it is")
    sampan(
        engine,
        "run",
        "--rm",
        "--network",
        "none",
        "hello",
        "sh",
        "-c",
        INSIDE,
        shown="run --rm --network none hello sh -c …",
    )
    say("the same names on this machine, for comparison")
    print("  " + " ".join(os.readlink(f"/proc/self/ns/{kind}") for kind in ("ipc", "mnt", "net", "pid", "uts")))
    layers(engine)
    survive(engine)


def survive(engine: Engine) -> None:
    """A container outlives its daemon."""
    say("a second container counts in the background; then the daemon is killed with -9")
    sampan(engine, "run", "-d", "--network", "none", "--name", "counter", "hello", "sh", "-c", TICKER,
           shown="run -d --network none --name counter hello sh -c …")  # fmt: skip
    pid = engine.sampan("inspect", "-f", "{{.State.Pid}}", "counter").stdout.strip()
    print(f"$ kill -9 {engine.pid}")
    engine.kill()
    alive = Path(f"/proc/{pid}/comm").exists()
    print(f"  the daemon is gone; the container's process {pid} {'still runs' if alive else 'died with it'}")
    say("a new daemon finds it again, its log without a gap")
    engine.start()
    sampan(engine, "ps")
    eventually(lambda: "tick 20" in engine.sampan("logs", "counter").stdout)
    ticks = [line for line in engine.sampan("logs", "counter").stdout.splitlines() if line.startswith("tick ")]
    whole = ticks == [f"tick {number}" for number in range(1, len(ticks) + 1)]
    print(f"  {len(ticks)} ticks so far, {'none missing and none twice' if whole else 'NOT in order'}")
    same = engine.sampan("inspect", "-f", "{{.State.Pid}}", "counter").stdout.strip() == pid
    sampan(engine, "rm", "-f", "counter")
    if not (alive and whole and same):
        raise SystemExit("the container noticed: this should not happen")


def main() -> None:
    """Run it on an engine in /var/tmp and /run, and take everything away again."""
    if os.geteuid() != 0:
        raise SystemExit("making namespaces takes root: sudo tools/try")
    engine = Engine()
    try:
        engine.start()
        show(engine)
    finally:
        left = engine.close()
    say("left behind: " + (", ".join(left) or "nothing"))


if __name__ == "__main__":
    main()
