"""Do limits limit? Each is seen by what happens to a program that goes for more, not by reading the limit back."""

import os
import time
from pathlib import Path

import pytest

from engine import Client, Engine, eventually
from expect import DETACHED, IMAGE, ONCE, OUTSIDE, Docker, says
from rawhttp import call

HOG = "while :; do :; done"


def cpu_seconds(engine: Client, name: str) -> float:
    """Processor time that a container has had."""
    answer = call(engine.socket, "GET", f"/containers/{name}/stats?stream=0&one-shot=1").json()
    return float(answer["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9


def test_a_memory_hog_dies_at_its_limit_and_everybody_is_told(docker: Docker, name: str) -> None:
    since = f"{time.time() - 1:.3f}"
    docker(
        "create", "--network", "none", "--name", name, "-m", "16m", IMAGE, "sh", "-c", "x=x; while :; do x=$x$x; done"
    )
    assert docker("start", "-a", name).code == 137
    assert docker("inspect", "-f", "{{.State.OOMKilled}} {{.State.ExitCode}}", name).stdout == "true 137\n"
    past = docker("events", "--since", since, "--until", f"{time.time():.3f}", "--filter", f"container={name}",
                  "--format", "{{.Action}}").stdout.split()  # fmt: skip
    assert "oom" in past
    assert past[-1] == "die"


def test_a_fork_bomb_stops_at_its_limit_while_the_engine_answers(engine: Client, docker: Docker, name: str) -> None:
    bomb = "f() { f | f & }; f; sleep 60"
    docker(*DETACHED, "--name", name, "--pids-limit", "40", "--cpus", "0.5", IMAGE, "sh", "-c", bomb)
    slowest = 0.0
    for _ in range(20):
        begun = time.monotonic()
        listed = call(engine.socket, "GET", "/containers/json").json()
        slowest = max(slowest, time.monotonic() - begun)
        assert any(f"/{name}" in each["Names"] for each in listed)
        running = call(engine.socket, "GET", f"/containers/{name}/stats?stream=0&one-shot=1").json()
        assert running["pids_stats"].get("current", 0) <= 40
    assert slowest < 0.5
    assert docker("rm", "-f", name).code == 0


def test_processors_are_shared_as_asked(engine: Client, docker: Docker, name: str) -> None:
    for word, flags in (("slow", ("--cpus", "0.2")), ("much", ("-c", "1024")), ("little", ("-c", "128"))):
        docker(*DETACHED, "--name", f"{name}-{word}", "--cpuset-cpus", "0", *flags, IMAGE, "sh", "-c", HOG)
    before = {word: cpu_seconds(engine, f"{name}-{word}") for word in ("slow", "much", "little")}
    begun = time.monotonic()
    assert eventually(lambda: cpu_seconds(engine, f"{name}-much") - before["much"] > 0.5, 30)
    passed = time.monotonic() - begun
    used = {word: cpu_seconds(engine, f"{name}-{word}") - before[word] for word in before}
    assert used["slow"] < 0.2 * passed + 0.1
    assert used["little"] < used["much"] / 3
    assert used["slow"] + used["much"] + used["little"] < 1.1 * passed + 0.1  # one processor for all three


def test_a_disk_writer_gets_its_rate(docker: Docker, engine: Client) -> None:
    if OUTSIDE:
        pytest.skip("the disk of another engine is not known")
    assert isinstance(engine, Engine)
    number = os.stat(engine.data_root).st_dev
    device = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    if not device.exists() or not Path(f"/dev/{device.resolve().name}").is_block_device():
        pytest.skip("the data root is on no block device")
    write = "dd if=/dev/zero of=/x bs=256k count=6 oflag=direct 2>&1 && rm /x"
    begun = time.monotonic()
    done = docker(*ONCE, "--device-write-bps", f"/dev/{device.resolve().name}:1mb", IMAGE, "sh", "-c", write)
    if "Invalid argument" in done.stdout:
        pytest.skip("the file system of the data root has no direct I/O")
    assert done.code == 0, done
    assert time.monotonic() - begun > 1.0  # 1.5 MB at 1 MB a second


def test_a_running_container_gets_new_limits_in_either_direction(docker: Docker, name: str) -> None:
    docker(*DETACHED, "--name", name, "-m", "32m", IMAGE, "sleep", "100")
    for memory, swap in (("300m", "500m"), ("24m", "40m"), ("200m", "-1"), ("16m", "16m")):
        says(docker("update", "-m", memory, "--memory-swap", swap, name), f"{name}\n")
    assert docker("exec", name, "sh", "-c", "x=x; while :; do x=$x$x; done").code == 137
    says(docker("update", "--pids-limit", "3", name), f"{name}\n")
    assert "fork" in docker("exec", name, "sh", "-c", "sleep 1 & sleep 1 & sleep 1 & sleep 1 & wait").stderr
    says(docker("update", "--cpuset-cpus", "0", name), f"{name}\n")
    says(docker("exec", name, "nproc"), "1\n")


def test_devices_are_what_rules_allow(docker: Docker) -> None:
    look = "ls -l /dev/mine; echo x > /dev/mine"
    seen = docker(*ONCE, "--device", "/dev/kmsg:/dev/mine:r", IMAGE, "sh", "-c", look)
    assert "1,  11" in seen.stdout
    assert "not permitted" in seen.stderr
    make = ("sh", "-c", "mknod /x c 10 229 && : < /x")  # fuse, which has no say of its own in who opens it
    assert "not permitted" in docker(*ONCE, IMAGE, *make).stderr
    allowed = docker(*ONCE, "--device-cgroup-rule", "c 10:229 rwm", IMAGE, *make)
    assert "not permitted" not in allowed.stderr
    says(docker(*ONCE, "--ulimit", "nofile=77:88", IMAGE, "sh", "-c", "ulimit -n; ulimit -Hn"), "77\n88\n")


def test_a_process_may_have_as_many_files_as_a_service_of_the_machine(docker: Docker, name: str) -> None:
    if OUTSIDE:
        pytest.skip("dockerd gives its own limit, whatever that is (moby #38814)")
    most = min(524_288, int(Path("/proc/sys/fs/nr_open").read_text()))
    docker(*DETACHED, "--name", name, IMAGE, "sleep", "100")
    said = docker("exec", name, "sh", "-c", "ulimit -n; ulimit -Hn").stdout
    soft, hard = map(int, said.split())
    assert soft == 1024
    assert soft < hard <= most
