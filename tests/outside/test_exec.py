"""Does `docker exec` do and say what docker's does?"""

import time

import pytest

from engine import Engine, eventually
from expect import DETACHED, IMAGE, OUTSIDE, Docker, says
from rawhttp import call, connect
from sampan.api.hijack import HEAD_SECONDS


def test_exec_runs_beside_the_program(docker: Docker, sleeper: str) -> None:
    says(docker("exec", sleeper, "echo", "hi"), "hi\n")
    says(docker("exec", sleeper, "sh", "-c", "echo out; echo err >&2; exit 9"), "out\n", err="^err\n$", code=9)
    says(docker("exec", sleeper, "cat", "/proc/1/comm"), "sh\n")
    says(docker("exec", sleeper, "sh", "-c", "kill -9 $$"), code=137)


def test_exec_flags(docker: Docker, sleeper: str) -> None:
    says(docker("exec", "-w", "/tmp", sleeper, "pwd"), "/tmp\n")
    says(docker("exec", "-e", "A=1", sleeper, "sh", "-c", "echo $A $HOME"), "1 /root\n")
    says(docker("exec", "-u", "1000", sleeper, "id"), r"uid=1000\(www\) gid=1000\(www\) groups=1000.*,2000\(extra\)\n")
    says(docker("exec", "-i", sleeper, "cat", stdin="typed\n"), "typed\n")
    says(docker("exec", sleeper, "cat", stdin="typed\n"), "")
    says(docker("exec", "-t", sleeper, "tty"), "/dev/pts/0\r\n")


def test_exec_detached(docker: Docker, sleeper: str) -> None:
    says(docker("exec", "-d", sleeper, "touch", "/tmp/done"), "")
    assert eventually(lambda: docker("exec", sleeper, "ls", "/tmp").stdout == "done\n")


def test_exec_of_what_cannot_be_run(docker: Docker, sleeper: str) -> None:
    # 20.10 exits with 126 where later releases say 127, as `run` does. The sentence arrives as the program's output.
    says(docker("exec", sleeper, "nosuch"), '.*"nosuch": executable file not found in .PATH.*', code=(126, 127))
    says(docker("exec", sleeper, "/etc"), '.*"/etc": (permission denied|is a directory).*', code=126)
    says(docker("exec", "-w", "/nosuch", sleeper, "pwd"), ".*/nosuch.*no such file or directory.*", code=(126, 127))
    says(docker("exec", "-u", "nosuch", sleeper, "id"), ".*unable to find user nosuch: no matching entries.*", code=126)


def test_exit_codes_are_there_when_the_output_ends(docker: Docker, sleeper: str) -> None:
    for _ in range(20):
        says(docker("exec", sleeper, "sh", "-c", "exit 9"), code=9)


def test_exec_has_the_rights_of_the_container(docker: Docker, name: str) -> None:
    flags = ("--cap-drop", "NET_RAW", "--cap-add", "SYS_PTRACE", "--ulimit", "nofile=77:88")
    docker(*DETACHED, *flags, "--name", name, IMAGE, "sleep", "1000")
    says(docker("exec", name, "grep", "-E", "Cap(Inh|Eff|Bnd|Amb)", "/proc/self/status"),
         "CapInh:\t0{16}\nCapEff:\t0{8}a80c05fb\nCapBnd:\t0{8}a80c05fb\nCapAmb:\t0{16}\n")  # fmt: skip
    says(docker("exec", name, "sh", "-c", "ulimit -n; ulimit -Hn"), "77\n88\n")
    says(docker("exec", name, "sh", "-c", "umask; cut -d: -f3 /proc/self/cgroup | sort -u | wc -l"), r"0022\n[12]\n")


def test_exec_ends_with_its_container(docker: Docker, sleeper: str) -> None:
    says(docker("exec", sleeper, "sh", "-c", "kill -TERM 1; sleep 100"), code=137)


def test_a_thousand_lines_arrive_in_order(docker: Docker, sleeper: str) -> None:
    result = docker("exec", sleeper, "seq", "20000")
    assert result.stdout.split() == [str(number) for number in range(1, 20001)]


@pytest.mark.skipif(bool(OUTSIDE), reason="dockerd is slow enough to do without")
def test_no_program_runs_before_the_head_is_read(engine: Engine, sleeper: str) -> None:
    """docker-py would lose what comes along with the head."""
    asked = {"Cmd": ["echo", "said"], "AttachStdout": True}
    exec_id = call(engine.socket, "POST", f"/containers/{sleeper}/exec", asked).json()["Id"]
    begin = (
        f"POST /exec/{exec_id}/start HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
        "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    )
    with connect(engine.socket) as client:
        began = time.monotonic()
        client.sendall(begin.encode())
        while time.monotonic() - began < HEAD_SECONDS / 2:
            state = call(engine.socket, "GET", f"/exec/{exec_id}/json").json()
            if time.monotonic() - began < HEAD_SECONDS:  # else the machine was busy with something else
                assert (state["Pid"], state["ExitCode"]) == (0, None), state
        received = client.recv(4096)
        assert received.startswith(b"HTTP/1.1 101 ") and received.endswith(b"\r\n\r\n")
        assert client.recv(4096).endswith(b"said\n")
