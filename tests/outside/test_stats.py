"""Do docker's clients see what containers use?"""

import time
from concurrent.futures import ThreadPoolExecutor

from engine import Client
from expect import CREATE, DETACHED, IMAGE, Docker, says
from rawhttp import call


def test_a_busy_container_is_seen_to_be_busy(engine: Client, docker: Docker, name: str) -> None:
    docker(*DETACHED, "--name", name, "-m", "64m", "--pids-limit", "50", IMAGE, "sh", "-c", "while :; do :; done")
    docker(*CREATE, "--name", f"{name}-made", IMAGE, "true")
    shown = docker("stats", "--no-stream", "--format", "{{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.PIDs}}", name).stdout
    word, cpu, memory, _, limit, pids = shown.split()
    assert (word, limit, pids) == (name, "64MiB", "1")
    assert 10 < float(cpu.removesuffix("%")) < 250
    assert memory != "0B"
    stopped = f"{name}-made 0.00% 0B / 0B 0.00% 0B / 0B 0B / 0B 0\n"
    form = "{{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.MemPerc}} {{.NetIO}} {{.BlockIO}} {{.PIDs}}"
    says(docker("stats", "--no-stream", "--format", form, f"{name}-made"), stopped)
    says(docker("stats", "--no-stream", f"{name}-none"), code=1, err=f"No such container: {name}-none")
    own = engine.sampan("stats", "--no-stream", "--format", form, f"{name}-made")
    assert own.stdout == stopped
    both = engine.sampan("stats", "--no-stream", name, f"{name}-made")
    assert [line.split()[1] for line in both.stdout.splitlines()] == ["ID", name, f"{name}-made"]


def test_one_answer_holds_two_looks_and_one_shot_holds_one(engine: Client, docker: Docker, name: str) -> None:
    docker(*DETACHED, "--name", name, IMAGE, "sleep", "100")
    path = f"/containers/{name}/stats"
    first = call(engine.socket, "GET", f"{path}?stream=0").json()
    assert first["cpu_stats"]["system_cpu_usage"] > first["precpu_stats"]["system_cpu_usage"] > 0
    assert first["cpu_stats"]["cpu_usage"]["total_usage"] >= first["precpu_stats"]["cpu_usage"]["total_usage"] > 0
    assert first["read"] > first["preread"] > "2"
    assert {"name", "id", "pids_stats", "blkio_stats", "memory_stats", "num_procs", "storage_stats"} <= set(first)
    begun = time.monotonic()
    shot = call(engine.socket, "GET", f"{path}?stream=0&one-shot=1").json()
    assert shot["preread"].startswith("0001-01-01")
    assert "system_cpu_usage" not in shot["precpu_stats"]
    assert time.monotonic() - begun < 5
    assert call(engine.socket, "GET", f"{path}?one-shot=1").status == 400
    assert call(engine.socket, "GET", f"/containers/{name}x/stats").status == 404


def test_a_stream_ends_with_its_container(engine: Client, docker: Docker, name: str) -> None:
    docker(*DETACHED, "--name", name, IMAGE, "sleep", "100")
    with ThreadPoolExecutor(1) as pool:
        stream = pool.submit(call, engine.socket, "GET", f"/containers/{name}/stats")
        assert call(engine.socket, "GET", f"/containers/{name}/stats?stream=0").status == 200
        docker("rm", "-f", name)
        samples = stream.result(20).body.splitlines()
    assert samples[0].startswith(b"{")
    assert b'"0001-01-01T00:00:00Z"' in samples[0]
