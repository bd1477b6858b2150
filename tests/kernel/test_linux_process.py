"""Do clone3, pidfds, prctl, capabilities, limits and the rest do to a process what linux/ says?"""

import errno
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from kernel.namespaced import alone, exit_code, namespaced
from sampan.linux import (
    capability,
    ioprio,
    keyctl,
    netdevice,
    personality,
    pidfd,
    prctl,
    procfs,
    ptrace,
    rlimit,
    sched,
    uts,
)
from sampan.linux.cgroupfs import hierarchies
from sampan.linux.close_range import CloseRange, close_range
from sampan.linux.memfd import sealed_copy
from sampan.linux.poll import readable
from sampan.linux.sched import CloneFlag

needs_root = pytest.mark.needs_root
NAMESPACES = CloneFlag.NEWNS | CloneFlag.NEWUTS | CloneFlag.NEWIPC | CloneFlag.NEWPID | CloneFlag.NEWNET


def test_clone3_forks() -> None:
    def parent() -> int:
        pid, fd = sched.clone3(0)
        if pid == 0:
            assert fd == -1
            # Python goes on in the child: allocate, import, release the interpreter lock, fork again.
            import wave  # noqa: F401

            grandchild = os.fork()
            if grandchild == 0:
                os._exit(5)
            os._exit(exit_code(grandchild) + 1)
        assert not os.get_inheritable(fd)
        assert readable(fd, 20)
        return exit_code(pid)

    assert alone(parent) == 6


def test_clone3_forks_again_and_again() -> None:
    def parent() -> int:
        for turn in range(100):
            pid, fd = sched.clone3(0)
            if pid == 0:
                # Lets go of the interpreter lock, allocates, and reads its own record rather than the parent's.
                os._exit(procfs.stat().pid % 251)
            os.close(fd)
            if exit_code(pid) != pid % 251:
                return turn % 90 + 1
        return 0

    assert alone(parent) == 0


@needs_root
def test_clone3_starts_in_new_namespaces() -> None:
    def parent() -> int:
        before = {name: os.readlink(f"/proc/self/ns/{name}") for name in ("mnt", "uts", "ipc", "pid", "net")}
        pid, fd = sched.clone3(NAMESPACES)
        if pid == 0:
            uts.set_host_name("inside")
            uts.set_domain_name("domain")
            netdevice.set_up("lo")
            listener = socket.create_server(("127.0.0.1", 0))
            socket.create_connection(listener.getsockname()).close()
            os._exit(os.getpid() if os.uname().nodename == "inside" else 90)
        inside = {name: os.readlink(f"/proc/{pid}/ns/{name}") for name in before}
        changed = sum(before[name] != inside[name] for name in before)
        os.close(fd)
        return exit_code(pid) + 10 * changed

    assert alone(parent) == 51


def test_clone3_without_the_call_falls_back(tmp_path: Path) -> None:
    def parent() -> int:
        sched._clone3 = lambda *arguments: _refuse(errno.ENOSYS)
        pid, fd = sched.clone3(0)
        if pid == 0:
            os._exit(7)
        assert readable(fd, 20)
        assert exit_code(pid) == 7
        try:
            sched.clone3(0, cgroup_fd=0)
        except OSError as error:
            return 1 if error.errno == errno.ENOSYS else 2
        return 3

    assert alone(parent) == 1


def _refuse(reason: int) -> int:
    import ctypes

    ctypes.set_errno(reason)
    return -1


@needs_root
def test_a_process_goes_on_in_place_in_a_new_pid_namespace() -> None:
    """The parent collects the old process, killed while it stood still, and the new one, which had its memory."""

    def parent() -> int:
        for _ in range(30):
            reader, writer = os.pipe()
            old, _ = sched.clone3(0)
            if old == 0:
                memory = bytearray(b"old")
                new = sched.clone_in_place(CloneFlag.PARENT | CloneFlag.NEWPID)
                memory += b", new"
                # The new process allocates, forks and executes like any other.
                child = os.fork()
                if child == 0:
                    os._exit(3)
                report = f"{new} {os.getpid()} {os.getppid()} {exit_code(child)} {memory.decode()}"
                os.dup2(writer, 1)
                os.execv("/bin/sh", ["sh", "-c", f"echo '{report}'; exit 7"])
            os.close(writer)
            with open(reader) as said:
                new, *report = said.read().split(maxsplit=4)
            assert report == ["1", "0", "3", "old, new\n"], report
            assert exit_code(old) == -signal.SIGKILL
            assert exit_code(int(new)) == 7
        return 0

    assert alone(parent) == 0


@needs_root
def test_who_goes_on_in_place_can_be_held_until_its_tracer_kills_it() -> None:
    """Not even SIGCONT lets it go on, on a stack that another process has used since."""

    def parent() -> int:
        ready, tell = os.pipe()
        go, let_go = os.pipe()
        old, _ = sched.clone3(0)
        if old == 0:
            os.read(go, 1)
            new = sched.clone_in_place(CloneFlag.PARENT | CloneFlag.NEWPID, held=True)
            os.write(tell, b"%d" % new)
            os.execv("/bin/sh", ["sh", "-c", "exit 7"])
        ptrace.hold_after_vfork(old)
        os.write(let_go, b"g")
        stop = os.waitid(os.P_PID, old, os.WSTOPPED | os.WEXITED)
        assert stop and stop.si_code == os.CLD_TRAPPED
        os.kill(old, signal.SIGCONT)
        assert procfs.stat(old).state == "t"
        assert exit_code(int(os.read(ready, 16))) == 7
        os.kill(old, signal.SIGKILL)
        return 0 if exit_code(old) == -signal.SIGKILL else 1

    assert alone(parent) == 0


@needs_root
def test_going_on_in_place_without_the_call_falls_back() -> None:
    def parent() -> int:
        sched._clone3 = lambda *arguments: _refuse(errno.ENOSYS)
        old = os.fork()
        if old == 0:
            sched.clone_in_place(CloneFlag.PARENT | CloneFlag.NEWPID)
            os._exit(os.getpid() + 10)
        ended = sorted(os.waitstatus_to_exitcode(os.waitpid(-1, 0)[1]) for _ in range(2))
        return 0 if ended == [-signal.SIGKILL, 11] else 1

    assert alone(parent) == 0


@needs_root
def test_a_refused_clone_in_place_leaves_the_process_as_it_was() -> None:
    def parent() -> int:
        before = sorted(os.listdir("/proc/self/fd"))
        try:
            sched.clone_in_place(CloneFlag.THREAD)
        except OSError as error:
            return 0 if error.errno == errno.EINVAL and sorted(os.listdir("/proc/self/fd")) == before else 1
        return 2

    assert alone(parent) == 0


def test_clone3_explains_a_refusal() -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        sched.clone3(CloneFlag.SIGHAND)


@needs_root
def test_clone3_starts_in_a_cgroup() -> None:
    unified = [h for h in hierarchies() if h.version == 2]
    if not unified:
        pytest.skip("needs a version 2 cgroup hierarchy")
    cgroup = Path(unified[0].mount) / f"sampan-test-clone3-{os.getpid()}"
    cgroup.mkdir()
    try:

        def parent() -> int:
            fd = os.open(cgroup, os.O_PATH | os.O_DIRECTORY)
            pid, _ = sched.clone3(0, cgroup_fd=fd)
            if pid == 0:
                line = next(line for line in Path("/proc/self/cgroup").read_text().splitlines() if line[:3] == "0::")
                os._exit(0 if line.endswith(cgroup.name) else 1)
            return exit_code(pid)

        assert alone(parent) == 0
    finally:
        cgroup.rmdir()


@needs_root
def test_clone3_parent_makes_a_sibling() -> None:
    def top() -> int:
        reader, writer = os.pipe()
        between = os.fork()
        if between == 0:
            pid, _ = sched.clone3(CloneFlag.PARENT)
            if pid == 0:
                os._exit(8)
            os.write(writer, str(pid).encode())
            os._exit(0)
        exit_code(between)
        return exit_code(int(os.read(reader, 20)))

    assert alone(top) == 8


@needs_root
def test_setns_enters_by_pidfd() -> None:
    def parent() -> int:
        reader, writer = os.pipe()
        pid, fd = sched.clone3(CloneFlag.NEWUTS)
        if pid == 0:
            uts.set_host_name("there")
            os.write(writer, b"x")
            signal.pause()
        os.read(reader, 1)
        sched.setns(fd, CloneFlag.NEWUTS)
        pidfd.pidfd_send_signal(fd, signal.SIGKILL)
        exit_code(pid)
        return 0 if os.uname().nodename == "there" else 1

    assert alone(parent) == 0


def test_a_pidfd_outlives_its_process() -> None:
    pid = os.fork()
    if pid == 0:
        signal.pause()
    fd = pidfd.pidfd_open(pid)
    assert not os.get_inheritable(fd)
    assert not readable(fd, 0)
    pidfd.pidfd_send_signal(fd, 0)
    pidfd.pidfd_send_signal(fd, signal.SIGTERM)
    assert readable(fd, 20)
    assert exit_code(pid) == -signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        pidfd.pidfd_send_signal(fd, signal.SIGTERM)
    with pytest.raises(ProcessLookupError):
        pidfd.pidfd_open(pid)
    os.close(fd)


def test_a_descriptor_is_taken_from_another_process() -> None:
    reader, writer = os.pipe()
    fd = pidfd.pidfd_open(os.getpid())
    try:
        copy = pidfd.pidfd_getfd(fd, writer)
    except PermissionError:
        pytest.skip("this machine does not let a process trace itself")
    os.write(copy, b"x")
    assert os.read(reader, 1) == b"x"
    for each in (reader, writer, fd, copy):
        os.close(each)


def test_close_range_marks_and_closes() -> None:
    def child() -> int:
        first = os.open("/dev/null", os.O_RDONLY)
        second = os.dup(first)
        os.set_inheritable(first, True)
        os.set_inheritable(second, True)
        close_range(second, flags=CloseRange.CLOEXEC)
        marked = (os.get_inheritable(first), os.get_inheritable(second))
        close_range(first, second)
        try:
            os.fstat(first)
        except OSError:
            return 0 if marked == (True, False) else 1
        return 2

    assert alone(child) == 0


def test_prctl_reads_back_what_it_set() -> None:
    def child() -> int:
        prctl.set_name("a-name-that-is-too-long")
        assert procfs.stat().name == "a-name-that-is-"
        prctl.set_dumpable(False)
        assert prctl.get_dumpable() == 0
        prctl.set_dumpable(True)
        assert prctl.get_dumpable() == 1
        prctl.set_no_new_privs()
        assert prctl.get_no_new_privs()
        assert procfs.status()["NoNewPrivs"] == "1"
        return 0

    assert alone(child) == 0


def test_a_subreaper_gets_the_orphans() -> None:
    def child() -> int:
        prctl.set_child_subreaper(True)
        between = os.fork()
        if between == 0:
            if os.fork():
                os._exit(0)
            signal.pause()
        assert exit_code(between) == 0
        (orphan,) = (int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())
        os.kill(orphan, signal.SIGKILL)
        return -exit_code(orphan)

    assert alone(child) == signal.SIGKILL


def test_the_parents_death_is_signalled() -> None:
    def child() -> int:
        prctl.set_child_subreaper(True)
        reader, writer = os.pipe()
        between = os.fork()
        if between == 0:
            orphan = os.fork()
            if orphan == 0:
                prctl.set_pdeathsig(signal.SIGUSR1)
                os.write(writer, str(os.getpid()).encode())
                signal.pause()
            signal.pause()
        orphan = int(os.read(reader, 20))
        os.kill(between, signal.SIGKILL)
        exit_code(between)
        return -exit_code(orphan)

    assert alone(child) == signal.SIGUSR1


@needs_root
def test_capability_sets_are_what_the_kernel_shows() -> None:
    def child() -> dict[str, str]:
        wanted = capability.mask(["CAP_CHOWN", "CAP_KILL", "CAP_SETPCAP", "CAP_CHECKPOINT_RESTORE"])
        ambient = capability.number("CAP_KILL")
        for number in range(capability.last_cap() + 1):
            if not wanted >> number & 1:
                prctl.capbset_drop(number)
        assert prctl.capbset_read(capability.number("CAP_CHOWN"))
        assert not prctl.capbset_read(capability.number("CAP_SYS_ADMIN"))
        capability.capset(wanted, wanted, 1 << ambient)
        prctl.cap_ambient_raise(ambient)
        assert prctl.cap_ambient_is_set(ambient)
        assert capability.capget() == (wanted, wanted, 1 << ambient)
        with pytest.raises(PermissionError):
            capability.capset(wanted, wanted | capability.mask(["CAP_SYS_ADMIN"]), 0)
        shown = procfs.status()
        prctl.cap_ambient_clear_all()
        assert not prctl.cap_ambient_is_set(ambient)
        return {name: shown[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}

    wanted = f"{1 | 1 << 5 | 1 << 8 | 1 << 40:016x}"
    kill = f"{1 << 5:016x}"
    assert namespaced(child) == {"CapInh": kill, "CapPrm": wanted, "CapEff": wanted, "CapBnd": wanted, "CapAmb": kill}


@needs_root
def test_keepcaps_decides_what_outlives_the_change_of_user() -> None:
    def child() -> list[bool]:
        answers = []
        for keep in (True, False):
            pid = os.fork()
            if pid == 0:
                prctl.set_keepcaps(keep)
                os.setresuid(1000, 1000, 1000)
                os._exit(int(capability.capget()[1] != 0))
            answers.append(bool(exit_code(pid)))
        return answers

    assert namespaced(child) == [True, False]


def test_an_unknown_capability_is_invalid() -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        prctl.capbset_read(63)


def test_limits_read_back() -> None:
    def child() -> int:
        rlimit.set_rlimit("RLIMIT_NOFILE", 100, 200)
        assert rlimit.get_rlimit("RLIMIT_NOFILE") == (100, 200)
        rlimit.set_rlimit("RLIMIT_CORE", 0, rlimit.get_rlimit("RLIMIT_CORE")[1])
        with pytest.raises(OSError, match=r"Invalid argument: 'RLIMIT_NOFILE'"):
            rlimit.set_rlimit("RLIMIT_NOFILE", 2, 1)
        return 0

    assert alone(child) == 0


def test_no_limit_is_infinity() -> None:
    def child() -> int:
        hard = rlimit.get_rlimit("RLIMIT_AS")[1]
        return 0 if hard == rlimit.INFINITY else 1

    assert alone(child) == 0


def test_the_personality_changes_the_machine() -> None:
    def child() -> int:
        assert personality.personality(personality.PER_LINUX32) == personality.PER_LINUX
        assert personality.personality(personality.QUERY) == personality.PER_LINUX32
        return 0 if os.uname().machine in {"i686", "armv8l"} else 1

    assert alone(child) == 0


def test_the_io_priority_reads_back() -> None:
    def child() -> int:
        ioprio.set_io_priority("IOPRIO_CLASS_BE", 6)
        return 0 if ioprio.get_io_priority() == (2, 6) else 1

    assert alone(child) == 0


def test_a_session_keyring_is_ones_own() -> None:
    def child() -> int:
        try:
            serial = keyctl.join_session_keyring("sampan-test")
        except OSError as error:
            return 77 if error.errno in {errno.ENOSYS, errno.EDQUOT} else 1
        keyctl.set_permissions(serial, 0x3F3F0000)
        kind, _, _, permissions, name = keyctl.describe(serial).split(";")
        return 0 if (kind, name, permissions) == ("keyring", "sampan-test", "3f3f0000") else 2

    status = alone(child)
    if status == 77:
        pytest.skip("this kernel has no keyrings, or no room for one")
    assert status == 0


def test_a_sealed_copy_runs_and_cannot_be_changed(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(Path("/bin/true").read_bytes())
    fd = sealed_copy(str(program), "copied")
    assert os.fstat(fd).st_size == program.stat().st_size
    assert not os.get_inheritable(fd)
    for attempt in (lambda: os.write(fd, b"x"), lambda: os.ftruncate(fd, 0), lambda: os.ftruncate(fd, 1 << 30)):
        with pytest.raises(PermissionError):
            attempt()
    pid = os.fork()
    if pid == 0:
        os.execve(fd, ["true"], {})
    assert exit_code(pid) == 0
    os.close(fd)


def test_the_start_time_is_now() -> None:
    def child() -> int:
        ticks = os.sysconf("SC_CLK_TCK")
        started = procfs.start_time() / ticks
        return 0 if abs(time.clock_gettime(time.CLOCK_BOOTTIME) - started) < 5 else 1

    assert alone(child) == 0
