"""With --userns-remap: is root of a container nobody on the host, while everything inside looks as always?"""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import prepare
from engine import Engine, eventually
from expect import IMAGE, ONCE, OUTSIDE

FIRST = 300_000
HERMIT = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}


@pytest.fixture(scope="module")
def remapped(image_tar: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    if OUTSIDE:
        pytest.skip("it takes an engine with flags of its own")
    profile = tmp_path_factory.mktemp("profile") / "hermit.json"
    profile.write_text(json.dumps(HERMIT))
    engine = Engine("--userns-remap", f"{FIRST}-65536", "--seccomp-profile", str(profile))
    try:
        engine.start()
        prepare(engine, image_tar)
        yield engine
    finally:
        found = engine.close()
    assert not found


def test_inside_all_is_as_always(remapped: Engine) -> None:
    script = (
        "id -u; cat /proc/self/uid_map; touch /made; chown 5:6 /made; stat -c '%u %g' / /made /etc/hosts /bin; "
        "echo out > /dev/stdout; echo x > /dev/null; ulimit -n; ls /sys/class/net"
    )
    seen = remapped.docker(*ONCE, IMAGE, "sh", "-c", script)
    assert seen.stdout.split("\n") == [
        "0", f"         0     {FIRST}      65536", "0 0", "5 6", "0 0", "0 0", "out", "1024", "lo", "",
    ]  # fmt: skip
    user = remapped.docker(
        *ONCE, "-u", "1000", IMAGE, "sh", "-c", "id -u; echo out > /dev/stdout; touch /tmp/x; ls -ln /tmp/x"
    )
    assert user.stdout.startswith("1000\nout\n-rw-r--r--    1 1000     1000")
    assert remapped.docker(*ONCE, "--tmpfs", "/t", "--read-only", IMAGE, "sh", "-c", "touch /t/x; touch /y").code == 1


def test_outside_root_is_nobody_and_files_are_roots(remapped: Engine, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "secret").chmod(0o600)
    tmp_path.chmod(0o777)
    try:
        started = remapped.docker(
            "run", "-d", "--network", "none", "--name", "one", "-v", "kept:/data", "-v", f"{tmp_path}:/host",
            "--restart", "always", "--health-cmd", "id -u", "--health-interval", "200ms", IMAGE, "sh", "-c",
            "echo said; echo x > /data/file; sleep 1000",
        )  # fmt: skip
        assert started.code == 0, started.stderr
        state = json.loads(remapped.docker("inspect", "one").stdout)[0]["State"]
        assert os.stat(f"/proc/{state['Pid']}").st_uid == FIRST
        within = remapped.docker("exec", "one", "sh", "-c", "cat /host/secret; touch /host/new; cat /data/file; id -u")
        assert (within.stdout, "Permission denied" in within.stderr) == ("x\n0\n", True)
        assert (tmp_path / "new").stat().st_uid == FIRST
        assert (remapped.data_root / "volumes/kept/_data/file").stat().st_uid == 0
        for forbidden in ("mknod /dev/zz c 1 3", "mount -t tmpfs x /mnt", "echo 1 > /proc/sys/kernel/panic"):
            done = remapped.docker("exec", "one", "sh", "-c", forbidden)
            assert done.code != 0, forbidden
        assert eventually(
            lambda: remapped.docker("inspect", "-f", "{{.State.Health.Status}}", "one").stdout == "healthy\n"
        )
        assert remapped.docker("logs", "one").stdout == "said\n"
        remapped.kill()
        remapped.start()
        assert remapped.docker("exec", "one", "cat", "/data/file").stdout == "x\n"
        refused = remapped.docker("cp", str(tmp_path / "secret"), "one:/")
        assert "stop it first" in refused.stderr
        remapped.docker("stop", "-t", "0", "one")
        assert remapped.docker("cp", str(tmp_path / "secret"), "one:/").code == 0
        remapped.docker("start", "one")
        assert remapped.docker("exec", "one", "stat", "-c", "%u", "/secret").stdout == "0\n"
        assert remapped.docker("commit", "one", "of-one").code == 0
        upper = next((remapped.data_root / "snapshots").glob("*/upper/secret"))
        assert stat.S_IMODE(upper.stat().st_mode) == 0o600 and upper.stat().st_uid == 0
        assert remapped.docker(*ONCE, "of-one", "stat", "-c", "%u", "/secret").stdout == "0\n"
    finally:
        remapped.docker("rm", "-fv", "one")
        remapped.docker("volume", "rm", "kept")


def test_what_needs_the_hosts_users_says_so(remapped: Engine) -> None:
    for flags, sentence in (
        (("--privileged",), "privileged mode is incompatible with user namespaces"),
        (("--pid", "host"), "cannot share the host PID namespace when user namespaces are enabled"),
        (("--network", "host"), "cannot share the host's network namespace when user namespaces are enabled"),
    ):
        network = () if "--network" in flags else ("--network", "none")
        refused = remapped.docker("run", "--rm", *network, *flags, IMAGE, "true")
        assert (refused.code, sentence in refused.stderr) == (125, True), refused
        assert remapped.docker("run", "--rm", *network, *flags, "--userns", "host", IMAGE, "true").code == 0
    assert "name=userns" in remapped.docker("info", "--format", "{{.SecurityOptions}}").stdout


def test_the_daemons_own_seccomp_profile_is_the_default(remapped: Engine) -> None:
    make = ("sh", "-c", "mkdir /x")
    assert "not permitted" in remapped.docker(*ONCE, IMAGE, *make).stderr
    assert remapped.docker(*ONCE, "--security-opt", "seccomp=builtin", IMAGE, *make).code == 0
    assert remapped.docker(*ONCE, "--security-opt", "seccomp=unconfined", IMAGE, *make).code == 0
