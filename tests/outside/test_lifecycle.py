"""Do the commands that change a container's state do and say what docker's do?"""

import os
from pathlib import Path

from engine import Client, eventually
from expect import CREATE, DETACHED, IMAGE, LABEL, ONCE, Docker, says

ID = "[0-9a-f]{64}"


def state(docker: Docker, name: str, what: str = "{{.State.Status}} {{.State.ExitCode}}") -> str:
    """One line of `docker inspect -f`."""
    return docker("inspect", "-f", what, name).stdout.strip()


def test_a_created_container_starts_ends_and_goes(docker: Docker, name: str) -> None:
    says(docker(*CREATE, "--name", name, IMAGE, "sh", "-c", "exit 4"), f"{ID}\n")
    assert state(docker, name) == "created 0"
    says(docker("wait", name), "0\n")
    says(docker("start", name), f"{name}\n")
    says(docker("wait", name), "[04]\n")
    assert eventually(lambda: state(docker, name) == "exited 4")
    says(docker("start", "-a", name), code=4)
    says(docker("rm", name), f"{name}\n")
    says(docker("rm", name), err=f"No such container: {name}", code=1)


def test_run_detached_prints_the_id_that_inspect_knows(docker: Docker, name: str) -> None:
    result = docker(*DETACHED, "--name", name, IMAGE, "sleep", "1000")
    says(result, f"{ID}\n")
    assert docker("inspect", "-f", "{{.Id}}", name).stdout == result.stdout
    assert docker("inspect", "-f", "{{.Name}}", result.stdout[:12]).stdout == f"/{name}\n"
    says(docker("start", name), f"{name}\n")  # starting what runs is no error


def test_stop_lets_the_program_end_by_itself(docker: Docker, sleeper: str) -> None:
    says(docker("stop", sleeper), f"{sleeper}\n")
    assert state(docker, sleeper) == "exited 5"
    says(docker("stop", sleeper), f"{sleeper}\n")


def test_stop_kills_what_does_not_listen(docker: Docker, name: str) -> None:
    stubborn = ("sh", "-c", "trap '' TERM INT; while :; do sleep 0.05; done")
    docker(*DETACHED, "--stop-timeout", "1", "--stop-signal", "INT", "--name", name, IMAGE, *stubborn)
    says(docker("stop", name), f"{name}\n")
    assert state(docker, name) == "exited 137"
    assert state(docker, name, "{{.Config.StopSignal}} {{.Config.StopTimeout}}") == "INT 1"


def test_kill_sends_the_signal_named(docker: Docker, sleeper: str) -> None:
    says(docker("kill", "-s", "BOGUS", sleeper), err="invalid signal: BOGUS", code=1)
    says(docker("kill", "-s", "TERM", sleeper), f"{sleeper}\n")
    assert eventually(lambda: state(docker, sleeper) == "exited 5")
    says(docker("kill", sleeper), err=f"{sleeper}.* is not running", code=1)
    says(docker("start", sleeper), f"{sleeper}\n")
    says(docker("kill", sleeper), f"{sleeper}\n")
    assert eventually(lambda: state(docker, sleeper) == "exited 137")


def test_pause_and_unpause(docker: Docker, sleeper: str) -> None:
    says(docker("unpause", sleeper), err="is not paused", code=1)
    says(docker("pause", sleeper), f"{sleeper}\n")
    assert state(docker, sleeper) == "paused 0"
    says(docker("pause", sleeper), err="is already paused", code=1)
    says(docker("exec", sleeper, "true"), err=f"{sleeper} is paused, unpause the container before exec", code=1)
    says(docker("unpause", sleeper), f"{sleeper}\n")
    says(docker("exec", sleeper, "echo", "awake"), "awake\n")
    docker("pause", sleeper)
    says(docker("stop", "-t", "1", sleeper), f"{sleeper}\n")
    assert state(docker, sleeper).startswith("exited")


def test_restart(docker: Docker, sleeper: str) -> None:
    before = state(docker, sleeper, "{{.State.Pid}}")
    says(docker("restart", "-t", "0", sleeper), f"{sleeper}\n")
    assert state(docker, sleeper, "{{.State.Running}} {{.RestartCount}}") == "true 0"
    assert state(docker, sleeper, "{{.State.Pid}}") != before


def test_rename(docker: Docker, sleeper: str) -> None:
    says(docker("rename", sleeper, f"{sleeper}-b"), "")
    says(docker("rename", f"{sleeper}-b", f"{sleeper}-b"), err="same name", code=1)
    says(docker("rename", f"{sleeper}-b", "_bad"), err=r"invalid container name \(/?_bad\)", code=1)
    says(docker("rename", f"{sleeper}-b", sleeper), "")
    docker(*CREATE, "--name", f"{sleeper}-c", IMAGE)
    says(docker("rename", f"{sleeper}-c", sleeper), err=f'name "/{sleeper}" is already in use by container', code=1)


def test_a_name_in_use_is_refused(docker: Docker, sleeper: str) -> None:
    result = docker(*ONCE, "--name", sleeper, IMAGE)
    says(
        result,
        err=rf'Conflict\. The container name "/{sleeper}" is already in use by container "?{ID}"?\. '
        r"You have to remove \(or rename\) that container to be able to reuse that name",
        code=125,
    )


def test_rm_of_a_running_container_needs_force(docker: Docker, sleeper: str) -> None:
    says(docker("rm", sleeper), err="cannot remove.*container.*stop the container", code=1)
    says(docker("rm", "-f", sleeper), f"{sleeper}\n")
    says(docker("rm", "-f", sleeper), err=f"No such container: {sleeper}", code=0)


def test_rm_goes_on_after_one_that_is_not_there(docker: Docker, name: str) -> None:
    docker(*CREATE, "--name", name, IMAGE)
    says(docker("rm", "nosuch", name), f"{name}\n", err="No such container: nosuch", code=1)


def test_run_rm_leaves_no_container(docker: Docker, name: str) -> None:
    says(docker(*ONCE, "--name", name, IMAGE, "true"))
    assert eventually(lambda: docker("inspect", name).code == 1)


def test_a_program_that_is_missing_leaves_a_created_container(docker: Docker, name: str) -> None:
    result = docker("run", "--network", "none", "--name", name, IMAGE, "nosuch")
    says(result, err="executable file not found", code=127)
    assert state(docker, name) == "created 127"
    assert "executable file not found" in state(docker, name, "{{.State.Error}}")
    assert docker("ps", "-a", "--filter", f"name={name}", "--format", "{{.Status}}").stdout == "Created\n"


def test_commands_on_what_is_not_there(docker: Docker) -> None:
    lines = ("start", "start -a", "stop", "kill", "pause", "unpause", "restart", "wait", "logs", "top", "attach", "rm")
    for line in lines:
        says(docker(*line.split(), "nosuch"), err="No such container: nosuch", code=1)
    says(docker("exec", "nosuch", "true"), err="No such container: nosuch", code=1)
    says(docker("rename", "nosuch", "x"), err="No such container: nosuch", code=1)
    says(docker("inspect", "nosuch"), r"\[\]\n", err="No such object: nosuch", code=1)


def test_commands_on_what_does_not_run(docker: Docker, name: str) -> None:
    docker(*CREATE, "--name", name, IMAGE)
    for line in ("kill", "pause", "top"):
        says(docker(line, name), err="is not running", code=1)
    says(docker("exec", name, "true"), err="is not running", code=1)
    says(docker("stop", name), f"{name}\n")
    says(docker("logs", name), "")
    says(docker("attach", name), err="cannot attach to a stopped container, start it first", code=1)


def test_an_oom_kill_is_known(docker: Docker, name: str) -> None:
    greedy = ("sh", "-c", "tail -c 100m /dev/zero; exit $?")
    docker("run", "--network", "none", "--memory", "16m", "--name", name, IMAGE, *greedy)
    assert state(docker, name) == "exited 137"
    assert state(docker, name, "{{.State.OOMKilled}}") == "true"


def test_cidfile(docker: Docker, tmp_path: Path, name: str) -> None:
    file = tmp_path / "cid"
    says(docker(*ONCE, "--cidfile", str(file), IMAGE, "true"))
    assert len(file.read_text()) == 64
    says(docker(*ONCE, "--cidfile", str(file), IMAGE), err="container ID file found", code=125)


def test_env_file_and_labels(docker: Docker, tmp_path: Path, name: str) -> None:
    file = tmp_path / "env"
    file.write_text("# a comment\nFROM_FILE=yes\nSPACES=a b c\n")
    flags = ("--rm", "--network", "none", "--env-file", str(file))
    says(docker("run", *flags, IMAGE, "sh", "-c", "echo $FROM_FILE $SPACES"), "yes a b c\n")
    docker(*CREATE, "--label", "a=b", "--label", "c", "--name", name, IMAGE)
    assert state(docker, name, '{{index .Config.Labels "a"}}|{{index .Config.Labels "c"}}|') == "b||"


def test_the_namespaces_of_another_container(docker: Docker, sleeper: str) -> None:
    for kind, flag in (("pid", "--pid"), ("ipc", "--ipc"), ("net", "--network")):
        once = ("run", "--rm", flag, f"container:{sleeper}", *(() if kind == "net" else ("--network", "none")), IMAGE)
        if kind == "ipc":  # only what was made shareable is shared
            says(docker(*once), err="non-shareable IPC", code=125)
            continue
        theirs = docker("exec", sleeper, "readlink", f"/proc/self/ns/{kind}").stdout
        result = docker(*once, "readlink", f"/proc/self/ns/{kind}")
        assert result.stdout == theirs != f"{os.readlink(f'/proc/self/ns/{kind}')}\n"


def test_shareable_ipc(docker: Docker, name: str) -> None:
    docker(*DETACHED, "--ipc", "shareable", "--name", name, IMAGE, "sleep", "1000")
    docker("exec", name, "touch", "/dev/shm/theirs")
    says(docker(*ONCE, "--ipc", f"container:{name}", IMAGE, "ls", "/dev/shm"), "theirs\n")


def test_container_prune_takes_what_is_stopped(docker: Docker, sleeper: str, name: str) -> None:
    identity = docker(*CREATE, "--label", "prune=me", "--name", f"{name}-p", IMAGE).stdout.strip()
    result = docker("container", "prune", "-f", "--filter", "label=prune=me")
    says(result, rf"Deleted Containers:\n{identity}\n\nTotal reclaimed space: [\d.]+k?B\n")
    assert state(docker, sleeper).startswith("running")
    says(docker("container", "prune", "-f", "--filter", "label=prune=me"), "Total reclaimed space: 0B\n")


def test_wait_returns_when_the_container_ends(engine: Client, docker: Docker, sleeper: str) -> None:
    waiter = engine.spawn("wait", sleeper)
    docker("kill", "-s", "TERM", sleeper)
    out, _ = waiter.communicate(timeout=20)
    assert out == b"5\n"


def test_a_signal_to_the_client_reaches_the_program(engine: Client, docker: Docker, name: str) -> None:
    script = "trap 'echo got it; exit 6' TERM; echo ready; while :; do sleep 0.05; done"
    client = engine.spawn("run", "--network", "none", "--label", LABEL, "--name", name, IMAGE, "sh", "-c", script)
    assert client.stdout is not None
    assert client.stdout.readline() == b"ready\n"
    client.terminate()
    out, _ = client.communicate(timeout=20)
    assert (client.returncode, out) == (6, b"got it\n")
