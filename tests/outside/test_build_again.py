"""Is a build from a context that the engine knows in part the same as from one that is sent whole?"""

from pathlib import Path

import pytest

from engine import Engine, Result, eventually
from expect import IMAGE, OUTSIDE
from rawhttp import call
from sampan.client.context import Context

pytestmark = pytest.mark.skipif(bool(OUTSIDE), reason="our own client and engine do this with each other")
DOCKERFILE = (
    f"FROM {IMAGE}\nCOPY . /c\nRUN --mount=type=bind,target=/m cd /m && find . | sort | while read f; do"
    ' test -f "$f" && cat "$f" || true; done\n'
)


def build(engine: Engine, context: Path, *flags: str) -> Result:
    """By our own client, which lists first."""
    done = engine.sampan("build", "--progress", "plain", *flags, str(context))
    assert done.code == 0, done.stdout + done.stderr
    return done


def layers(engine: Engine, name: str) -> str:
    """The diff IDs of an image."""
    return engine.docker("image", "inspect", "-f", "{{.RootFS.Layers}}", name).stdout


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A directory with a Dockerfile and some files."""
    root = tmp_path / "c"
    for number in range(8):
        (root / f"d{number}").mkdir(parents=True)
        (root / f"d{number}" / "file").write_text(f"first {number}\n")
    (root / "Dockerfile").write_text(DOCKERFILE)
    # What has only just changed is never taken for known.
    assert eventually(lambda: b"\0\0" not in Context(str(root)).listing(), 10)
    return root


@pytest.fixture
def classic(monkeypatch: pytest.MonkeyPatch) -> None:
    """docker uses the classic builder, which our engine serves."""
    monkeypatch.setenv("DOCKER_BUILDKIT", "0")


def test_what_was_changed_moved_and_removed_arrives(own_engine: Engine, context: Path, classic: None) -> None:
    build(own_engine, context, "-t", "one")
    (context / "d1" / "file").write_text("second 1\n")
    (context / "d2" / "file").unlink()
    (context / "d3").rename(context / "moved")
    (context / "d3").symlink_to("d4")
    (context / ".dockerignore").write_text("d5\n.dockerignore\n")
    again = build(own_engine, context, "-t", "two")
    for text in ("second 1", "first 0", "first 3"):
        assert text in again.stdout, text
    for text in ("first 1", "first 2", "first 5"):
        assert text not in again.stdout, text
    # docker's own client sends everything, and that is found to be the same.
    done = own_engine.docker("build", "-t", "three", str(context))
    assert done.code == 0 and done.stdout.count("Using cache") == 2, done.stdout
    assert layers(own_engine, "two") == layers(own_engine, "three") != layers(own_engine, "one")
    assert own_engine.docker("rmi", "one", "two", "three").code == 0


def test_it_is_forgotten_with_the_cache_and_with_the_daemon(own_engine: Engine, context: Path, classic: None) -> None:
    known = own_engine.data_root / "contexts"
    build(own_engine, context)
    assert len(list(known.iterdir())) == 1
    own_engine.kill()
    own_engine.start()
    assert not list(known.iterdir())
    assert build(own_engine, context).stdout.count("Using cache") == 2
    records = call(own_engine.socket, "GET", "/system/df").json()["BuildCache"]
    (listed,) = [record for record in records if record["Type"] == "source.local"]
    assert listed["Size"] > 0
    assert own_engine.docker("builder", "prune", "-f", "--filter", "until=1h").code == 0
    assert list(known.iterdir()), "who names what is to go means nothing else"
    pruned = own_engine.docker("builder", "prune", "-f")
    assert pruned.code == 0 and listed["ID"] in pruned.stdout and not list(known.iterdir())
    build(own_engine, context)
    build(own_engine, context)
    own_engine.docker("image", "prune", "-f")


def test_a_dockerfile_from_elsewhere_does_not_stay(own_engine: Engine, context: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "Other"
    for text in ("echo one", "echo two"):
        elsewhere.write_text(f"FROM {IMAGE}\nCOPY . /c\nRUN {text} && ls -A /c\n")
        assert text.split()[1] in build(own_engine, context, "-f", str(elsewhere)).stdout
    (context / "Dockerfile").write_text(f"FROM {IMAGE}\nCOPY . /c\nRUN ls -A /c\n")
    assert ".dockerfile.from.stdin" not in build(own_engine, context).stdout
    own_engine.docker("image", "prune", "-f")
