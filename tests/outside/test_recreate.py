"""Can a container be made again from what the engine says of it, and be changed that way?"""

import json
import shlex
from typing import Any

import pytest

from engine import Client
from expect import IMAGE, LABEL, OUTSIDE, Docker

FLAGS = [
    "-e A=1 -e B= -l x=y -l empty= -w /tmp -u 1000:2000 --hostname box --domainname dom --stop-signal INT",
    "-it --init --read-only --tmpfs /t:size=1m --shm-size 1m --security-opt no-new-privileges --cap-add NET_ADMIN "
    "--cap-drop CHOWN --group-add 5 --oom-score-adj 7 --ulimit nofile=100:200 --pids-limit 50",
    "-m 64m --memory-swap 100m --memory-reservation 32m --cpus 0.5 --cpuset-cpus 0 -c 300 --blkio-weight 300",
    "--memory-swap -1 -m 64m --cpu-period 50000 --cpu-quota 20000 --cgroupns host --ipc none",
    "--health-cmd 'test -e /x' --health-interval 1m30s --health-retries 4 --health-timeout 500ms --stop-timeout 3",
    "--no-healthcheck --restart on-failure:3 --log-driver local --log-opt max-size=1m --log-opt max-file=2",
    "--dns 10.0.0.1 --dns-search a.b --dns-option ndots:2 --add-host a:1.2.3.4 --sysctl net.ipv4.ip_forward=1",
    "-v /tmp:/x:ro --mount type=bind,source=/tmp,target=/y,readonly --mount type=tmpfs,target=/z,tmpfs-size=1000000",
    "--device /dev/null:/dev/mine:rw --device-cgroup-rule 'c 1:3 rwm' --expose 81 --annotation a=b",
    "--entrypoint /bin/echo",
    "--entrypoint ''",
    "--security-opt systempaths=unconfined --uts host --pid host",
]
# What differs from one container to the next, whoever asks for it.
OWN = ("Id", "Created", "State", "Name", "ResolvConfPath", "HostnamePath", "HostsPath", "LogPath", "NetworkSettings")


def inspect(engine: Client, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(engine.docker("inspect", name).stdout)[0]
    for field in OWN:
        found.pop(field)
    config = found["Config"]
    config["Hostname"] = config["Hostname"] if config["Hostname"] in ("box",) else ""
    for field in ("AttachStdin", "AttachStdout", "AttachStderr", "StdinOnce"):
        config.pop(field)  # how the first client attached, not what the container is
    return found


@pytest.mark.parametrize("words", FLAGS)
def test_the_command_line_makes_the_same_container(engine: Client, docker: Docker, name: str, words: str) -> None:
    made = docker("create", "--network", "none", "--name", name, *shlex.split(words), IMAGE, "sh", "-c", "echo 'a b'")
    assert made.code == 0, made.stderr
    line = shlex.split(engine.sampan("show-run", name).stdout)
    assert line[:3] == ["sampan", "run", "-d"]
    before = inspect(engine, name)
    again = line[3:]
    again[again.index("--name") + 1] = f"{name}-2"
    done = engine.sampan("create", *again)
    assert done.code == 0, (line, done.stderr)
    assert inspect(engine, f"{name}-2") == before


def test_what_cannot_be_changed_in_place_is_changed_by_making_it_anew(
    engine: Client, docker: Docker, name: str
) -> None:
    if OUTSIDE:
        pytest.skip("it uses a volume of the engine's")
    other = f"{name}-volume"
    try:
        engine.docker("run", "-d", "--label", LABEL, "--network", "none", "--name", name, "-e", "A=1", "-e", "B=2",
                      "-v", "/kept", "-v", f"{other}:/data", IMAGE, "sh", "-c",
                      "echo $A-$B-$C > /data/said; echo x >> /kept/lines; sleep 1000")  # fmt: skip
        old = engine.docker("inspect", "-f", "{{.Id}}", name).stdout
        changed = engine.sampan("update", "-e", "B=3", "-e", "C=4", "-v", "/tmp:/host:ro", "-m", "64m", name)
        assert (changed.code, changed.stdout) == (0, f"{name}\n"), changed
        assert engine.docker("inspect", "-f", "{{.Id}}", name).stdout != old
        seen = engine.docker("exec", name, "sh", "-c", "cat /data/said; wc -l < /kept/lines; ls -d /host")
        assert seen.stdout == "1-3-4\n2\n/host\n"
        assert engine.docker("inspect", "-f", "{{.HostConfig.Memory}}", name).stdout == f"{64 << 20}\n"
        names = engine.docker("ps", "-a", "--filter", f"label={LABEL}", "--format", "{{.Names}}").stdout.split()
        assert names == [name]
        refused = engine.sampan("update", "--entrypoint", "/there/is/none", name)
        assert (refused.code, "is as it was" in refused.stderr) == (1, True), refused
        assert engine.docker("exec", name, "cat", "/data/said").stdout == "1-3-4\n"
        names = engine.docker("ps", "-a", "--filter", f"label={LABEL}", "--format", "{{.Names}} {{.State}}").stdout
        assert names == f"{name} running\n"
        assert "--rm" in engine.sampan("update", "-e", "A=1", temporary(engine, name)).stderr
    finally:
        engine.docker("rm", "-fv", name, f"{name}-rm")
        engine.docker("volume", "rm", other)


def temporary(engine: Client, name: str) -> str:
    engine.docker("run", "-d", "--rm", "--network", "none", "--name", f"{name}-rm", IMAGE, "sleep", "100")
    return f"{name}-rm"
