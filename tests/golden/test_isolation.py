"""Is a container as isolated as Docker's is? Everything that can be seen from inside, against golden files.

`dump.sh` runs as `run`, `exec`, `run --privileged` and `exec --privileged`. What depends on the machine is taken out of
both sides: numbers of mounts and namespaces, sizes, which of the masked paths and cgroup hierarchies the kernel has.

The golden files were compared with the same dumps from dockerd 20.10 with runc 1.1. They differ where Docker 28 differs
from that, and nowhere else:

    time is a namespace of the container's own (dockerd 29.5)
    /proc/interrupts, /sys/devices/virtual/powercap, thermal_throttle are masked (dockerd 25 and later)
    io_uring_* and sockets of AF_VSOCK and AF_ALG are refused, process_vm_* and name_to_handle_at are not (28's profile)

Stricter than both, where no program can tell: the root is private rather than a slave of the machine's, what masks a
directory is nosuid, nodev, noexec too, a masked file is the machine's /dev/null rather than the container's, which the
image could have prepared (CVE-2025-31133), the tmpfs that holds the cgroup hierarchies is read-only, and the v2
hierarchy of a hybrid machine is shown read-only rather than left out.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from archives import docker_archive, file, tar
from engine import Client
from expect import DETACHED, ONCE, Docker
from sampan.containers.host import default_ulimits

HERE = Path(__file__).parent
IMAGE = "sampan-dump:latest"
PROBE = HERE.parent / "outside" / "probe.c"
# Mount options that tell of the machine, not of the container.
OF_THE_MACHINE = re.compile(
    r",?(size|nr_inodes|inode(32|64)|lowerdir|lowerdir\+|upperdir|workdir|seclabel|uuid|xino)(=[^,]*)?"
)

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="the golden files are of x86-64")


@pytest.fixture(scope="module")
def image(engine: Client, image_tar: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image with the dump and the probe of system calls in it."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler for the program that tries the system calls")
    directory = tmp_path_factory.mktemp("dump")
    subprocess.run([compiler, "-static", "-O1", "-o", directory / "probe", PROBE], check=True)
    layer = tar([
        file("bin/probe", (directory / "probe").read_bytes(), mode=0o755),
        file("bin/dump", (HERE / "dump.sh").read_bytes(), mode=0o755),
    ])  # fmt: skip
    archive = directory / "dump.tar"
    archive.write_bytes(docker_archive(IMAGE, [image_tar.read_bytes(), layer]))
    assert engine.docker("load", "-i", str(archive)).code == 0
    yield IMAGE
    engine.docker("rmi", "-f", IMAGE)


def sections(text: str) -> dict[str, list[str]]:
    """The dump by section."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if re.fullmatch(r"\[\w+\]", line):
            lines = found.setdefault(line[1:-1], [])
        else:
            lines.append(line)
    return found


def mount_line(line: str) -> str:
    """target, root, type, source, flags, propagation, options of the filesystem."""
    left, _, right = line.partition(" - ")
    _, _, _, root, target, flags, *optional = left.split()
    kind, source, options = right.split()
    if target.startswith("/etc/"):
        root, source, options, kind = "FILE", "", "", "bind"
    if root == "/null":
        root, kind, source, flags, options = "NULL", "", "", flags.split(",")[0], ""
    if kind in ("overlay", "cgroup", "cgroup2"):
        source, options = "", ""
    if kind in ("devpts", "proc", "tmpfs", "sysfs", "mqueue"):
        options = OF_THE_MACHINE.sub("", options)
    if target.startswith("/sys/fs/cgroup/"):
        root, target = "ROOT", "/sys/fs/cgroup/*"
    return " ".join((target, root, kind, source, flags, "".join(sorted(o.split(":")[0] for o in optional)), options))


def every_capability(line: str) -> str:
    """--privileged gives all that the engine has, which on some machines is not all there are."""
    own = next(own for own in Path("/proc/self/status").read_text().splitlines() if own.startswith("CapBnd"))
    return line.replace(own.split()[1], "all that the engine has")


def limit_line(line: str, host: dict[str, str]) -> str:
    """A limit that is the test's own was inherited, through the engine."""
    name = line[:26].strip()
    return f"{name}: {'inherited' if ' '.join(line[26:].split()) == host.get(name) else line[26:].split()[:2]}"


def host_limits() -> dict[str, str]:
    """This process's own limits; of open files, the engine's default, which is in their place (moby #38814)."""
    lines = Path("/proc/self/limits").read_text().splitlines()[1:]
    soft, hard = default_ulimits()["nofile"]
    return {line[:26].strip(): " ".join(line[26:].split()) for line in lines} | {
        "Max open files": f"{soft} {hard} files"
    }


def device_of_host(line: str) -> bool:
    """Whether this /dev entry is one of the machine's: --privileged shows them all."""
    name, kind, _, _, number = line.split("|")
    path = name.strip("'\"").split("'")[0]
    if "special" not in kind or not os.path.exists(path):
        return False
    found = os.stat(path).st_rdev
    return number == f"{os.major(found):x}:{os.minor(found):x}" and path.count("/") >= 2


def normal(text: str, container: str, *, privileged: bool) -> str:
    """The dump without what tells of this machine or this container."""
    text = text.replace(container, "ID").replace(container[:12], "SHORT")
    found = sections(text)
    found["namespaces"] = [
        f"{kind} {'host' if link == os.readlink(f'/proc/self/ns/{kind}') else 'private'}"
        for kind, link in (line.split() for line in found["namespaces"])
    ]
    limits = host_limits()
    if privileged:
        found["status"] = [every_capability(line) for line in found["status"]]
    found["limits"] = [limit_line(line, limits) for line in found["limits"]]
    found["mounts"] = sorted({re.sub(r"cpu\d+", "cpuN", mount_line(line)) for line in found["mounts"]})
    found["masked"] = [line for line in found["masked"] if os.path.exists(line.split()[0])]
    hierarchies = [re.sub(r"^\d+:[^:]*:(.*/)?ID$", "cgroup .../ID", line) for line in found["cgroup"]]
    found["cgroup"] = sorted({re.sub(r"/sys/fs/cgroup/[^/ ]+", "/sys/fs/cgroup/*", line) for line in hierarchies})
    if privileged:
        # Whatever the machine has, beside what every container has.
        always = {"null", "zero", "full", "random", "urandom", "tty", "console", "ptmx"}
        found["dev"] = [
            line
            for line in found["dev"]
            if not device_of_host(line) or line.split("|")[0].strip("'").removeprefix("/dev/") in always
        ]
        found["dev"] = [line for line in found["dev"] if not is_directory_of_host(line)]
    return "".join(f"[{name}]\n" + "".join(f"{line}\n" for line in lines) for name, lines in found.items())


def is_directory_of_host(line: str) -> bool:
    """A directory of devices, such as /dev/net, that the machine has."""
    name, kind, *_ = line.split("|")
    path = name.strip("'\"").split("'")[0]
    return kind == "directory" and path not in ("/dev/pts", "/dev/shm", "/dev/mqueue") and os.path.isdir(path)


def compare(found: str, name: str, update: bool) -> None:
    """Fail with a difference that a person can read."""
    golden = HERE / "isolation" / f"{name}.txt"
    if update:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(found)
    wanted = golden.read_text()
    present = {line.split()[0] for line in sections(found)["masked"]}
    kept = [
        line
        for line in wanted.splitlines()
        if not (re.match(r"/(proc|sys)/\S+ \| ", line) and line.split()[0] not in present)
    ]
    assert found.splitlines() == kept


def run_and_dump(docker: Docker, image: str, *flags: str) -> tuple[str, str]:
    """(dump, container id) of a container that does nothing else."""
    cid = docker(*DETACHED, *flags, image, "dump")
    assert cid.code == 0, cid.stderr
    container = cid.stdout.strip()
    docker("wait", container)
    result = docker("logs", container)
    assert not result.stderr, result.stderr
    return result.stdout, container


@pytest.mark.parametrize("flags", [(), ("--privileged",)], ids=["run", "run-privileged"])
def test_run(docker: Docker, image: str, update_golden: bool, flags: tuple[str, ...]) -> None:
    text, container = run_and_dump(docker, image, *flags)
    compare(normal(text, container, privileged=bool(flags)), "run" + ("-privileged" if flags else ""), update_golden)


@pytest.mark.parametrize("flags", [(), ("--privileged",)], ids=["exec", "exec-privileged"])
def test_exec(docker: Docker, image: str, update_golden: bool, flags: tuple[str, ...]) -> None:
    container = docker(*DETACHED, image, "sleep", "1000").stdout.strip()
    result = docker("exec", *flags, container, "dump")
    assert (result.code, result.stderr) == (0, "")
    compare(
        normal(result.stdout, container, privileged=bool(flags)),
        "exec" + ("-privileged" if flags else ""),
        update_golden,
    )


def test_privileged_shows_every_device_of_the_machine(docker: Docker, image: str) -> None:
    inside = docker(*ONCE, "--privileged", image, "find", "/dev", "-type", "b", "-o", "-type", "c").stdout.split()
    own = ("/dev/pts/", "/dev/shm/", "/dev/mqueue/", "/dev/console", "/dev/ptmx")
    outside = [str(path) for path in Path("/dev").rglob("*") if path.is_block_device() or path.is_char_device()]
    wanted = {path for path in outside if not path.startswith(own) and not os.path.islink(path)}
    assert wanted <= set(inside), "devices that are missing inside"


def test_run_and_exec_differ_in_nothing_that_isolates() -> None:
    """A process that joins is confined as the first one is."""
    run, joined = (sections((HERE / "isolation" / f"{name}.txt").read_text()) for name in ("run", "exec"))
    for section in ("namespaces", "limits", "mounts", "masked", "readonly", "knobs", "cgroup", "devices", "answers"):
        assert run[section] == joined[section], section
    assert run["status"] == joined["status"]
