"""Are containers started again and checked as dockerd does it, and does that outlive the daemon?"""

import json
import os
import re
import signal
import time
from pathlib import Path

from engine import Engine, eventually
from expect import IMAGE


def inspect(engine: Engine, name: str, what: str) -> str:
    """One line of `docker inspect -f`."""
    return engine.docker("inspect", "-f", what, name).stdout.strip()


def start(engine: Engine, name: str, flags: str, *command: str) -> None:
    """Start a container in the background."""
    done = engine.docker("run", "-d", "--network", "none", "--name", name, *flags.split(), IMAGE, *command)
    assert done.code == 0, done.stderr


def is_up(engine: Engine, name: str) -> bool:
    """Whether it runs at this moment."""
    return inspect(engine, name, "{{.State.Status}}") == "running"


def test_policies_hold_whatever_is_killed(own_engine: Engine) -> None:
    engine = own_engine
    start(engine, "fails", "--restart on-failure:2", "sh", "-c", "exit 4")
    start(engine, "always", "--restart always", "sleep", "1000")
    start(engine, "stopped", "--restart unless-stopped", "sleep", "1000")
    start(engine, "loops", "--restart unless-stopped", "false")
    assert engine.docker("wait", "loops").stdout == "1\n"
    assert eventually(lambda: inspect(engine, "fails", "{{.State.Status}} {{.RestartCount}}") == "exited 2")
    assert engine.docker("stop", "-t", "0", "stopped", "always").code == 0
    assert engine.docker("kill", "-s", "HUP", "always").code == 1
    line = engine.docker("ps", "-a", "--filter", "name=loops", "--format", "{{.Status}}").stdout
    assert line.startswith(("Restarting (1)", "Up")), line
    engine.kill()
    engine.start()
    assert eventually(lambda: is_up(engine, "always"))
    assert inspect(engine, "stopped", "{{.State.Status}}") == "exited"
    assert engine.docker("start", "stopped").code == 0
    restarts = "{{.State.Status}} {{.RestartCount}}"
    for name in ("always", "stopped"):  # its program, then its shim
        pid = int(inspect(engine, name, "{{.State.Pid}}"))
        os.kill(pid, signal.SIGKILL)
        assert eventually(lambda n=name: inspect(engine, n, restarts) == "running 1")
        pid = int(inspect(engine, name, "{{.State.Pid}}"))
        shim = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(shim, signal.SIGKILL)
        assert eventually(lambda n=name: inspect(engine, n, restarts) == "running 2")
    assert engine.docker("update", "--restart", "no", "stopped").code == 0
    os.kill(int(inspect(engine, "stopped", "{{.State.Pid}}")), signal.SIGKILL)
    assert eventually(lambda: inspect(engine, "stopped", "{{.State.Status}} {{.State.ExitCode}}") == "exited 137")
    assert eventually(lambda: inspect(engine, "loops", "{{.State.Restarting}}") == "true")
    refused = engine.docker("rm", "loops")
    assert re.search("cannot remove a (restarting|running) container", refused.stderr)
    assert engine.docker("stop", "loops").code == 0
    assert inspect(engine, "loops", "{{.State.Status}}") == "exited"


def test_health_is_watched_across_pause_death_and_daemons(own_engine: Engine) -> None:
    engine = own_engine
    check = "--health-interval 100ms --health-retries 2 --health-timeout 300ms"
    done = engine.docker(
        "run", "-d", "--network", "none", "--name", "well", *check.split(),
        "--health-cmd", "cat /ok 2>/dev/null || yes | head -c 9000", IMAGE, "sleep", "1000",
    )  # fmt: skip
    assert done.code == 0, done.stderr
    assert "(health: starting)" in engine.docker("ps", "--format", "{{.Status}}").stdout

    def verdict(name: str = "well") -> str:
        return inspect(engine, name, "{{.State.Health.Status}}")

    engine.docker("exec", "well", "sh", "-c", "echo fine > /ok")
    assert eventually(lambda: verdict() == "healthy")
    assert engine.docker("ps", "-q", "--filter", "health=healthy").stdout
    engine.kill()
    engine.start()
    engine.docker("exec", "well", "rm", "/ok")
    assert eventually(lambda: verdict() == "healthy")  # the pipe's last program succeeds

    def outputs() -> list[str]:
        return [each["Output"] for each in json.loads(inspect(engine, "well", "{{json .State.Health.Log}}"))]

    cut = "y\n" * 2048 + "..."
    assert eventually(lambda: len(outputs()) == 5 and any(text.endswith(cut) for text in outputs())), outputs()
    slow = engine.sampan(
        "run", "-d", "--network", "none", "--name", "slow", *check.split(), "--health-cmd", "sleep 9",
        "--health-restart", "--stop-timeout", "0", IMAGE, "sleep", "1000",
    )  # fmt: skip
    assert slow.code == 0, slow.stderr
    first = inspect(engine, "slow", "{{.State.Pid}}")
    assert eventually(lambda: inspect(engine, "slow", "{{.State.Pid}}") not in (first, "0"))
    log = json.loads(inspect(engine, "slow", "{{json .State.Health.Log}}"))
    assert {(each["ExitCode"], each["Output"]) for each in log} == {(-1, "Health check exceeded timeout (300ms)")}
    past = ("events", "--since", "1m", "--until", f"{time.time():.3f}", "--filter")
    assert "health_status: unhealthy" in engine.docker(*past, "event=health_status").stdout
    assert "health_status: healthy" not in engine.docker(*past, "container=slow").stdout
    assert engine.docker("pause", "well").code == 0
    seen = inspect(engine, "well", "{{len .State.Health.Log}} {{json .State.Health.Log}}")
    assert engine.docker("ps", "--filter", "name=well", "--format", "{{.Status}}").stdout.endswith("(Paused)\n")
    assert inspect(engine, "well", "{{len .State.Health.Log}} {{json .State.Health.Log}}") == seen
    engine.docker("unpause", "well")
    engine.docker("stop", "-t", "0", "well")
    assert verdict() == "unhealthy"
