"""Do the commands that only look show what docker's show?"""

import json

from engine import eventually
from expect import CREATE, IMAGE, Docker, says


def names(docker: Docker, *filters: str) -> list[str]:
    """The names that `ps -a` lists under some filters."""
    flags = [word for text in filters for word in ("--filter", text)]
    return sorted(docker("ps", "-a", *flags, "--format", "{{.Names}}").stdout.split())


def test_ps_shows_a_running_container(docker: Docker, sleeper: str) -> None:
    columns = "{{.Names}}|{{.Image}}|{{.State}}|{{.Status}}|{{.Ports}}|{{.Networks}}|{{.Mounts}}"
    result = docker("ps", "--filter", f"name={sleeper}", "--format", columns)
    says(result, rf"{sleeper}\|{IMAGE.split(':')[0]}(:latest)?\|running\|Up (Less than a|\d+) seconds?\|\|none\|\n")
    table = docker("ps", "--filter", f"name={sleeper}").stdout
    assert table.startswith("CONTAINER ID   IMAGE")
    assert "\"sh -c 'trap 'exit " in table
    identity = docker("inspect", "-f", "{{.Id}}", sleeper).stdout.strip()
    says(docker("ps", "-q", "--no-trunc", "--filter", f"id={identity[:12]}"), f"{identity}\n")


def test_ps_filters(docker: Docker, sleeper: str, name: str) -> None:
    other = f"{name}-other"
    docker(*CREATE, "--label", "colour=red", "--name", other, IMAGE, "sh", "-c", "exit 3")
    assert names(docker, f"name={name}") == [sleeper, other]
    assert names(docker, f"name=^/{sleeper}$") == [sleeper]
    assert names(docker, f"name={name}", "status=created") == [other]
    assert names(docker, f"name={name}", "status=created", "status=running") == [sleeper, other]
    assert names(docker, "label=colour") == names(docker, "label=colour=red") == [other]
    assert names(docker, "label=colour=blue") == []
    docker("start", "-a", other)
    assert names(docker, f"name={name}", "exited=3") == [other]
    assert names(docker, f"name={name}", f"ancestor={IMAGE}") == [sleeper, other]
    assert names(docker, f"name={name}", f"before={other}") == [sleeper]
    assert names(docker, f"name={name}", f"since={sleeper}") == [other]
    assert names(docker, f"name={name}", "network=none") == [sleeper, other]
    assert other not in docker("ps", "--format", "{{.Names}}").stdout
    assert docker("ps", "-a", "--filter", f"name={other}", "--format", "{{.Status}}").stdout.startswith("Exited (3) ")
    assert len(docker("ps", "-n", "1", "-q").stdout.split()) == 1


def test_ps_refuses_filters_it_does_not_know(docker: Docker) -> None:
    says(docker("ps", "--filter", "bogus=1"), err="invalid filter 'bogus'", code=1)
    says(docker("ps", "-a", "--filter", "status=bogus"), err="invalid filter 'status=bogus'", code=1)
    says(docker("ps", "-a", "--filter", "exited=x"), err="invalid", code=1)


def test_ps_size(docker: Docker, sleeper: str) -> None:
    docker("exec", sleeper, "sh", "-c", "head -c 100000 /dev/zero >/big")
    says(docker("ps", "-s", "--filter", f"name={sleeper}", "--format", "{{.Size}}"), r"10\dkB \(virtual [\d.]+MB\)\n")


def test_inspect_tells_what_was_asked_for(docker: Docker, name: str) -> None:
    flags = ("--memory", "64m", "--cpus", "0.5", "--pids-limit", "9", "--cap-add", "SYS_PTRACE", "--cap-drop", "CHOWN",
             "--read-only", "--tmpfs", "/t:size=1m", "--ulimit", "nofile=10:20", "-e", "A=1", "-w", "/tmp", "-u", "www",
             "-h", "box", "--init", "--label", "k=v", "--sysctl", "kernel.shmmax=1", "--shm-size", "1m",
             "--restart", "no", "--stop-signal", "INT", "--stop-timeout", "2", "--oom-score-adj", "7",
             "--security-opt", "no-new-privileges", "--entrypoint", "cat")  # fmt: skip
    docker(*CREATE, *flags, "--name", name, IMAGE, "/etc/passwd")
    [shown] = json.loads(docker("inspect", name).stdout)
    host, config = shown["HostConfig"], shown["Config"]
    assert (shown["Path"], shown["Args"], shown["Name"]) == ("cat", ["/etc/passwd"], f"/{name}")
    assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (67108864, 500000000, 9)
    assert [cap.removeprefix("CAP_") for cap in host["CapAdd"] + host["CapDrop"]] == ["SYS_PTRACE", "CHOWN"]
    assert (host["ReadonlyRootfs"], host["Tmpfs"], host["Init"]) == (True, {"/t": "size=1m"}, True)
    assert host["Ulimits"] == [{"Name": "nofile", "Hard": 20, "Soft": 10}]
    assert (host["Sysctls"], host["ShmSize"], host["OomScoreAdj"]) == ({"kernel.shmmax": "1"}, 1 << 20, 7)
    assert host["RestartPolicy"] == {"Name": "no", "MaximumRetryCount": 0}
    assert (host["NetworkMode"], host["SecurityOpt"]) == ("none", ["no-new-privileges"])
    assert config["Env"] == ["A=1", "PATH=/usr/bin:/bin"]
    assert (config["WorkingDir"], config["User"], config["Hostname"]) == ("/tmp", "www", "box")
    assert (config["StopSignal"], config["StopTimeout"], config["Image"]) == ("INT", 2, IMAGE)
    assert (config["Entrypoint"], config["Cmd"], config["Labels"]["k"]) == (["cat"], ["/etc/passwd"], "v")
    assert not config["Tty"]
    assert not config["OpenStdin"]
    assert shown["State"] | {"StartedAt": "", "Error": ""} == {
        "Status": "created", "Running": False, "Paused": False, "Restarting": False, "OOMKilled": False, "Dead": False,
        "Pid": 0, "ExitCode": 0, "Error": "", "StartedAt": "", "FinishedAt": "0001-01-01T00:00:00Z",
    }  # fmt: skip
    assert shown["State"]["StartedAt"] == "0001-01-01T00:00:00Z"


def test_inspect_of_a_running_container(docker: Docker, sleeper: str) -> None:
    [shown] = json.loads(docker("inspect", "--size", sleeper).stdout)
    pid = shown["State"]["Pid"]
    with open(f"/proc/{pid}/comm") as comm:
        assert comm.read() == "sh\n"
    assert shown["State"]["Running"]
    assert shown["RestartCount"] == 0
    assert shown["Image"].startswith("sha256:")
    assert shown["SizeRootFs"] > 1_000_000
    assert list(shown["NetworkSettings"]["Networks"]) == ["none"]
    assert shown["HostConfig"]["Memory"] == 0
    assert docker("inspect", "-f", "{{json .HostConfig.MaskedPaths}}", sleeper).stdout.count("/proc/") >= 8


def test_top(docker: Docker, sleeper: str) -> None:
    lines = docker("top", sleeper).stdout.splitlines()
    assert lines[0].split() == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert "sh -c trap 'exit 5' TERM" in lines[1]
    lines = docker("top", sleeper, "-o", "pid,comm").stdout.splitlines()
    assert lines[0].split() == ["PID", "COMMAND"]
    assert lines[1].split()[1] == "sh"
    assert lines[1].split()[0] == docker("inspect", "-f", "{{.State.Pid}}", sleeper).stdout.strip()


def test_events_tell_a_life(docker: Docker, name: str) -> None:
    docker(*CREATE, "--name", name, IMAGE, "true")
    docker("start", "-a", name)
    docker("rm", name)

    def seen() -> list[str]:
        span = ("--since", "60s", "--until", "0s")
        only = ("--filter", f"container={name}", "--format", "{{.Type}} {{.Action}}")
        return docker("events", *span, *only).stdout.splitlines()

    wanted = ["container create", "container attach", "container start", "container die", "container destroy"]
    assert eventually(lambda: [line for line in seen() if "network" not in line] == wanted), seen()


def test_events_carry_attributes(docker: Docker, name: str) -> None:
    docker(*CREATE, "--label", "k=v", "--name", name, IMAGE, "sh", "-c", "exit 3")
    docker("start", "-a", name)
    only = ("--filter", f"container={name}", "--filter", "event=die", "--format", "{{json .}}")
    lines: list[str] = []

    def arrived() -> bool:
        lines[:] = docker("events", "--since", "60s", "--until", "0s", *only).stdout.splitlines()
        return len(lines) == 1

    assert eventually(arrived)
    event = json.loads(lines[0])
    attributes = event["Actor"]["Attributes"]
    assert (attributes["exitCode"], attributes["name"], attributes["k"]) == ("3", name, "v")
    assert attributes["image"].startswith("sampan-test")
    assert event["Type"] == "container"


def test_version_and_info(docker: Docker) -> None:
    says(docker("version", "--format", "{{.Server.Os}}"), "linux\n")
    info = json.loads(docker("info", "--format", "{{json .}}").stdout)
    assert info["OSType"] == "linux"
    assert info["CgroupDriver"] == "cgroupfs"
    assert info["NCPU"] >= 1
    assert info["MemTotal"] > 1 << 28
    assert any("seccomp" in option for option in info["SecurityOptions"])
    assert info["Containers"] >= info["ContainersRunning"]
