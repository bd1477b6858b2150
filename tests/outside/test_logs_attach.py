"""Do logs and attach give every byte, in order, to everyone who asks?"""

import re
import subprocess
import time

import pytest

from engine import Client, eventually
from expect import CREATE, DETACHED, IMAGE, LABEL, OUTSIDE, Docker, says

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"


def test_logs_of_both_streams(docker: Docker, name: str) -> None:
    docker(
        *DETACHED, "--name", name, IMAGE, "sh", "-c", "echo out; sleep 0.1; echo err >&2; sleep 0.1; printf unfinished"
    )
    docker("wait", name)
    says(docker("logs", name), "out\nunfinished", err="^err\n$")
    says(docker("logs", "--tail", "0", name), "")
    says(docker("logs", "--tail", "1", name), "unfinished")
    says(docker("logs", "--tail", "all", name), "out\nunfinished", err="^err\n$")
    says(docker("logs", "--since", "1h", name), "out\nunfinished", err="^err\n$")
    says(docker("logs", "--until", "1h", name), "")
    says(docker("logs", "-t", name), f"{STAMP} out\n{STAMP} unfinished", err=f"^{STAMP} err\n$")


def test_logs_tail_and_since_cut_at_lines(docker: Docker, name: str) -> None:
    docker(*DETACHED, "--name", name, IMAGE, "sh", "-c", "seq 1000; sleep 0.2; echo late")
    docker("wait", name)
    says(docker("logs", "--tail", "3", name), "999\n1000\nlate\n")
    stamps = docker("logs", "-t", "--tail", "1", name).stdout.split()[0]
    says(docker("logs", "--since", stamps, name), "late\n")
    lines = docker("logs", name).stdout.split()
    assert lines == [*map(str, range(1, 1001)), "late"]
    stamped = docker("logs", "-t", name).stdout.splitlines()
    assert [line.split(" ")[0] for line in stamped] == sorted(line.split(" ")[0] for line in stamped)


def test_logs_of_a_terminal_are_one_stream(docker: Docker, name: str) -> None:
    docker(*DETACHED, "-t", "--name", name, IMAGE, "sh", "-c", "echo out; echo err >&2")
    docker("wait", name)
    says(docker("logs", name), "out\r\nerr\r\n")


def test_logs_follow_until_the_container_ends(engine: Client, docker: Docker, name: str) -> None:
    script = "echo first; while [ ! -e /go ]; do sleep 0.02; done; echo last"
    docker(*DETACHED, "--name", name, IMAGE, "sh", "-c", script)
    follower = engine.spawn("logs", "-f", name)
    assert follower.stdout is not None
    assert follower.stdout.readline() == b"first\n"
    docker("exec", name, "touch", "/go")
    assert follower.communicate(timeout=20)[0] == b"last\n"
    assert follower.returncode == 0


def test_logs_without_a_readable_driver(docker: Docker, name: str) -> None:
    docker(*DETACHED, "--log-driver", "none", "--name", name, IMAGE, "echo", "hi")
    says(docker("logs", name), err="configured logging driver does not support reading", code=1)


@pytest.mark.skipif(bool(OUTSIDE), reason="dockerd's json-file driver loses bytes that are not UTF-8")
def test_logs_bytes_are_not_looked_into(docker: Docker, engine: Client, name: str) -> None:
    docker(*DETACHED, "--name", name, IMAGE, "sh", "-c", r"printf '\377\000\001\n'; head -c 100000 /dev/zero")
    docker("wait", name)
    out = subprocess.run(["docker", "logs", name], capture_output=True, env=engine.environment(), check=True).stdout
    assert out == b"\xff\x00\x01\n" + bytes(100000)


def test_attach_sees_what_comes_after_it(engine: Client, docker: Docker, name: str) -> None:
    script = "echo before; while [ ! -e /go ]; do sleep 0.02; done; echo after; echo err >&2; exit 3"
    docker(*DETACHED, "--name", name, IMAGE, "sh", "-c", script)
    client = engine.spawn("attach", "--no-stdin", name)
    # Nothing tells from outside when an attach has taken hold: nobody else is connected, so a moment must do.
    eventually(lambda: False, seconds=0.5)
    docker("exec", name, "touch", "/go")
    out, err = client.communicate(timeout=20)
    assert (client.returncode, out, err) == (3, b"after\n", b"err\n")


def test_interactive_run_ends_with_its_input(engine: Client, docker: Docker, name: str) -> None:
    client = engine.spawn("run", "-i", "--rm", "--network", "none", "--label", LABEL, "--name", name, IMAGE, "sh")
    out, _ = client.communicate(b"echo $((6*7))\nexit 8\n", timeout=20)
    assert (client.returncode, out) == (8, b"42\n")


def test_half_closed_input_still_gets_output(engine: Client, docker: Docker, name: str) -> None:
    command = ("sh", "-c", "wc -c; sleep 0.3; echo after the end")
    client = engine.spawn("run", "-i", "--rm", "--network", "none", "--label", LABEL, "--name", name, IMAGE, *command)
    out, _ = client.communicate(b"x" * 300000, timeout=30)
    assert out == b"300000\nafter the end\n"


def test_start_attached(docker: Docker, name: str) -> None:
    docker(*CREATE, "-i", "--name", name, IMAGE, "sh", "-c", "cat; exit 2")
    says(docker("start", "-ai", name, stdin="typed\n"), "typed\n", code=2)


def test_two_clients_get_the_same(engine: Client, docker: Docker, name: str) -> None:
    script = "while [ ! -e /go ]; do sleep 0.02; done; seq 5000"
    docker(*DETACHED, "--name", name, IMAGE, "sh", "-c", script)
    clients = [engine.spawn("attach", "--no-stdin", name) for _ in range(2)]
    eventually(lambda: False, seconds=0.5)  # as above
    docker("exec", name, "touch", "/go")
    wanted = "".join(f"{number}\n" for number in range(1, 5001)).encode()
    assert [client.communicate(timeout=20)[0] for client in clients] == [wanted, wanted]


def test_a_reader_that_stops_reading_stalls_nobody(engine: Client, docker: Docker, name: str) -> None:
    script = "while [ ! -e /go ]; do sleep 0.02; done; seq 200000; echo done"
    docker(*DETACHED, "--name", name, IMAGE, "sh", "-c", script)
    stuck = engine.spawn("attach", "--no-stdin", name)  # its pipe is never read
    eventually(lambda: False, seconds=0.5)  # as above
    docker("exec", name, "touch", "/go")
    began = time.monotonic()
    try:
        says(docker("wait", name, timeout=30), "0\n")
        assert docker("logs", "--tail", "1", name).stdout == "done\n"
        assert time.monotonic() - began < 30
    finally:
        stuck.kill()
        stuck.communicate()


def test_detach_keys_leave_the_container_running(engine: Client, docker: Docker, sleeper: str) -> None:
    client = engine.spawn("exec", "-i", "--detach-keys", "a", sleeper, "cat")
    assert client.stdin is not None
    out, _ = client.communicate(b"x", timeout=20)
    assert re.fullmatch(b"x?", out)
    assert docker("inspect", "-f", "{{.State.Running}}", sleeper).stdout == "true\n"
