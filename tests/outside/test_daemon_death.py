"""Does a container notice when the daemon is killed, or anything else dies that is not the container?"""

import json
import os
import re
import signal
from pathlib import Path

import pytest

from engine import Engine, cgroups, eventually, mounts_below, processes
from expect import IMAGE
from rawhttp import call

COUNT = 20
# Lines are numbered, so that a missing, doubled or reordered one shows.
WRITER = (
    "i=0; while [ ! -e /stop ]; do i=$((i+1)); echo $i; [ $((i % 20)) != 0 ] || sleep 0.01; done; echo end $i; exit 7"
)


def inspect(engine: Engine, name: str, what: str) -> str:
    """One line of `docker inspect -f`."""
    return engine.docker("inspect", "-f", what, name).stdout.strip()


def start(engine: Engine, name: str, *command: str) -> int:
    """Start a container in the background; its process."""
    done = engine.docker("run", "-d", "--network", "none", "--name", name, IMAGE, *command)
    assert done.code == 0, done.stderr
    return int(inspect(engine, name, "{{.State.Pid}}"))


def numbered(lines: list[str]) -> None:
    """The lines must be 1, 2, 3 … and `end N`, each once and in order."""
    assert re.fullmatch(r"end \d+", lines[-1]), lines[-3:]
    count = int(lines[-1].split()[1])
    assert lines[:-1] == [str(number) for number in range(1, count + 1)]


def test_twenty_writers_and_five_readers_survive_the_daemon(own_engine: Engine) -> None:
    engine = own_engine
    pids = {f"w{number}": start(engine, f"w{number}", "sh", "-c", WRITER) for number in range(COUNT)}
    readers = [engine.spawn("attach", "--no-stdin", "--sig-proxy=false", f"w{number}") for number in range(5)]
    assert all(reader.stdout and reader.stdout.readline() for reader in readers)
    engine.kill()
    engine.start()
    listed = engine.docker("ps", "--format", "{{.Names}}").stdout.split()
    assert sorted(listed) == sorted(pids)
    assert {name: int(inspect(engine, name, "{{.State.Pid}}")) for name in pids} == pids
    for name in pids:
        # 137: the container saw the file, ended, and took its toucher with it.
        assert engine.docker("exec", name, "touch", "/stop").code in (0, 137)
        assert engine.docker("wait", name).stdout == "7\n"
    for name in pids:
        assert inspect(engine, name, "{{.State.Status}} {{.State.ExitCode}}") == "exited 7"
        numbered(engine.docker("logs", name).stdout.split("\n")[:-1])
    for reader in readers:  # what they read to the end is the rest of the log, whole
        out, _ = reader.communicate(timeout=20)
        lines = out.decode().split("\n")[:-1]
        assert re.fullmatch(r"end \d+", lines[-1]), lines[-3:]
        assert lines[:-1] == [str(number) for number in range(int(lines[0]), int(lines[-1].split()[1]) + 1)]


def test_what_ends_while_the_daemon_is_away_is_known(own_engine: Engine) -> None:
    engine = own_engine
    pid = start(engine, "ends", "sh", "-c", "sleep 0.5; echo last words; exit 9")
    engine.kill()
    assert eventually(lambda: not Path(f"/proc/{pid}").exists())
    engine.start()
    assert inspect(engine, "ends", "{{.State.Status}} {{.State.ExitCode}} {{.State.Running}}") == "exited 9 false"
    assert engine.docker("logs", "ends").stdout == "last words\n"
    assert engine.docker("start", "-a", "ends").code == 9


def test_who_waits_for_an_exec_learns_how_it_ended(own_engine: Engine) -> None:
    """One ends after the daemon has come back, one while it is away."""
    engine = own_engine
    start(engine, "host", "sleep", "1000")
    late = engine.spawn("exec", "-i", "host", "sh", "-c", "echo here; read line; echo $line; exit 9")
    gone = engine.spawn("exec", "host", "sh", "-c", "echo here; while [ ! -e /go ]; do sleep 0.05; done; exit 8")
    assert all(client.stdout and client.stdout.readline() == b"here\n" for client in (late, gone))
    assert late.stdin
    identities = json.loads(inspect(engine, "host", "{{json .ExecIDs}}"))
    pid = int(inspect(engine, "host", "{{.State.Pid}}"))
    engine.kill()
    Path(f"/proc/{pid}/root/go").touch()
    assert gone.stdout and gone.stdout.read() == b""  # it has ended: its client sees the end of the stream
    engine.start()
    assert late.communicate(b"words\n", timeout=20)[0] == b"words\n"
    assert late.returncode == 9
    codes = {call(engine.socket, "GET", f"/exec/{identity}/json").json()["ExitCode"] for identity in identities}
    assert codes == {8, 9}
    gone.communicate(timeout=20)


def test_run_rm_is_kept_by_the_engine(own_engine: Engine) -> None:
    engine = own_engine
    engine.docker("run", "-d", "--rm", "--network", "none", "--name", "brief", IMAGE, "sleep", "0.5")
    pid = int(inspect(engine, "brief", "{{.State.Pid}}"))
    engine.kill()
    assert eventually(lambda: not Path(f"/proc/{pid}").exists())
    engine.start()
    assert eventually(lambda: engine.docker("ps", "-aq").stdout == "")


def shim_of(pid: int) -> int:
    """The parent of a process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_container_whose_shim_is_killed_is_dead_and_freed(own_engine: Engine) -> None:
    engine = own_engine
    pid = start(engine, "orphan", "sleep", "1000")
    os.kill(shim_of(pid), signal.SIGKILL)
    assert eventually(lambda: not Path(f"/proc/{pid}").exists()), "its program still runs"
    assert eventually(lambda: inspect(engine, "orphan", "{{.State.Running}}") == "false")
    assert inspect(engine, "orphan", "{{.State.ExitCode}}") == "137"
    assert eventually(lambda: not [d for d in cgroups(engine) if not str(d).endswith(engine.cgroup_parent)])
    assert engine.docker("start", "orphan").code == 0
    assert engine.docker("rm", "-f", "orphan").code == 0


def test_a_new_zygote_takes_over(own_engine: Engine) -> None:
    engine = own_engine
    pid = start(engine, "before", "sleep", "1000")
    [zygote] = [child for child in processes(engine) if shim_of(child) == engine.pid and child != engine.pid]
    os.kill(zygote, signal.SIGKILL)
    assert engine.docker("run", "--rm", "--network", "none", IMAGE, "echo", "again").stdout == "again\n"
    assert int(inspect(engine, "before", "{{.State.Pid}}")) == pid
    assert engine.docker("exec", "before", "echo", "still").stdout == "still\n"


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_paused_container_stays_paused(own_engine: Engine, how: str) -> None:
    engine = own_engine
    pid = start(engine, "frozen", "sleep", "1000")
    engine.docker("pause", "frozen")
    getattr(engine, how)()
    engine.start()
    assert inspect(engine, "frozen", "{{.State.Status}}") == "paused"
    assert engine.docker("unpause", "frozen").code == 0
    assert int(inspect(engine, "frozen", "{{.State.Pid}}")) == pid


def test_restart_policies_and_stopped_containers_are_as_before(own_engine: Engine) -> None:
    engine = own_engine
    engine.docker("create", "--network", "none", "--name", "made", IMAGE)
    start(engine, "over", "true")
    assert eventually(lambda: inspect(engine, "over", "{{.State.Status}}") == "exited")
    before = engine.docker("ps", "-a", "--format", "{{.Names}} {{.State}} {{.ID}}").stdout
    engine.kill()
    engine.start()
    assert engine.docker("ps", "-a", "--format", "{{.Names}} {{.State}} {{.ID}}").stdout == before
    assert engine.docker("start", "made").code == 0


def test_killed_in_the_middle_of_everything(own_engine: Engine) -> None:
    """Kill the daemon while clients create, start and remove; afterwards nothing is there that `ps` does not show."""
    engine = own_engine
    for _ in range(4):
        engine_only = set(processes(engine))
        clients = [engine.spawn("run", "--rm", "--network", "none", IMAGE, "true") for _ in range(6)]
        assert eventually(lambda before=engine_only: set(processes(engine)) - before)
        engine.kill()
        for client in clients:
            client.communicate(timeout=30)
        engine.start()
    assert eventually(lambda: all(state != "running" for state in states(engine)), 20)
    for identity in engine.docker("ps", "-aq").stdout.split():
        assert engine.docker("rm", "-f", identity).code == 0
    assert mounts_below(engine) == []
    assert list((engine.data_root / "snapshots").glob("[!.]*")) == []
    assert list((engine.data_root / "containers").glob("*")) == []


def states(engine: Engine) -> list[str]:
    """The state of every container."""
    return engine.docker("ps", "-a", "--format", "{{.State}}").stdout.split()
