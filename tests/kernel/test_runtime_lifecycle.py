"""Does `sampan runtime` take a container through its life as the OCI spec and runc have it?"""

import json
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel.oci_rig import Bundle, bundles
from sampan.linux.poll import readable

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.skipif(shutil.which("busybox") is None, reason="needs busybox (Debian: busybox-static)"),
]


@pytest.fixture
def bundle() -> Iterator[Bundle]:
    """A bundle, cleaned up."""
    with bundles() as made:
        yield made


def ended(pid: int) -> None:
    """Wait until a process that is not ours has ended."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    assert readable(fd, 20)
    os.close(fd)


def test_a_container_is_created_started_killed_and_deleted(bundle: Bundle, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    bundle.spec["annotations"] = {"colour": "red"}
    bundle.create("sh", "-c", "echo begun; exec sleep 1000", flags=("--pid-file", str(pid_file)))
    created = bundle.state()
    assert created["status"] == "created"
    assert created["pid"] == int(pid_file.read_text())
    assert created["bundle"] == str(bundle.path)
    assert created["annotations"] == {"colour": "red"}
    assert bundle.log() == ""
    assert bundle.sampan("start", "box").code == 0
    assert bundle.state()["status"] == "running"
    again = bundle.sampan("start", "box")
    assert (again.code, "cannot start an already running container" in again.err) == (1, True)
    refused = bundle.sampan("delete", "box")
    assert (refused.code, "that is not stopped: running" in refused.err) == (1, True)
    assert bundle.sampan("kill", "box", "KILL").code == 0
    ended(created["pid"])
    assert bundle.state() | {"pid": 0, "status": "stopped"} == bundle.state()
    assert "container not running" in bundle.sampan("kill", "box", "TERM").err
    assert "cannot exec in a stopped container" in bundle.sampan("exec", "box", "true").err
    assert "a container that has stopped" in bundle.sampan("start", "box").err
    assert bundle.sampan("delete", "box").code == 0
    assert "container does not exist" in bundle.sampan("state", "box").err
    assert bundle.left() == []


def test_a_created_container_can_be_killed_politely_and_deleted(bundle: Bundle) -> None:
    bundle.create("true")
    pid = bundle.state()["pid"]
    assert bundle.sampan("kill", "box").code == 0
    ended(pid)
    assert bundle.state()["status"] == "stopped"
    assert bundle.sampan("delete", "box").code == 0
    bundle.create("true")
    assert bundle.sampan("delete", "box").code == 0
    assert bundle.left() == []


def test_a_name_is_taken_once(bundle: Bundle) -> None:
    bundle.create("sleep", "1000")
    second = bundle.run("true")
    assert (second.code, "container with given ID already exists" in second.err) == (1, True)
    assert bundle.state()["status"] == "created"
    assert bundle.sampan("delete", "--force", "box").code == 0
    assert bundle.sampan("delete", "--force", "box").code == 0


def test_run_brings_home_the_exit_code(bundle: Bundle) -> None:
    assert bundle.run("sh", "-c", "exit 9").code == 9
    assert bundle.run("sh", "-c", "sh -c 'kill -9 $$'; exit $?").code == 137
    assert bundle.run("cat", stdin="through\n").out == "through\n"
    assert bundle.left() == []
    assert bundle.run("true", flags=("--keep",)).code == 0
    assert bundle.state()["status"] == "stopped"


def test_a_missing_program_is_an_error_and_leaves_nothing(bundle: Bundle) -> None:
    missing, directory = bundle.run("nowhere"), bundle.run("/etc")
    assert (missing.code, directory.code) == (1, 1)
    assert 'exec: \\"nowhere\\": executable file not found in $PATH' in missing.err
    assert "is a directory" in directory.err or "permission denied" in directory.err
    assert bundle.left() == []


def test_exec_joins_and_brings_home_its_exit_code(bundle: Bundle) -> None:
    bundle.create("sleep", "1000")
    assert bundle.sampan("exec", "box", "echo", "even before the start").out == "even before the start\n"
    assert bundle.sampan("start", "box").code == 0
    done = bundle.sampan(
        "exec", "--user", "1000:1001", "-g", "7", "-e", "A=b", "--cwd", "/tmp", "box",
        "sh", "-c", 'id -u; id -g; id -G; echo $A; pwd; ls /proc/self/fd | wc -l; ls /proc | grep -c "^1$"; exit 5',
    )  # fmt: skip
    assert (done.code, done.out.split("\n")[:2]) == (5, ["1000", "1001"])
    assert done.out.split("\n")[3:7] == ["b", "/tmp", "4", "1"]
    assert "7" in done.out.split("\n")[2].split()
    missing = bundle.sampan("exec", "box", "nowhere")
    assert (missing.code, "executable file not found" in missing.err) == (255, True)


def test_exec_takes_a_process_of_its_own(bundle: Bundle, tmp_path: Path) -> None:
    bundle.create("sleep", "1000")
    process = {
        "args": ["sh", "-c", "grep -i -e capeff -e nonewprivs /proc/self/status"],
        "cwd": "/",
        "env": ["PATH=/bin"],
    }
    (tmp_path / "process.json").write_text(json.dumps(process))
    done = bundle.sampan("exec", "--process", str(tmp_path / "process.json"), "box")
    assert done.out.split() == ["CapEff:", "0" * 16, "NoNewPrivs:", "1"]
    added = bundle.sampan("exec", "--cap", "CAP_NET_RAW", "box", "grep", "CapEff", "/proc/self/status")
    assert int(added.out.split()[1], 16) >> 13 & 1


def test_a_paused_container_waits(bundle: Bundle) -> None:
    bundle.create("sleep", "1000")
    bundle.sampan("start", "box")
    assert bundle.sampan("pause", "box").code == 0
    assert bundle.state()["status"] == "paused"
    refused = bundle.sampan("exec", "box", "true")
    assert (refused.code, "--ignore-paused" in refused.err) == (255, True)
    assert "container not running" in bundle.sampan("pause", "box").err
    assert bundle.sampan("resume", "box").code == 0
    assert "container not paused" in bundle.sampan("resume", "box").err
    bundle.sampan("pause", "box")
    pid = bundle.state()["pid"]
    assert bundle.sampan("kill", "box", "KILL").code == 0
    ended(pid)
    assert bundle.sampan("delete", "box").code == 0


def test_limits_are_set_and_changed(bundle: Bundle) -> None:
    bundle.spec["linux"]["resources"]["pids"] = {"limit": 20}
    bundle.spec["linux"]["resources"]["memory"] = {"limit": 64 << 20, "swap": 64 << 20}
    bundle.create("sleep", "1000")
    limits = "cat /sys/fs/cgroup/*/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; "
    limits += "cat /sys/fs/cgroup/*/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; true"
    assert bundle.sampan("exec", "box", "sh", "-c", limits).out.split() == ["20", str(64 << 20)]
    changed = bundle.sampan("update", "--pids-limit", "30", "--memory", "96m", "--memory-swap", "96m", "box")
    assert changed.code == 0, changed.err
    assert bundle.sampan("exec", "box", "sh", "-c", limits).out.split() == ["30", str(96 << 20)]
    resources = json.dumps({"pids": {"limit": 40}, "memory": {"limit": 32 << 20, "swap": 32 << 20}})
    assert bundle.sampan("update", "-r", "-", "box", stdin=resources).code == 0
    assert bundle.sampan("exec", "box", "sh", "-c", limits).out.split() == ["40", str(32 << 20)]


def test_ps_and_list_show_what_runs(bundle: Bundle) -> None:
    assert bundle.sampan("list", "--format", "json").out == "null\n"
    bundle.create("sleep", "1000")
    bundle.sampan("start", "box")
    pid = bundle.state()["pid"]
    (found,) = json.loads(bundle.sampan("list", "--format", "json").out)
    assert (found["id"], found["pid"], found["status"], found["owner"]) == ("box", pid, "running", "root")
    assert bundle.sampan("list").out.split("\n")[1].split()[:3] == ["box", str(pid), "running"]
    assert bundle.sampan("list", "-q").out == "box\n"
    assert json.loads(bundle.sampan("ps", "--format", "json", "box").out) == [pid]
    assert bundle.sampan("ps", "box").out.split("\n")[1].endswith("sleep 1000")


def test_kill_all_reaches_everybody(bundle: Bundle) -> None:
    bundle.create("sh", "-c", "sleep 1000 & exec sleep 1000")
    bundle.sampan("start", "box")
    pid = bundle.state()["pid"]
    assert bundle.sampan("kill", "--all", "box", "KILL").code == 0
    ended(pid)
    assert json.loads(bundle.sampan("ps", "-f", "json", "box").out) == []
    unknown = bundle.sampan("kill", "box", "NOSUCH")
    assert (unknown.code, 'unknown signal \\"NOSUCH\\"' in unknown.err) == (1, True)


def test_errors_go_to_the_log_as_json_and_to_standard_error_as_a_sentence(bundle: Bundle, tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = bundle.sampan("--log", str(log), "--log-format", "json", "state", "box")
    assert (done.code, done.err) == (1, "container does not exist\n")
    entry = json.loads(log.read_text())
    assert (entry["level"], entry["msg"]) == ("error", "container does not exist")


def test_a_terminal_is_handed_to_the_console_socket(bundle: Bundle, tmp_path: Path) -> None:
    bundle.spec["process"]["terminal"] = True
    bundle.spec["process"]["consoleSize"] = {"height": 33, "width": 77}
    address = str(tmp_path / "console")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        bundle.create("sh", "-c", "test -t 0 && test -c /dev/console && tty && read x && echo got $x",
                      flags=("--console-socket", address))  # fmt: skip
        sender, _ = listener.accept()
        with sender:
            _, (master,), _, _ = socket.recv_fds(sender, 100, 1)
    assert os.get_terminal_size(master) == (77, 33)
    pid = bundle.state()["pid"]
    bundle.sampan("start", "box")
    os.write(master, b"word\n")
    ended(pid)
    said = os.read(master, 4096)
    assert said.startswith(b"/dev/pts/0\r\n") or b"/dev/pts/0\r\n" in said
    assert b"got word" in said
    os.close(master)


def test_a_terminal_without_a_socket_is_refused(bundle: Bundle) -> None:
    bundle.spec["process"]["terminal"] = True
    detached = bundle.run("true", flags=("--detach",))
    assert "cannot allocate tty if runc will detach without setting console socket" in detached.err
    assert bundle.left() == []


def test_a_signal_to_run_is_passed_on(bundle: Bundle, tmp_path: Path) -> None:
    import subprocess
    import sys

    from kernel.oci_rig import environment

    bundle.spec["process"]["args"] = ["sh", "-c", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done"]
    bundle.write()
    words = [
        sys.executable,
        "-m",
        "sampan",
        "runtime",
        "--root",
        str(bundle.root),
        "run",
        "-b",
        str(bundle.path),
        "box",
    ]
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=environment()) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 5
    assert bundle.left() == []


def test_descriptors_are_passed_on_only_when_asked(bundle: Bundle) -> None:
    reader, writer = os.pipe()
    os.close(writer)
    try:
        missing = bundle.run("true", flags=("--preserve-fds", "3"))
        assert "please check that preserved-fd" in missing.err
        assert bundle.shell("ls /proc/self/fd | wc -l") == "4"
    finally:
        os.close(reader)
