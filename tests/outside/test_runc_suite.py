"""Does `sampan runtime` pass runc's own integration tests? From Debian's source package, driven by bats.

They are fetched when the test runs, into .cache; nothing of theirs is part of this project. What they need besides is
made here: a busybox image, and `recvtty`, the far end of a console socket. It takes some ten minutes: `make soak`.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

from debian_source import CACHE, Debian
from expect import OUTSIDE

EXPECTED = tomllib.loads(Path(__file__).with_name("runc_expected.toml").read_text())
# Without checkpoint, events, cgroup v2 and what asks for a network; debug, help and version want to read "runc".
FILES = [
    *(
        "create",
        "cwd",
        "delete",
        "dev",
        "exec",
        "kill",
        "list",
        "mask",
        "mounts",
        "mounts_recursive",
        "no_pivot",
        "pause",
    ),
    *("ps", "root", "run", "seccomp", "start", "start_detached", "start_hello", "state", "tty", "umask", "update"),
    "userns",
]
PROGRAMS = ("bats", "jq", "gawk", "script", "cc")
RUNTIME = f'#!/bin/sh\nexec {sys.executable} -m sampan runtime "$@"\n'
IMAGES = """#!/bin/sh
d=$(dirname "$(readlink -f "$0")")/testdata
echo "BUSYBOX_IMAGE=$d/b DEBIAN_IMAGE=$d/b HELLO_IMAGE=$d/h"
"""
RECVTTY = f"""#!{sys.executable}
import os, socket, sys, threading

def drain(fd):
    try:
        while os.read(fd, 4096):
            pass
    except OSError:
        pass

listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[-1])
listener.listen(5)
open(sys.argv[sys.argv.index("--pid-file") + 1], "w").write(str(os.getpid()))
while True:
    connection, _ = listener.accept()
    for fd in socket.recv_fds(connection, 4096, 4)[1]:
        threading.Thread(target=drain, args=(fd,), daemon=True).start()
"""


@pytest.fixture(scope="module")
def suite(image_tar: Path) -> Path:
    """The directory of the tests, ready to run."""
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if OUTSIDE or missing:
        pytest.skip(f"about our own runtime; needs {' '.join(missing)}")
    tree = Debian("bookworm", CACHE / "runc").source("runc")
    if tree is None:
        pytest.skip("the source of runc cannot be fetched from Debian")
    tests = tree / "tests" / "integration"
    executable(tests / "get-images.sh", IMAGES)
    executable(tree / "contrib" / "cmd" / "recvtty" / "recvtty", RECVTTY)
    executable(tree / "sampan-runtime", RUNTIME)
    without_places(image_tar, tests / "testdata" / "b")
    hello(tests / "testdata" / "h", tree)
    return tests


def executable(path: Path, text: str) -> None:
    """Write a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def without_places(image: Path, target: Path) -> None:
    """The image of our tests, with the directories that the suite expects and without the users that it does not."""
    with tarfile.open(image) as source, tarfile.open(target, "w") as copy:
        for member in source:
            if not member.name.startswith("etc/"):
                copy.addfile(member, source.extractfile(member) if member.isreg() else None)
        directory = tarfile.TarInfo("./dev")
        directory.type, directory.mode = tarfile.DIRTYPE, 0o755
        copy.addfile(directory)


def hello(target: Path, scratch: Path) -> None:
    """An image with one program that greets."""
    code = 'int write(int, char *, int); int main(void) { write(1, "Hello\\n", 6); return 0; }'
    subprocess.run(["cc", "-static", "-x", "c", "-", "-o", str(scratch / "hello")], input=code.encode(), check=True)
    with tarfile.open(target, "w") as tar:
        tar.add(scratch / "hello", "hello")


@pytest.mark.soak
@pytest.mark.needs_root
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", FILES)
def test_runcs_own_tests(suite: Path, name: str) -> None:
    listed = {test.partition(": ")[2] for tests in EXPECTED.values() for test in tests if test.startswith(f"{name}: ")}
    environment = os.environ | {"RUNC": str(suite.parents[1] / "sampan-runtime")}
    # On a terminal, as they want to be, whose input does not end.
    command = ["script", "-qec", f"bats -t {name}.bats", "/dev/null"]
    reader, writer = os.pipe()
    try:
        done = subprocess.run(command, cwd=suite, env=environment, stdin=reader, capture_output=True, check=False)
    finally:
        os.close(reader)
        os.close(writer)
    said = done.stdout.decode(errors="replace").replace("\r\n", "\n")
    passed = set(re.findall(r"^ok \d+ (.*?)(?: # skip.*)?$", said, re.MULTILINE))
    failed = set(re.findall(r"^not ok \d+ (.*)$", said, re.MULTILINE))
    assert passed or failed, said
    assert failed == listed, said
