"""Is all as the policies say after containers, shims and daemons were killed at random, and is nothing left over?

The short form runs with the suite; the long one, 200 containers for five minutes, is marked soak.
"""

import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from engine import Engine, eventually, processes
from expect import IMAGE

CHECK = ("--health-cmd", "true", "--health-interval", "1s")
# name, flags, command; each kind is a share of the containers.
KINDS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("always", ("--restart", "always", *CHECK), ("sleep", "100000")),
    ("unless", ("--restart", "unless-stopped", *CHECK), ("sleep", "100000")),
    ("stopped", ("--restart", "unless-stopped", "--stop-timeout", "0"), ("sleep", "100000")),
    ("failing", ("--restart", "on-failure:2"), ("sh", "-c", "exit 3")),
    ("plain", CHECK, ("sleep", "100000")),
    ("brief", ("--rm",), ("sleep", "100000")),
)


def everything(engine: Engine) -> list[dict[str, Any]]:
    """All containers, as inspect tells of them; asked again when one goes away meanwhile."""
    while True:
        names = engine.docker("ps", "-aq").stdout.split()
        done = engine.docker("inspect", *names)
        if done.code == 0:
            found: list[dict[str, Any]] = json.loads(done.stdout)
            return found


def victims(engine: Engine) -> list[tuple[str, int]]:
    """(name, pid) of what runs, by what the kernel says belongs to it: a pid may be somebody else's by now."""
    return [
        (each["Name"][1:], each["State"]["Pid"])
        for each in everything(engine)
        if each["State"]["Pid"] and each["Id"] in text(f"/proc/{each['State']['Pid']}/cgroup")
    ]


def text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def shim_of(pid: int) -> int:
    fields = text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def begin(engine: Engine, count: int) -> None:
    clients = []
    for number in range(count):
        kind, flags, command = KINDS[number % len(KINDS)]
        words = ("run", "-d", "--network", "none", "--name", f"{kind}-{number}", *flags, IMAGE, *command)
        clients.append(engine.spawn(*words))
        if len(clients) == 8 or number == count - 1:
            for client in clients:
                _, problem = client.communicate(timeout=60)
                assert client.returncode == 0, problem
            clients = []
    stopped = [f"stopped-{number}" for number in range(count) if KINDS[number % len(KINDS)][0] == "stopped"]
    assert engine.docker("stop", *stopped, timeout=120).code == 0


def torment(engine: Engine, seconds: float, chance: random.Random) -> set[str]:
    """Kill at random; the names of those whose end nobody undoes."""
    ended: set[str] = set()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = victims(engine)
        for name, pid in chance.sample(found, min(len(found), 3)):
            whom = chance.choice(("program", "shim"))
            end(pid if whom == "program" else shim_of(pid) or pid)
            if name.startswith(("plain", "brief")):
                ended.add(name)
        if chance.random() < 0.3:
            engine.kill()
            engine.start()
    return ended


def as_policies_say(engine: Engine, ended: set[str], count: int) -> list[str]:
    """What is not as it should be."""
    wrong = []
    found = {each["Name"][1:]: each for each in everything(engine)}
    for number in range(count):
        kind = KINDS[number % len(KINDS)][0]
        name = f"{kind}-{number}"
        state = found.get(name, {}).get("State", {"Status": "gone"})
        wanted = {
            "always": "running", "unless": "running", "stopped": "exited", "failing": "exited",
            "plain": "exited" if name in ended else "running", "brief": "gone" if name in ended else "running",
        }[kind]  # fmt: skip
        if state["Status"] != wanted:
            wrong.append(f"{name}: {state['Status']}, not {wanted} ({state.get('Error')})")
        elif wanted == "running" and "Health" in state and state["Health"]["Status"] != "healthy":
            wrong.append(f"{name}: {state['Health']['Status']}")
        elif kind == "failing" and (found[name]["RestartCount"], state["ExitCode"]) != (2, 3):
            wrong.append(f"{name}: restarted {found[name]['RestartCount']} times, exit code {state['ExitCode']}")
    return wrong


def live_through(engine: Engine, count: int, seconds: float) -> None:
    seed = int(time.time())
    begin(engine, count)
    assert eventually(lambda: not as_policies_say(engine, set(), count), 60), as_policies_say(engine, set(), count)
    ended = torment(engine, seconds, random.Random(seed))
    settled = eventually(lambda: not as_policies_say(engine, ended, count), 120)
    assert settled, (seed, as_policies_say(engine, ended, count))
    running = len(engine.docker("ps", "-q").stdout.split())
    # One shim and one program each, the daemon, the zygote and its spare shim: what was killed left nothing else.
    assert eventually(lambda: len(processes(engine)) <= 2 * running + 4, 20), (running, len(processes(engine)))
    descriptors = len(os.listdir(f"/proc/{engine.pid}/fd"))
    assert descriptors < 2 * count + 60, descriptors


def test_twenty_containers_live_through_fifteen_seconds(own_engine: Engine) -> None:
    live_through(own_engine, 20, 15)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_two_hundred_containers_live_through_five_minutes(own_engine: Engine) -> None:
    live_through(own_engine, 200, 300)
