"""What becomes of a build that is cancelled, killed, or asked for twice? And which steps run again after a change?"""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine import Client, Engine, Result, eventually, processes, text_of
from expect import IMAGE, ONCE, OUTSIDE, Docker, says

SLOW = "sleep 60"


@pytest.fixture
def classic(monkeypatch: pytest.MonkeyPatch) -> None:
    """The docker CLI's own builder."""
    monkeypatch.setenv("DOCKER_BUILDKIT", "0")


def begin(engine: Client, directory: Path, text: str, *flags: str) -> "subprocess.Popen[bytes]":
    """A docker build left running."""
    directory.mkdir(exist_ok=True)
    (directory / "Dockerfile").write_text(text)
    return engine.spawn("build", *flags, str(directory))


def sleepers(engine: Engine) -> list[int]:
    """The processes of steps that sleep."""
    return [pid for pid in processes(engine) if "sleep\x0060" in text_of(f"/proc/{pid}/cmdline")]


def left_over(engine: Engine) -> list[str]:
    """Snapshots, workspaces, run directories and secrets of steps."""
    places = [
        engine.data_root / "snapshots", engine.data_root / "builds", engine.run_root / "exec" / "containers",
        engine.run_root / "exec" / "secrets",
    ]  # fmt: skip
    return [str(entry) for place in places if place.is_dir() for entry in place.glob("[!.]*")]


def test_a_client_that_leaves_takes_every_step_with_it(own_engine: Engine, tmp_path: Path, classic: None) -> None:
    text = f"FROM {IMAGE} AS a\nRUN {SLOW}\nFROM {IMAGE} AS b\nRUN {SLOW}; true\nFROM a\nCOPY --from=b /etc /e\n"
    client = begin(own_engine, tmp_path / "x", text)
    assert eventually(lambda: len(sleepers(own_engine)) >= 2, 30), "stages run at the same time"
    client.send_signal(signal.SIGINT)
    client.wait(20)
    assert eventually(lambda: not sleepers(own_engine), 20)
    assert eventually(lambda: not left_over(own_engine), 20), left_over(own_engine)
    assert own_engine.docker("ps", "-aq").stdout == ""


def test_a_daemon_that_is_killed_goes_on_from_the_finished_steps(
    own_engine: Engine, tmp_path: Path, classic: None
) -> None:
    text = f"FROM {IMAGE}\nRUN echo done > /first\nRUN test -e /go || {SLOW}\nRUN echo last > /last\n"
    client = begin(own_engine, tmp_path / "x", text)
    assert eventually(lambda: sleepers(own_engine), 30)
    own_engine.kill()
    client.wait(20)
    own_engine.start()
    assert eventually(lambda: not sleepers(own_engine), 20), "nobody will ever wait for that step"
    assert not left_over(own_engine)
    (tmp_path / "x" / "Dockerfile").write_text(text.replace(f"test -e /go || {SLOW}", "cat /first"))
    again = own_engine.docker("build", "-t", "again", str(tmp_path / "x"))
    assert again.code == 0, again.stderr
    assert again.stdout.count("Using cache") == 1 and "done\n" in again.stdout
    # A layer that a row of the cache names is gone: the step runs again.
    assert own_engine.docker("rmi", "again").code == 0


def test_the_same_step_of_two_builds_runs_once(own_engine: Engine, tmp_path: Path, classic: None) -> None:
    names = ("one", "two")  # not such as an image's id may begin with: `rmi` takes them for the id, here and there
    text = f"FROM {IMAGE}\nRUN --mount=type=cache,id=once,target=/c echo ran >> /c/log && sleep 1\n"
    both = [begin(own_engine, tmp_path / name, text, "-t", name) for name in names]
    assert [client.wait(40) for client in both] == [0, 0]
    count = f"FROM {IMAGE}\nRUN --mount=type=cache,id=once,target=/c cat /c/log\n"
    (tmp_path / "one" / "Dockerfile").write_text(count)
    assert own_engine.docker("build", str(tmp_path / "one")).stdout.count("\nran\n") == 1
    ids = {own_engine.docker("image", "inspect", "-f", "{{.RootFS.Layers}}", name).stdout for name in names}
    assert len(ids) == 1
    assert own_engine.docker("rmi", *names).code == 0


def test_a_step_that_forks_without_end_or_fills_its_output_is_an_error(
    own_engine: Engine, tmp_path: Path, classic: None
) -> None:
    began = time.monotonic()
    flags = ("--ulimit", "nproc=200:200")
    client = begin(
        own_engine,
        tmp_path / "x",
        f"FROM {IMAGE}\nUSER www\nRUN for i in $(seq 500); do sleep 5 & done; exit 9\n",
        *flags,
    )
    assert client.wait(60) in (2, 9)
    assert time.monotonic() - began < 60
    assert eventually(lambda: not left_over(own_engine), 20), left_over(own_engine)
    client = begin(own_engine, tmp_path / "x", f"FROM {IMAGE}\nRUN yes | head -c 3000000 >&2; exit 4\n")
    out, _ = client.communicate(timeout=60)
    assert client.returncode == 4
    assert out.count(b"y\n") == 1_500_000, "all of it is passed on"


Change = Callable[[Path], None]
BASE = {
    "Dockerfile": (
        f"ARG TAG=latest\nFROM {IMAGE.partition(':')[0]}:$TAG AS one\nARG V=1\nENV E=1\nWORKDIR /w\nCOPY a.txt ./\n"
        "RUN cat a.txt > out && echo $V >> out\nCOPY dir ./dir\nRUN ls dir > list\nFROM one\n"
        "COPY --from=one /w/list /list\nLABEL l=1\nRUN echo end > /end\n"
    ),
    "a.txt": "a\n", "dir/x": "x\n", "dir/y": "y\n", "other": "other\n", ".dockerignore": "ignored\n", "ignored": "1\n",
}  # fmt: skip


def edit(name: str, old: str, new: str) -> Change:
    """Replace some text of a file."""

    def change(root: Path) -> None:
        path = root / name
        path.write_text(path.read_text().replace(old, new))

    return change


def touch(root: Path) -> None:
    """Change every time and nothing else."""
    for path in root.rglob("*"):
        os.utime(path, (1_000_000, 1_000_000))


# What is changed, with which flags, and which of the four RUNs and COPYs are done anew:
# 1 COPY a.txt · 2 RUN cat · 3 COPY dir · 4 RUN ls · 5 COPY --from · 6 RUN echo end
CHANGES: list[tuple[str, Change | None, tuple[str, ...], set[int]]] = [
    ("nothing", None, (), set()),
    ("times", touch, (), set()),
    ("a file that nobody copies", edit("other", "other", "changed"), (), set()),
    ("an ignored file", edit("ignored", "1", "2"), (), set()),
    ("a comment", edit("Dockerfile", "ENV E=1", "# comment\nENV E=1"), (), set()),
    ("a label", edit("Dockerfile", "l=1", "l=2"), (), set()),
    ("a cmd at the end", edit("Dockerfile", "echo end > /end\n", "echo end > /end\nCMD x\n"), (), set()),
    ("the last step", edit("Dockerfile", "echo end >", "echo END >"), (), {6}),
    ("the first file", edit("a.txt", "a", "b"), (), {1, 2, 4, 6}),
    ("a file in the directory", edit("dir/x", "x", "z"), (), {3, 4, 6}),
    ("a new file in the directory", lambda root: (root / "dir/new").write_text("n") and None, (), {3, 4, 5, 6}),
    ("a removed file", lambda root: (root / "dir/y").unlink(), (), {3, 4, 5, 6}),
    ("a mode", lambda root: (root / "a.txt").chmod(0o600), (), {1, 2, 4, 6}),
    ("a directory's mode", lambda root: (root / "dir").chmod(0o700), (), {3, 4, 6}),
    ("a renamed file", lambda root: (root / "dir/y").rename(root / "dir/q") and None, (), {3, 4, 5, 6}),
    ("a build argument in scope", None, ("--build-arg", "V=2"), {2, 4, 6}),
    ("a build argument nobody declares", None, ("--build-arg", "ELSE=2"), set()),
    ("a proxy", None, ("--build-arg", "HTTP_PROXY=http://127.0.0.1:9"), set()),
    ("the environment", edit("Dockerfile", "E=1", "E=2"), (), {2, 4, 6}),
    ("a command's spelling", edit("Dockerfile", "ls dir >", "ls  dir >"), (), {4, 6}),
    ("the user", edit("Dockerfile", "ENV E=1", "USER 0:0\nENV E=1"), (), {2, 4, 6}),
    ("no cache", None, ("--no-cache",), {1, 2, 3, 4, 5, 6}),
]


@pytest.fixture(scope="module")
def warm(engine: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """An engine that has built BASE."""
    if OUTSIDE:
        pytest.skip("the classic builder has a cache of another kind")
    root = tmp_path_factory.mktemp("base")
    assert build_files(engine, root, None, ()).code == 0
    yield engine


def build_files(engine: Client, root: Path, change: Change | None, flags: tuple[str, ...]) -> Result:
    """Lay the files, change them, build with our own client."""
    for name, text in BASE.items():
        (root / name).parent.mkdir(exist_ok=True, parents=True)
        (root / name).write_text(text)
        (root / name).chmod(0o644)
    if change is not None:
        change(root)
    return engine.sampan("build", "--progress", "plain", *flags, str(root))


@pytest.mark.parametrize(
    ("what", "change", "flags", "anew"), CHANGES, ids=[row[0].replace(" ", "-") for row in CHANGES]
)
def test_the_right_steps_run_again(
    warm: Client, tmp_path: Path, what: str, change: Change | None, flags: tuple[str, ...], anew: set[int]
) -> None:
    done = build_files(warm, tmp_path, change, flags)
    assert done.code == 0, done.stderr
    steps = [block for block in done.stdout.split("Step ")[1:] if re.match(r"\d+/\d+ : (COPY|RUN)", block)]
    assert len(steps) == 6
    found = {number for number, block in enumerate(steps, 1) if "Using cache" not in block}
    assert found == anew, what


def test_an_app_with_its_wheels(docker: Docker, name: str, tmp_path: Path, classic: None) -> None:
    """The shape of most Dockerfiles: requirements first, then the program; run with arguments and without."""
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "tool.sh").write_text("echo tool $*\n")
    (tmp_path / "app.sh").write_text('sh /usr/lib/tool.sh "$@"\n')
    (tmp_path / "Dockerfile").write_text(
        f"FROM {IMAGE}\nWORKDIR /app\nCOPY wheels /wheels\n"
        "RUN mkdir -p /usr/lib && cp /wheels/*.sh /usr/lib && rm -r /wheels\n"
        'COPY app.sh .\nENTRYPOINT ["sh", "app.sh"]\nCMD ["--help"]\n'
    )
    assert docker("build", "-t", name, str(tmp_path)).code == 0
    says(docker(*ONCE, name), "tool --help\n")
    says(docker(*ONCE, name, "a", "b c"), "tool a b c\n")
    says(docker(*ONCE, "--entrypoint", "ls", name, "/wheels"), err="no such file", code=1)
    assert docker("rmi", name).code == 0
