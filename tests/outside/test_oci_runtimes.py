"""Does another OCI runtime keep a container as well as our own: runc, when it is installed, and our own command line?

Everything goes through the same shim; what a client sees may not depend on who keeps the container.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import prepare
from engine import Engine, eventually
from expect import IMAGE, OUTSIDE, says

pytestmark = pytest.mark.skipif(bool(OUTSIDE), reason="the runtimes are those of an engine that the test starts")
OWN = f"--add-runtime=own={sys.executable} -m sampan runtime"
NAMES = ["runc", "own"]
COUNTER = "trap 'exit 7' TERM; i=0; while :; do echo line $i; i=$((i+1)); sleep 0.05; done"


@pytest.fixture(scope="module")
def machine(image_tar: Path) -> Iterator[Engine]:
    """An engine that knows our own runtime's command line by another name, too."""
    own = Engine(OWN)
    try:
        own.start()
        prepare(own, image_tar)
        yield own
    finally:
        found = own.close()
    assert not found, f"the engine left behind: {found}"


@pytest.fixture(params=NAMES)
def runtime(request: pytest.FixtureRequest) -> str:
    """The name of a runtime that is there."""
    if request.param == "runc" and shutil.which("runc") is None:
        pytest.skip("needs runc (Debian: runc)")
    return str(request.param)


def once(runtime: str, *flags: str) -> list[str]:
    """A `docker run --rm` on that runtime."""
    return ["run", "--rm", "--network", "none", "--runtime", runtime, *flags, IMAGE]


def test_what_runs_and_what_does_not(machine: Engine, runtime: str) -> None:
    run = once(runtime)
    says(machine.docker(*run, "sh", "-c", "echo out; echo err >&2; exit 3"), "out\n", err="err", code=3)
    said = r"OCI runtime create failed: .*nosuch.*not found in \$PATH"
    says(machine.docker(*run, "nosuch"), err=said, code=127)
    says(machine.docker(*run, "/etc"), err="permission denied|is a directory", code=126)
    says(machine.docker(*once(runtime, "-i"), "cat", stdin="typed"), "typed")


def test_who_it_is_and_what_it_may(machine: Engine, runtime: str) -> None:
    show = "id; grep -E 'Cap(Prm|Eff|Bnd)|Seccomp:|NoNewPrivs' /proc/self/status; unshare -m true; ls /proc/kcore"
    done = machine.docker(*once(runtime, "-u", "www", "--group-add", "nogroup", "-w", "/new/place"), "sh", "-c", show)
    assert "uid=1000(www) gid=1000(www) groups=1000(www),2000(extra),65534(nogroup)" in done.stdout, done
    status = dict(re.findall(r"(\w+):\t(\w+)", done.stdout))
    assert status == {
        "CapPrm": "0" * 16, "CapEff": "0" * 16, "CapBnd": "00000000a80425fb", "NoNewPrivs": "0", "Seccomp": "2"
    }  # fmt: skip
    assert "Operation not permitted" in done.stderr


def on_terminal(machine: Engine, line: str) -> "subprocess.CompletedProcess[bytes]":
    """A docker client whose own streams are a terminal."""
    return subprocess.run(
        ["script", "-qec", f"docker {line}", "/dev/null"],
        stdin=subprocess.DEVNULL, capture_output=True, env=machine.environment(), timeout=60, check=False,
    )  # fmt: skip


def test_a_terminal(machine: Engine, runtime: str) -> None:
    """Of the container and of an exec; both are the container's own."""
    done = on_terminal(machine, " ".join([*once(runtime, "-it"), "sh -c 'tty; exit 4'"]))
    assert (done.returncode, b"/dev/pts/0\r\n" in done.stdout) == (4, True), done
    name = f"tty-{runtime}"
    says(machine.docker("run", "-dt", "--network", "none", "--runtime", runtime, "--name", name, IMAGE, "cat"), ".*")
    done = on_terminal(machine, f"exec -it {name} sh -c 'tty; exit 5'")
    assert (done.returncode, b"/dev/pts/1\r\n" in done.stdout) == (5, True), done
    says(machine.docker("rm", "-f", name), f"{name}\n")


def test_a_life(machine: Engine, runtime: str) -> None:
    """Exec, pause, top, update, the death of the daemon, an attached client, stop; and then nothing is left."""
    name = f"life-{runtime}"
    flags = ["--network", "none", "--runtime", runtime, "--name", name, "--memory", "40m", "--memory-swap", "40m"]
    says(machine.docker("run", "-d", *flags, IMAGE, "sh", "-c", COUNTER), r"\w{64}\n")
    pid = machine.docker("inspect", "-f", "{{.State.Pid}} {{.HostConfig.Runtime}}", name).stdout.split()
    assert pid[1] == runtime
    command = ["exec", "-i", "-u", "www", "-e", "A=b", "-w", "/tmp", name, "sh", "-c"]
    script = "cat; id -u; pwd; echo $A; exit 9"
    says(machine.docker(*command, script, stdin="piped\n"), "piped\n1000\n/tmp\nb\n", code=9)
    says(machine.docker("exec", name, "nosuch"), r"OCI runtime exec failed: .*nosuch.*not found in \$PATH.*", code=127)
    says(machine.docker("pause", name), f"{name}\n")
    says(machine.docker("ps", "--format", "{{.Status}}", "--filter", f"name={name}"), r".*\(Paused\)\n")
    says(machine.docker("unpause", name), f"{name}\n")
    assert pid[0] in machine.docker("top", name).stdout
    says(machine.docker("update", "--memory", "64m", "--memory-swap", "64m", name), f"{name}\n")
    limits = list(Path("/sys/fs/cgroup").glob(f"*{machine.cgroup_parent}/*/memory.limit_in_bytes"))
    limits += list(Path("/sys/fs/cgroup").glob(f"{machine.cgroup_parent[1:]}/*/memory.max"))
    assert str(64 << 20) in [path.read_text().strip() for path in limits]
    attached = machine.spawn("attach", "--no-stdin", "--sig-proxy=false", name)
    assert attached.stdout and attached.stdout.readline()
    machine.kill()
    machine.start()
    assert machine.docker("inspect", "-f", "{{.State.Pid}}", name).stdout.strip() == pid[0]
    says(machine.docker("exec", name, "echo", "again"), "again\n")
    says(machine.docker("stop", name), f"{name}\n")
    out, _ = attached.communicate(timeout=20)
    assert out.splitlines()[-1].startswith(b"line ")
    says(machine.docker("wait", name), "7\n")
    lines = machine.docker("logs", name).stdout.splitlines()
    assert lines == [f"line {number}" for number in range(len(lines))]
    says(machine.docker("rm", name), f"{name}\n")


def test_its_shim_is_killed(machine: Engine, runtime: str) -> None:
    """No kernel mechanism ends what is not our child then: the engine does."""
    name = f"shim-{runtime}"
    says(machine.docker("run", "-d", "--network", "none", "--runtime", runtime, "--name", name, IMAGE, "sleep", "1000"),
         ".*")  # fmt: skip
    pid = int(machine.docker("inspect", "-f", "{{.State.Pid}}", name).stdout)
    shim = int(re.search(r"PPid:\t(\d+)", Path(f"/proc/{pid}/status").read_text())[1])  # type: ignore[index]
    os.kill(shim, signal.SIGKILL)
    says(machine.docker("wait", name), "137\n")
    status = Path(f"/proc/{pid}/status")  # whoever adopts it may let it be a zombie for a while
    assert eventually(lambda: not status.exists() or "\nState:\tZ" in status.read_text(), 10)
    says(machine.docker("rm", name), f"{name}\n")


def test_orphans_in_the_hosts_pid_namespace_are_collected(machine: Engine, runtime: str) -> None:
    name = f"orphans-{runtime}"
    script = "(sleep 0.1 &); (sleep 0.1 &); exec sleep 1000"
    flags = ["--network", "none", "--pid", "host", "--runtime", runtime, "--name", name]
    says(machine.docker("run", "-d", *flags, IMAGE, "sh", "-c", script), ".*")
    pid = int(machine.docker("inspect", "-f", "{{.State.Pid}}", name).stdout)
    shim = int(re.search(r"PPid:\t(\d+)", Path(f"/proc/{pid}/status").read_text())[1])  # type: ignore[index]
    children = Path(f"/proc/{shim}/task/{shim}/children")
    assert eventually(lambda: children.read_text().split() == [str(pid)], 10)
    says(machine.docker("kill", name), f"{name}\n")
    says(machine.docker("wait", name), "137\n")
    says(machine.docker("rm", name), f"{name}\n")


def test_which_there_are(machine: Engine) -> None:
    """`docker info` lists what can be had; what is not there or not known is said."""
    listed = machine.docker("info", "-f", "{{range $name, $_ := .Runtimes}}{{$name}} {{end}}").stdout.split()
    assert listed == sorted([*(["runc"] if shutil.which("runc") else []), "own", "sampan"])
    says(machine.docker(*once("nosuch"), "true"), err="Unknown runtime specified nosuch", code=125)


def test_the_default_can_be_another(image_tar: Path) -> None:
    gone = Engine(OWN, "--default-runtime=own", "--add-runtime=gone=/nonexistent/runc")
    try:
        gone.start()
        prepare(gone, image_tar)
        says(gone.docker("run", "--rm", "--network", "none", IMAGE, "echo", "well"), "well\n")
        missing = '"/nonexistent/runc": (executable file not found|no such file)'
        says(gone.docker(*once("gone"), "true"), err=missing, code=127)
        if shutil.which("docker-init"):
            says(gone.docker(*once("own", "--init"), "cat", "/proc/1/comm"), "docker-init\n")
        else:
            says(gone.docker(*once("own", "--init"), "true"), err="needs the program docker-init", code=127)
    finally:
        found = gone.close()
    assert not found, found
