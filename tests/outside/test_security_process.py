"""What may a contained process do? Rows of the catalogue that can be asked from inside (tests/security.toml)."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from archives import docker_archive, file, link, tar
from engine import Client, Engine
from expect import DETACHED, IMAGE, ONCE, OUTSIDE, Docker, says

PROBE = "sampan-probe:latest"

# What each attempt of probe.c comes to under Docker's default profile and capabilities. The real dockerd differs where
# its profile is older than ours (20.10 allows io_uring and vsock, and forbids name_to_handle_at).
REFUSED = re.findall(
    r"\S+",
    """
    acct add_key bpf clock_settime delete_module fanotify_init finit_module fsconfig fsmount fsopen fspick init_module
    kcmp kexec_load keyctl lookup_dcookie mbind migrate_pages mount mount_setattr move_mount move_pages
    open_by_handle_at open_tree perf_event_open pidfd_getfd pivot_root process_madvise quotactl reboot request_key
    set_mempolicy setdomainname sethostname setns settimeofday swapoff swapon syslog umount2 unshare userfaultfd vhangup
    io_uring_setup unshare(CLONE_NEWCGROUP) unshare(CLONE_NEWNS) unshare(CLONE_FILES) clone(CLONE_NEWUSER)
    mount(cgroup) mount(proc) remount(/proc/sys) umount(/proc/kcore) socket(AF_VSOCK) clock_settime(CLOCK_REALTIME)
    """,
)
REFUSED_ON_X86 = ["iopl", "ioperm", "uselib", "ustat", "sysfs"]
ALLOWED = ["memfd_create", "pidfd_open", "socket(AF_UNIX)", "socket(AF_PACKET)"]
PEER_ALLOWS = {"io_uring_setup", "socket(AF_VSOCK)"}


@pytest.fixture(scope="session")
def probe(engine: Client, image_tar: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image with probe.c in it, beside busybox."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler for the program that tries the system calls")
    directory = tmp_path_factory.mktemp("probe")
    source = Path(__file__).with_name("probe.c")
    subprocess.run([compiler, "-static", "-O1", "-o", directory / "probe", source], check=True)
    layer = tar([file("bin/probe", (directory / "probe").read_bytes())])
    archive = directory / "probe.tar"
    archive.write_bytes(docker_archive(PROBE, [image_tar.read_bytes(), layer]))
    assert engine.docker("load", "-i", str(archive)).code == 0
    yield PROBE
    engine.docker("rmi", "-f", PROBE)


def attempts(docker: Docker, image: str, *flags: str, what: str = "") -> dict[str, str]:
    """What the probe said: attempt → errno or ok. Of two attempts of one name the last counts."""
    result = docker(*ONCE, *flags, image, "probe", *what.split())
    assert result.code == 0, result.stderr
    return dict(line.rsplit(" ", 1) for line in result.stdout.splitlines())


def status(docker: Docker, line: str, *command: str) -> str:
    """Lines of /proc/self/status seen by a command line of docker that ends where the program starts."""
    return docker(
        *line.split(), *command, "grep", "-E", "^(Cap|Groups|Uid|Gid|NoNew|Seccomp:)", "/proc/self/status"
    ).stdout


def test_system_calls_of_the_default_profile(docker: Docker, probe: str) -> None:
    """A40 A41 A13 A33 A39 A37: the kernel's riskier doors are shut, each with EPERM."""
    found = attempts(docker, probe)
    wanted = dict.fromkeys(REFUSED, "EPERM") | dict.fromkeys(ALLOWED, "ok") | {"clone3": "ENOSYS"}
    if os.uname().machine == "x86_64":
        wanted |= dict.fromkeys(REFUSED_ON_X86, "EPERM")
    if OUTSIDE:
        wanted |= dict.fromkeys(PEER_ALLOWS, "")
    differing = {name: (found.get(name), errno) for name, errno in wanted.items() if errno and found.get(name) != errno}
    assert not differing, "attempt: (what happened, what Docker's profile says)"
    assert found["socket(AF_ALG)"] in ("EPERM", "EAFNOSUPPORT")


def test_capabilities_open_what_they_should(docker: Docker, probe: str) -> None:
    """A40: with SYS_ADMIN the kernel itself answers, and what other capabilities guard stays shut."""
    found = attempts(docker, probe, "--cap-add", "SYS_ADMIN")
    assert {name: found[name] for name in ("fsopen", "mount", "setns", "unshare", "umount2", "clone3")} == {
        "fsopen": "ENODEV", "mount": "ENOENT", "setns": "EBADF", "unshare": "ok", "umount2": "ENOENT",
        "clone3": "EINVAL",
    }  # fmt: skip
    assert {
        found[name] for name in ("reboot", "init_module", "settimeofday", "acct", "keyctl", "open_by_handle_at")
    } == {"EPERM"}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the other doors are those of x86-64")
def test_the_other_doors_of_the_kernel(docker: Docker, probe: str) -> None:
    """A38: neither x32 numbers nor the 32-bit entry lead around the filter."""
    found = attempts(docker, probe, what="doors")
    assert found["i386 getpid"] in ("ok", "EPERM")
    assert found["x32 unshare"] in ("EPERM", "ENOSYS")
    assert {found[f"i386 {name}"] for name in ("mount", "unshare", "keyctl", "bpf", "setns")} <= {"EPERM", "ENOSYS"}


def test_descriptors_and_signals_at_the_start(docker: Docker, probe: str, name: str) -> None:
    """A03: a program starts with 0, 1, 2 and nothing else, every signal at its default and none blocked."""
    three = "fd 0\nfd 1\nfd 2\n"
    says(docker(*ONCE, probe, "probe", "fds"), three)
    says(docker(*ONCE, "--init", probe, "probe", "fds"), three)
    says(docker(*ONCE, "-t", probe, "probe", "fds"), three.replace("\n", "\r\n"))
    docker(*DETACHED, "--name", name, probe, "sleep", "1000")
    says(docker("exec", name, "probe", "fds"), three)
    says(docker("exec", "-t", name, "probe", "fds"), three.replace("\n", "\r\n"))
    says(docker("exec", name, "ls", "/proc/1/fd"), "0\n1\n2\n")


def test_descriptors_of_the_daemon_do_not_leak(image_tar: Path) -> None:
    """A03: a daemon started with open descriptors passes none of them on."""
    if OUTSIDE or os.geteuid() != 0:
        pytest.skip("needs an engine of its own")
    engine = Engine()
    try:
        engine.start("sh", "-c", 'exec "$@" 7</etc/passwd 8</ 9>/dev/null', "sh")
        engine.docker("import", "--change", "CMD sh", str(image_tar), IMAGE)
        says(engine.docker("run", "--rm", "--network", "none", IMAGE, "sh", "-c", "ls /proc/1/fd"), "0\n1\n2\n(3\n)?")
    finally:
        found = engine.close()
    assert not found


@pytest.mark.parametrize("number", [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 16, 24])
def test_a_working_directory_behind_a_descriptor(docker: Docker, sleeper: str, number: int) -> None:
    """A03: `-w /proc/self/fd/N` never is a directory of the host."""
    for result in (
        docker(*ONCE, "-w", f"/proc/self/fd/{number}", IMAGE, "sh", "-c", "pwd -P; ls -d /proc/1 ../../../etc"),
        docker("exec", "-w", f"/proc/self/fd/{number}", sleeper, "sh", "-c", "pwd -P; ls ../../../../etc"),
    ):
        assert result.code != 0, result.stdout
        assert not re.search(r"(shadow|hostname|unreachable)", result.stdout)


def test_capability_sets(docker: Docker, sleeper: str) -> None:
    """A16 A47: inheritable and ambient are empty everywhere; whoever is not root has nothing at all."""
    nothing, default = "0" * 16, "00000000a80425fb"
    for line, eff, bounding in (
        (f"run --rm --network none {IMAGE}", default, default),
        (f"run --rm --network none -u 1000 {IMAGE}", nothing, default),
        (f"run --rm --network none --cap-drop ALL {IMAGE}", nothing, nothing),
        (f"exec {sleeper}", default, default),
        (f"exec -u 1000 {sleeper}", nothing, default),
    ):
        text = status(docker, line)
        assert (
            f"CapInh:\t{nothing}\nCapPrm:\t{eff}\nCapEff:\t{eff}\nCapBnd:\t{bounding}\nCapAmb:\t{nothing}\n" in text
        ), line


@pytest.mark.skipif(
    bool(OUTSIDE), reason="runc 1.1 gives up where the machine withholds a capability from dockerd itself"
)
def test_privileged_exec_of_a_user_has_no_ambient_rights(docker: Docker, sleeper: str) -> None:
    """A16: exec --privileged widens the bounding set, and leaves inheritable and ambient empty."""
    for line in (f"exec --privileged {sleeper}", f"exec --privileged -u 1000 {sleeper}"):
        text = status(docker, line)
        assert "CapInh:\t0000000000000000" in text
        assert "CapAmb:\t0000000000000000" in text
    assert "CapEff:\t0000000000000000" in status(docker, f"exec --privileged -u 1000 {sleeper}")


def test_the_primary_group_is_among_the_groups(docker: Docker, sleeper: str) -> None:
    """A17: else a file whose group is denied could be opened by its group."""
    for line, groups in (
        (f"run --rm --network none -u 1000 {IMAGE}", "1000 2000"),
        (f"run --rm --network none -u 1000:3000 {IMAGE}", "3000"),
        (f"run --rm --network none -u 1000 --group-add 77 {IMAGE}", "77 1000 2000"),
        (f"run --rm --network none {IMAGE}", "0"),
        (f"exec -u 1000 {sleeper}", "1000 2000"),
        (f"exec -u 4242:4343 {sleeper}", "4343"),
    ):
        found = re.search(r"Groups:\t([\d ]*)", status(docker, line))
        assert found
        assert sorted(map(int, found[1].split())) == sorted(map(int, groups.split())), line


HOSTILE_PASSWD = "".join(
    f"{user}:x:{uid}:{uid}::/:/bin/sh\n"
    for user, uid in (
        ("1000", 0),
        ("0", 1234),
        ("4294967296", 0),
        ("-1", 0),
        ("+5", 0),
        ("0x5", 0),
        (" 7", 0),
        ("8 ", 0),
        ("root", 0),
    )
)
# Asked for → the uid that it may become, or None: it must be refused.
USERS = {
    "1000": 1000, "0": 0, "7": 7, "4242": 4242, "2147483647": 2147483647, "2147483648": None, "4294967294": None,
    "4294967295": None, "4294967296": None, "-1": None, "18446744073709551616": None, "99999999999999999999": None,
    "root": 0, "nosuch": None,
}  # fmt: skip


def test_users_by_number_are_numbers(docker: Docker, tmp_path: Path, image_tar: Path, name: str) -> None:
    """A18: a number is never looked up as a name, and none wraps around to 0."""
    layer = tar([file("etc/passwd", HOSTILE_PASSWD.encode())])
    archive = tmp_path / "hostile.tar"
    archive.write_bytes(docker_archive(f"{name}:v1", [image_tar.read_bytes(), layer]))
    docker("load", "-i", str(archive))
    try:
        for user, uid in USERS.items():
            result = docker(*ONCE, "-u", user, f"{name}:v1", "id", "-u")
            if result.code == 0:
                if OUTSIDE and user in ("0", "1000", "4294967296", "-1"):
                    continue  # its runc looks a number up as a name first: CVE-2024-40635's older sister
                assert int(result.stdout) == uid, user
            else:
                assert uid is None, (user, result.stderr)
    finally:
        docker("rmi", "-f", f"{name}:v1")


@pytest.mark.parametrize("member", [
    file("etc/passwd", type=tarfile.FIFOTYPE), file("etc/passwd", type=tarfile.DIRTYPE),
    link("etc/passwd", "/dev/zero"), link("etc/passwd", "/proc/self/mem"),
    file("etc/passwd", b"x" * (4 << 20)), file("etc/passwd", b"x:\n" * (1 << 20)),
], ids=["fifo", "directory", "zero", "mem", "one line", "many lines"])  # fmt: skip
def test_a_passwd_that_never_ends(
    docker: Docker, tmp_path: Path, image_tar: Path, name: str, member: tuple[str, bytes, dict[str, object]]
) -> None:
    """A19 C16: a user file of the image is read with a limit, and only if it is a plain file."""
    if OUTSIDE:
        pytest.skip("dockerd reads it to the end")
    archive = tmp_path / "endless.tar"
    archive.write_bytes(docker_archive(f"{name}:v1", [image_tar.read_bytes(), tar([member])]))
    docker("load", "-i", str(archive))
    try:
        result = docker(*ONCE, "-u", "www", f"{name}:v1", "id", "-u", timeout=20)
        assert result.code != 0
        # Not `id`, which would itself read the user file to its end.
        result = docker(*ONCE, "-u", "12:13", f"{name}:v1", "grep", "^Uid:", "/proc/self/status", timeout=20)
        assert (result.code, result.stdout.split()[1]) == (0, "12")
    finally:
        docker("rmi", "-f", f"{name}:v1")


def test_namespaces_are_not_the_hosts(docker: Docker, name: str) -> None:
    """A37: mount, network, UTS, PID and IPC namespaces are the container's own, and its clocks."""
    docker(*DETACHED, "--name", name, IMAGE, "sleep", "1000")
    for kind in ("mnt", "net", "uts", "pid", "ipc", *(() if OUTSIDE else ("time",))):
        theirs = docker("exec", name, "readlink", f"/proc/1/ns/{kind}").stdout.strip()
        assert theirs != os.readlink(f"/proc/self/ns/{kind}")


def test_the_session_keyring_is_not_shared(docker: Docker) -> None:
    """A33: /proc/keys shows nothing, and the calls that would reach a keyring are refused (see A40)."""
    says(docker(*ONCE, IMAGE, "cat", "/proc/keys"), "")


@pytest.mark.skipif(bool(OUTSIDE), reason="about the files of our engine")
def test_the_engine_cannot_be_overwritten_through_its_own_executable(
    docker: Docker, tmp_path: Path, image_tar: Path, name: str
) -> None:
    """A01: a container that runs /proc/self/exe, itself or as an interpreter, gets no hold of the engine's files."""
    package = Path(__file__).resolve().parents[2] / "src" / "sampan"
    files = [Path(sys.executable).resolve(), *package.rglob("*.py")]
    before = {path: (hashlib.sha256(path.read_bytes()).digest(), path.stat().st_mtime_ns) for path in files}
    layer = tar([file("bin/again", b"#!/proc/self/exe\n"), link("bin/me", "/proc/self/exe")])
    archive = tmp_path / "exe.tar"
    archive.write_bytes(docker_archive(f"{name}:v1", [image_tar.read_bytes(), layer]))
    docker("load", "-i", str(archive))
    docker(*DETACHED, "--name", name, f"{name}:v1", "sleep", "1000")
    try:
        for program in ("/proc/self/exe", "/bin/again", "/bin/me"):
            assert "Python" not in docker(*ONCE, f"{name}:v1", program, "-V").stdout
            assert "Python" not in docker("exec", name, program, "-V").stdout
        says(
            docker("exec", name, "sh", "-c", "for p in /proc/[0-9]*; do echo x >>$p/exe; done"),
            err=".*",
            code=(0, 1, 2),
        )
    finally:
        docker("rm", "-f", name)
        docker("rmi", "-f", f"{name}:v1")
    assert before == {path: (hashlib.sha256(path.read_bytes()).digest(), path.stat().st_mtime_ns) for path in files}


def test_top_runs_nothing_of_the_image(docker: Docker, tmp_path: Path, image_tar: Path, name: str) -> None:
    """A44: `top` reads the host's procfs; a program called ps in the image is not run."""
    layer = tar([file("bin/ps", b"#!/bin/sh\ntouch /executed\n"), file("usr/bin/ps", b"#!/bin/sh\ntouch /executed\n")])
    archive = tmp_path / "ps.tar"
    archive.write_bytes(docker_archive(f"{name}:v1", [image_tar.read_bytes(), layer]))
    docker("load", "-i", str(archive))
    docker(*DETACHED, "--name", name, f"{name}:v1", "sleep", "1000")
    try:
        assert "sleep 1000" in docker("top", name).stdout
        says(docker("exec", name, "ls", "/executed"), err="No such file", code=1)
    finally:
        docker("rm", "-f", name)
        docker("rmi", "-f", f"{name}:v1")


def test_the_engine_is_not_readable_from_the_hosts_pid_namespace(docker: Docker, name: str, engine: Client) -> None:
    """A45: with --pid host the container sees the shim, and may not look into it."""
    if not isinstance(engine, Engine):
        pytest.skip("about the processes of our engine")
    docker(*DETACHED, "--pid", "host", "--name", name, IMAGE, "sleep", "1000")
    pid = docker("inspect", "-f", "{{.State.Pid}}", name).stdout.strip()
    shim = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
    for target in (shim, str(engine.pid)):
        for entry in ("environ", "mem", "maps"):
            says(docker("exec", name, "dd", f"if=/proc/{target}/{entry}", "count=1"), err="Permission denied", code=1)
        for entry in ("root", "cwd", "exe", "fd/0", "ns/net"):
            says(docker("exec", name, "readlink", f"/proc/{target}/{entry}"), code=1)


def test_the_engines_sockets_are_files(docker: Docker, engine: Client) -> None:
    """A35: with --network host no abstract socket of the engine can be connected to."""
    if not isinstance(engine, Engine):
        pytest.skip("dockerd of this age has abstract sockets for its shims")
    text = docker("run", "--rm", "--network", "host", IMAGE, "cat", "/proc/net/unix").stdout
    assert [line for line in text.splitlines() if "@" in line] == []


def test_an_lsm_that_is_not_there_is_not_ignored(docker: Docker) -> None:
    """A43: a profile that cannot be applied is an error, not a warning."""
    if OUTSIDE or Path("/sys/kernel/security/apparmor").exists():
        pytest.skip("this kernel has AppArmor, or dockerd leaves the option aside without it")
    assert docker(*ONCE, "--security-opt", "apparmor=nosuch", IMAGE, "true").code != 0
