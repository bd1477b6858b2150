"""What does a container see of the host's files and devices? Rows of the catalogue (tests/security.toml)."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from archives import docker_archive, file, link, tar
from engine import Client, Engine, cgroups
from expect import CREATE, DETACHED, IMAGE, LABEL, ONCE, OUTSIDE, Docker, says
from rawhttp import call

MASKED = re.findall(
    r"\S+",
    """
    /proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats /proc/sched_debug /proc/scsi
    /proc/timer_list /proc/timer_stats /sys/devices/virtual/powercap /sys/firmware
    """,
)
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
# What makes the whole machine run a program, or do something, when it is written to.
KNOBS = re.findall(
    r"\S+",
    """
    /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/kernel/hotplug /proc/sys/kernel/sysrq
    /proc/sys/kernel/usermodehelper/bset /proc/sys/kernel/panic /proc/sys/kernel/randomize_va_space
    /proc/sys/kernel/yama/ptrace_scope /proc/sys/kernel/kptr_restrict /proc/sys/kernel/dmesg_restrict
    /proc/sys/kernel/unprivileged_bpf_disabled /proc/sys/kernel/perf_event_paranoid /proc/sys/vm/overcommit_memory
    /proc/sys/vm/drop_caches /proc/sys/vm/mmap_min_addr /proc/sys/fs/suid_dumpable /proc/sys/fs/protected_symlinks
    /proc/sys/fs/binfmt_misc/register /proc/sys/net/core/bpf_jit_enable /proc/sysrq-trigger /sys/kernel/uevent_helper
    /sys/kernel/mm/transparent_hugepage/enabled /sys/power/state /sys/fs/cgroup/release_agent
    /sys/fs/cgroup/memory/release_agent /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/devices/devices.allow
    /sys/fs/cgroup/memory/notify_on_release
    """,
)


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A directory of this machine that must be as it was when the test ends."""
    directory = tmp_path / "canary"
    (directory / "sub").mkdir(parents=True)
    (directory / "f").write_text("alive")
    before = sorted(f"{p} {p.lstat().st_mode} {p.lstat().st_nlink}" for p in directory.rglob("*"))
    yield directory
    assert sorted(f"{p} {p.lstat().st_mode} {p.lstat().st_nlink}" for p in directory.rglob("*")) == before
    assert (directory / "f").read_text() == "alive"


@pytest.fixture
def image_with(docker: Docker, tmp_path: Path, image_tar: Path, name: str) -> Iterator[object]:
    """Makes an image of busybox and some more members; the image's name."""

    def make(*members: tuple[str, bytes, dict[str, object]]) -> str:
        archive = tmp_path / "made.tar"
        archive.write_bytes(docker_archive(f"{name}:v1", [image_tar.read_bytes(), tar(members)]))
        says(docker("load", "-i", str(archive)), ".*")
        return f"{name}:v1"

    yield make
    docker("rmi", "-f", f"{name}:v1")


def mounts() -> list[str]:
    """This machine's mounts, without what other tests make."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if not re.search(r"/var/tmp/sampan-|/run/s-|/run/peer|/var/lib/peer|pytest", line)]


def test_knobs_of_the_kernel_cannot_be_turned(docker: Docker) -> None:
    """A14 A13: no global setting can be opened for writing, and none changed."""
    script = "for f in " + " ".join(KNOBS) + '; do [ -e $f ] && (: >>$f) 2>/dev/null && echo "$f"; done; exit 0'
    before = {knob: text(knob) for knob in KNOBS}
    says(docker(*ONCE, IMAGE, "sh", "-c", script), "")
    assert {knob: text(knob) for knob in KNOBS} == before


def text(path: str) -> str:
    """A file's content, if it can be read."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def test_cgroups_cannot_be_changed_from_inside(docker: Docker) -> None:
    """A12 A13: the cgroup mounts are read-only, all of them."""
    # dockerd with runc 1.1 leaves the tmpfs that holds the hierarchies of v1 writable; they are not.
    directories = "/sys/fs/cgroup/*/" if OUTSIDE else "/sys/fs/cgroup /sys/fs/cgroup/*/"
    script = f"for d in {directories}; do mkdir $d/new && echo $d; done; exit 0"
    says(docker(*ONCE, IMAGE, "sh", "-c", script), "", err="Read-only|denied")


def test_masked_and_read_only_paths(docker: Docker, name: str) -> None:
    """A26 A14: what Docker masks reads as empty and stays masked; what it keeps read-only is."""
    docker(*DETACHED, "--name", name, IMAGE, "sleep", "1000")
    for path in MASKED if not OUTSIDE else [p for p in MASKED if p != "/proc/interrupts"]:
        if not os.path.exists(path):
            continue
        script = f"[ -d {path} ] && ls -A {path} || cat {path}; umount {path} 2>/dev/null && echo umounted; true"
        says(docker("exec", name, "sh", "-c", script), "", err=".*")
    for path in filter(os.path.exists, READ_ONLY):
        line = docker("exec", name, "grep", f" {path} ", "/proc/mounts").stdout
        assert re.search(rf" {path} \w+ ro,", line), path
        says(docker("exec", name, "mount", "-o", "remount,rw", path), err=".+", code=(1, 255))


def test_devices(docker: Docker, name: str) -> None:
    """A46: /dev has Docker's nodes and links and nothing else."""
    nodes = ["full", "null", "random", "tty", "urandom", "zero"]
    links = {"fd": "/proc/self/fd", "ptmx": "pts/ptmx", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1"}
    links |= {"stderr": "/proc/self/fd/2"} | ({"core": "/proc/kcore"} if os.path.exists("/proc/kcore") else {})
    listed = docker(*ONCE, IMAGE, "ls", "/dev").stdout.split()
    assert listed == sorted([*nodes, *links, "pts", "shm", "mqueue"])
    script = (
        f"cd /dev && stat -c '%n %a %u %g %t:%T' {' '.join(nodes)} && for l in {' '.join(links)}; do readlink $l; done"
    )
    numbers = {"full": "1:7", "null": "1:3", "random": "1:8", "tty": "5:0", "urandom": "1:9", "zero": "1:5"}
    wanted = [f"{node} 666 0 0 {numbers[node]}" for node in nodes] + list(links.values())
    says(docker(*ONCE, IMAGE, "sh", "-c", script), "".join(f"{line}\n" for line in wanted))
    terminal = docker(*ONCE, "-t", IMAGE, "stat", "-c", "%t:%T %a %F", "/dev/console").stdout
    assert terminal.startswith("88:"), "the console is a pseudoterminal (A08)"


def test_devices_that_are_made_cannot_be_opened(docker: Docker) -> None:
    """A25 C09: mknod works as in Docker; opening what is not on the list does not."""
    nodes = ["b 7 0", "c 1 1", "c 10 229", "c 1 11", "b 254 0", "c 10 232"]
    script = "; ".join(
        f"mknod /n{i} {node} && (: </n{i}) 2>/dev/null && echo opened {node}" for i, node in enumerate(nodes)
    )
    says(docker(*ONCE, IMAGE, "sh", "-c", f"{script}; mknod /null c 1 3 && : >/null && echo allowed"), "allowed\n")


@pytest.mark.parametrize("where", ["proc", "sys", "dev", "dev/pts", "dev/shm", "dev/mqueue", "sys/fs/cgroup"])
def test_mount_points_that_are_links(docker: Docker, image_with: object, canary: Path, where: str) -> None:
    """A06 A10 A11: an image whose /proc, /sys or /dev is a link gets nothing of the host mounted over or written to."""
    image = image_with(link(where, str(canary)))  # type: ignore[operator]
    before = mounts()
    result = docker(*ONCE, image, "sh", "-c", f"ls -la /{where}/; echo x >/{where}/new")
    assert "alive" not in result.stdout
    assert mounts() == before


@pytest.mark.parametrize("name_of_it", ["etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab"])
@pytest.mark.parametrize("climb", [False, True])
def test_files_the_engine_writes_that_are_links(
    docker: Docker, image_with: object, canary: Path, name_of_it: str, climb: bool
) -> None:
    """A21: what the engine puts into a container does not go through the image's links."""
    target = f"{'../' * 30}{canary}/f" if climb else str(canary / "f")
    image = image_with(link(name_of_it, target))  # type: ignore[operator]
    docker(*ONCE, "-h", "written", image, "sh", "-c", f"echo written >/{name_of_it}; cat /{name_of_it}")


def test_a_working_directory_through_a_link(docker: Docker, image_with: object, canary: Path) -> None:
    """A22: the working directory is made inside the root filesystem."""
    image = image_with(link("out", str(canary)), link("up", "../" * 30 + str(canary)))  # type: ignore[operator]
    for directory in ("/out/new/deep", "/up/new", "/../../../out/x"):
        docker(*ONCE, "-w", directory, image, "pwd")


@pytest.mark.parametrize("target", ["/proc", "/proc/self", "/proc/sys", "/proc/sys/kernel", "/sys/fs/cgroup", "/"])
def test_mounts_over_what_protects(docker: Docker, target: str) -> None:
    """A05 A27: a mount over /proc, or in it, is refused or does not take a mask away."""
    before = text("/proc/sys/kernel/core_pattern")
    script = "echo evil >/proc/sys/kernel/core_pattern; cat /proc/keys"
    result = docker(*ONCE, "--tmpfs", target, IMAGE, "sh", "-c", script)
    assert text("/proc/sys/kernel/core_pattern") == before
    assert result.code != 0 or result.stdout == "", result


@pytest.mark.parametrize("key, value", [
    ("kernel.core_pattern", "|/evil"), ("kernel.shmmax+kernel.core_pattern", "1"),
    ("kernel.shmmax", "1\nkernel.core_pattern=|/evil"),
    ("net.ipv4.ip_forward/../../../kernel/panic", "1"), ("net/../kernel/panic", "1"),
    ("kernel/../vm/panic_on_oom", "1"),
    ("net.ipv4.ip_forward=1 kernel.panic", "1"),
    ("vm.panic_on_oom", "1"), ("fs.suid_dumpable", "2"), ("", "1"), ("kernel", "1"),
    ("fs.mqueue.../panic", "1"),
], ids=str)  # fmt: skip
def test_sysctls_that_are_not_the_containers(engine: Client, key: str, value: str) -> None:
    """A15: only settings of the container's own namespaces are taken, one key and one value at a time."""
    watched = [
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/kernel/panic",
        "/proc/sys/vm/panic_on_oom",
        "/proc/sys/fs/suid_dumpable",
    ]
    before = [text(path) for path in watched]
    label, _, run = LABEL.partition("=")
    body = {
        "Image": IMAGE,
        "Cmd": ["true"],
        "Labels": {label: run},
        "HostConfig": {"NetworkMode": "none", "Sysctls": {key: value}},
    }
    made = call(engine.socket, "POST", "/containers/create", body)
    if made.status == 201:
        started = call(engine.socket, "POST", f"/containers/{made.json()['Id']}/start")
        call(engine.socket, "DELETE", f"/containers/{made.json()['Id']}?force=1")
        assert started.status >= 400 or (OUTSIDE and "\n" in value)  # it writes all of it to the one file
    assert [text(path) for path in watched] == before


def test_sysctls_of_a_namespace_that_is_the_hosts(docker: Docker) -> None:
    """A15: net.* with the host's network, kernel.shm* with the host's IPC: refused."""
    assert docker("run", "--rm", "--network", "host", "--sysctl", "net.ipv4.ip_forward=1", IMAGE, "true").code != 0
    assert docker(*ONCE, "--ipc", "host", "--sysctl", "kernel.shmmax=1", IMAGE, "true").code != 0


@pytest.mark.parametrize("hostname", ["a\nb", "a\0b", "a\rb", "a b", "a:b\n1.2.3.4 evil", "x" * 300])
def test_hostnames_do_not_forge_lines(engine: Client, hostname: str) -> None:
    """A20: a host name that would make a second line of /etc/hosts is refused."""
    label, _, run = LABEL.partition("=")
    body = {
        "Image": IMAGE,
        "Cmd": ["cat", "/etc/hosts"],
        "Hostname": hostname,
        "Labels": {label: run},
        "HostConfig": {"NetworkMode": "none"},
    }
    made = call(engine.socket, "POST", "/containers/create", body)
    if made.status == 201:
        started = call(engine.socket, "POST", f"/containers/{made.json()['Id']}/start")
        call(engine.socket, "DELETE", f"/containers/{made.json()['Id']}?force=1")
        assert OUTSIDE or started.status >= 400


@pytest.mark.parametrize(
    "parent", ["../../..", "/../x", "a/../../b", "/a/\0b", "x\ny", "..", "/sys/fs/cgroup/../../../tmp/x"]
)
def test_cgroup_parents_that_climb(engine: Client, parent: str) -> None:
    """A30: a cgroup parent is a path below the hierarchy's root, or refused."""
    if not isinstance(engine, Engine):
        pytest.skip("dockerd takes some of them, and would make cgroups of other users' names")
    body = {"Image": IMAGE, "Cmd": ["true"], "HostConfig": {"NetworkMode": "none", "CgroupParent": parent}}
    made = call(engine.socket, "POST", "/containers/create", body)
    assert made.status == 400, made


def test_a_container_is_inside_its_cgroup(docker: Docker, engine: Client, name: str) -> None:
    """A30: every process of a container is below the engine's cgroup parent, exec'ed ones too."""
    if not isinstance(engine, Engine):
        pytest.skip("needs to know the cgroup parent")
    docker(*DETACHED, "--name", name, IMAGE, "sleep", "1000")
    docker("exec", "-d", name, "sleep", "1000")
    identity = docker("inspect", "-f", "{{.Id}}", name).stdout.strip()
    for pid in (line.split()[1] for line in docker("top", name).stdout.splitlines()[1:]):
        paths = {line.split(":", 2)[2] for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()}
        assert all(identity in path for path in paths if path != "/"), paths
    assert any(identity in str(directory) for directory in cgroups(engine))


def test_the_hosts_mounts_are_as_they_were(docker: Docker, sleeper: str) -> None:
    """A42: starting and stopping containers leaves no mount on the host."""
    before = mounts()
    for _ in range(5):
        docker(*ONCE, "--tmpfs", "/t", "--shm-size", "1m", IMAGE, "true")
    docker("restart", "-t", "0", sleeper)
    assert mounts() == before


def test_nobody_else_may_look_into_the_engines_directories(docker: Docker, engine: Client, name: str) -> None:
    """C15 C14: below data root and run root nothing is open to other users but what layers themselves say."""
    if not isinstance(engine, Engine):
        pytest.skip("about the directories of our engine")
    docker(*CREATE, "--name", name, IMAGE)
    docker(*DETACHED, "--name", f"{name}-b", IMAGE, "sleep", "1000")
    assert engine.data_root.stat().st_mode & 0o027 == 0
    for root in (engine.data_root, engine.run_root / "exec"):
        for path in [root, *root.glob("*"), *root.glob("*/*")]:
            # To walk through (x) is no harm by itself; to list, read or write is, and so is a group's writing.
            open_to = path.lstat().st_mode & 0o026
            assert path.is_symlink() or not open_to or shielded(path, root), f"{path} is {oct(path.lstat().st_mode)}"
    assert os.stat(engine.socket).st_mode & 0o007 == 0


def shielded(path: Path, root: Path) -> bool:
    """Whether a directory above, up to the root, keeps others out."""
    return any(parent.stat().st_mode & 0o001 == 0 for parent in path.parents if parent.is_relative_to(root))


def test_overlay_settings_in_a_layer_do_nothing(docker: Docker, image_with: object) -> None:
    """C07: a layer's trusted.overlay.* attributes do not steer the overlay."""
    steering = {"trusted.overlay.redirect": "/etc", "trusted.overlay.opaque": "y", "user.overlay.opaque": "y"}
    attributes = {"pax_headers": {f"SCHILY.xattr.{name}": value for name, value in steering.items()}}
    image = image_with(file("home/x", b"", **attributes), ("home", b"", {"type": b"5", **attributes}))  # type: ignore[operator]
    result = docker(*ONCE, image, "ls", "/home")
    assert "passwd" not in result.stdout
