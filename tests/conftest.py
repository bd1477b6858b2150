"""Which engines and images do the tests have? Every engine here touches nothing but itself; see tools/engine.py.

`SAMPAN_TEST_SOCK=/run/docker.sock pytest tests/outside` runs the outside tests on an engine that already runs, a real
dockerd for one: the expected values in those tests were taken from one.
"""

import io
import os
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from engine import Client, Engine, Result
from expect import DETACHED, IMAGE, LABEL, OUTSIDE, Docker

# Machines are busy: how long one example takes says nothing.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

# A shell without job control starts what it puts in the background with ^C ignored, and a client that inherits that
# cannot be interrupted. An ignored signal stays ignored across exec, a handled one is the default again.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\nwww:x:1000:1000::/home:/bin/sh\n"
GROUP = "root:x:0:\nnogroup:x:65534:\nwww:x:1000:\nextra:x:2000:www\n"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update-golden` writes what was found into the golden files, for a person to read the difference."""
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files with what was found")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need root or a program of the machine skip where it is missing, and say so."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        privileged = fixtures & {"engine", "own_engine"} or item.get_closest_marker("needs_root")
        if privileged and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="needs root: it makes containers"))
        if "docker" in fixtures and shutil.which("docker") is None:
            item.add_marker(pytest.mark.skip(reason="needs the docker client"))


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be rewritten."""
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture(scope="session")
def image_tar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root filesystem of the image that the tests run: busybox, a few users, nothing else."""
    program = shutil.which("busybox")
    if program is None:
        pytest.skip("needs busybox (Debian: busybox-static) to make an image from")
    path = tmp_path_factory.mktemp("image") / "busybox.tar"
    applets = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split()
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for directory in ("bin", "etc", "home", "root", "tmp", "var"):
            add(tar, directory, type=tarfile.DIRTYPE, mode=0o1777 if directory == "tmp" else 0o755)
        add(tar, "etc/passwd", PASSWD.encode())
        add(tar, "etc/group", GROUP.encode())
        add(tar, "bin/busybox", Path(program).read_bytes(), mode=0o755)
        for applet in applets:
            if applet != "busybox":
                add(tar, f"bin/{applet}", type=tarfile.LNKTYPE, linkname="bin/busybox", mode=0o755)
    return path


def add(tar: tarfile.TarFile, name: str, content: bytes = b"", **fields: object) -> None:
    """Put one member into a tar under construction; `fields` are those of TarInfo."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mtime = 1_700_000_000
    for field, value in fields.items():
        setattr(member, field, value)
    tar.addfile(member, io.BytesIO(content))


def prepare(client: Client, image_tar: Path) -> None:
    """Give an engine the image of the tests."""
    shell = ["--change", 'CMD ["sh"]', "--change", "ENV PATH=/usr/bin:/bin"]
    done = client.docker("import", *shell, str(image_tar), IMAGE)
    assert done.code == 0, f"docker import failed: {done.stderr}"


@pytest.fixture(scope="session")
def engine(image_tar: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """The engine under test, with the image of the tests. It must leave nothing behind."""
    if OUTSIDE:
        client = Client(OUTSIDE, tmp_path_factory.mktemp("home"))
        prepare(client, image_tar)
        yield client
        client.docker("rmi", "-f", IMAGE)
        return
    own = Engine()
    try:
        own.start()
        prepare(own, image_tar)
        yield own
    finally:
        found = own.close()
    assert not found, f"the engine left behind: {found}"


@pytest.fixture
def own_engine(image_tar: Path) -> Iterator[Engine]:
    """An engine for one test, which may do anything to it; nothing must be left of it either."""
    if OUTSIDE:
        pytest.skip("only an engine that the test started may be killed")
    own = Engine()
    try:
        own.start()
        prepare(own, image_tar)
        yield own
    finally:
        found = own.close()
    assert not found, f"the engine left behind: {found}"


@pytest.fixture
def docker(engine: Client) -> Iterator[Docker]:
    """Runs the docker CLI on the engine under test; the containers made with it are removed after the test."""

    def run(*arguments: str, stdin: str = "", timeout: float = 60) -> Result:
        return engine.docker(*labelled(arguments), stdin=stdin, timeout=timeout)

    yield run
    made = engine.docker("ps", "-aq", "--filter", f"label={LABEL}").stdout.split()
    if made:
        engine.docker("rm", "-f", "-v", *made)


def labelled(arguments: tuple[str, ...]) -> list[str]:
    """The command with a label that tells this run's containers from others on the same engine."""
    if arguments[:1] in (("run",), ("create",)):
        return [arguments[0], "--label", LABEL, *arguments[1:]]
    return list(arguments)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A container name that nothing else on the engine has."""
    return f"t{os.getpid()}-{abs(hash(request.node.nodeid)) % 10**8}"


@pytest.fixture
def sleeper(docker: Docker, name: str) -> str:
    """The name of a running container that does nothing until it gets a TERM, and then exits with 5."""
    script = "trap 'exit 5' TERM; while :; do sleep 0.05; done"
    done = docker(*DETACHED, "--name", name, IMAGE, "sh", "-c", script)
    assert done.code == 0, done.stderr
    return name
