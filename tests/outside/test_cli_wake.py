"""Does the first command start the daemon? In a world with its own /run, /etc and network, where none runs."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import eventually

PARENT = f"sampan-wake-{os.getpid()}"
# The default socket is below /run and the default configuration below /etc: both are this world's own.
WORLD = """
mount -t tmpfs none /run
mkdir /run/upper /run/work
mount -t overlay none -o lowerdir=/etc,upperdir=/run/upper,workdir=/run/work /etc
mkdir -p /etc/sampan
printf '%s' "$CONFIG" >/etc/sampan/daemon.json
"""

pytestmark = pytest.mark.needs_root


@pytest.fixture
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, object]]:
    """The daemon's configuration file; its cgroups are removed afterwards."""
    root = Path(f"/var/tmp/{PARENT}")
    root.mkdir(mode=0o700)
    yield {"data-root": str(root / "data"), "cgroup-parent": f"/{PARENT}", "pidfile": "/run/sampan.pid"}
    subprocess.run(["rm", "-rf", str(root)], check=True)
    left = [Path(path) for path, _, _ in os.walk("/sys/fs/cgroup") if path.endswith(f"/{PARENT}")]
    for cgroup in left:
        cgroup.rmdir()


def world(config: dict[str, object], script: str) -> "subprocess.CompletedProcess[str]":
    """Run a shell script in a world without a daemon; `sampan` is our command line."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("DOCKER_", "SAMPAN_"))}
    environment |= {"CONFIG": json.dumps(config), "PYTHON": sys.executable}
    text = f'{WORLD}\nsampan() {{ "$PYTHON" -m sampan "$@"; }}\n{script}'
    argv = ["unshare", "-m", "-n", "--propagation", "private", "sh", "-c", text]
    return subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=100, check=False)


def test_the_first_command_starts_the_daemon(config: dict[str, object]) -> None:
    done = world(
        config,
        """
        sampan version --format '{{.Server.Version}}' & sampan version --format '{{.Server.Version}}' & wait
        sampan image from-host -t host sh echo
        sampan run --rm --network none host echo hello
        echo "pid $(cat /run/sampan.pid)"
        kill "$(cat /run/sampan.pid)"
        """,
    )
    version, *rest = done.stdout.splitlines()
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", version), done
    assert rest[0] == version
    assert rest[1].startswith("sha256:")
    assert rest[2] == "hello"
    pid = int(rest[3].removeprefix("pid "))
    assert eventually(lambda: not os.path.exists(f"/proc/{pid}"), 20)


def test_a_daemon_that_does_not_start_is_quoted(config: dict[str, object]) -> None:
    done = world({**config, "no-such-setting": 1}, "sampan ps; echo $?")
    assert done.stdout == "1\n", done
    assert "the daemon was started and ended at once; its last words, from /run/sampan/daemon.log:" in done.stderr
    assert "no-such-setting" in done.stderr


def test_no_daemon_is_started_for_another_address(config: dict[str, object]) -> None:
    done = world(config, "sampan -H unix:///run/sampan/other.sock ps; ls /run")
    assert "Cannot connect to the sampan daemon at unix:///run/sampan/other.sock" in done.stderr
    assert "sampan" not in done.stdout
