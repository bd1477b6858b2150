"""Does `docker build`, the unmodified client with the classic builder, make the images that dockerd makes?"""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine import Engine, Result
from expect import IMAGE, ONCE, OUTSIDE, Docker, says

Build = Callable[..., Result]


@pytest.fixture
def build(docker: Docker, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Build]:
    """Builds a Dockerfile over the files of `tmp_path`, tagged with the test's name unless flags say otherwise."""
    monkeypatch.setenv("DOCKER_BUILDKIT", "0")

    def run(text: str, *flags: str, tag: str = "") -> Result:
        (tmp_path / "Dockerfile").write_text(text)
        return docker("build", "-t", tag or name, *flags, str(tmp_path))

    yield run
    docker("rmi", "-f", name)


def test_an_app_is_built_cached_and_run(docker: Docker, build: Build, name: str, tmp_path: Path) -> None:
    (tmp_path / "app.sh").write_text('echo "app $*"\n')
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "data").write_text("data\n")
    os.symlink("data", tmp_path / "sub" / "link")
    text = (
        f"FROM {IMAGE}\nARG VERSION=1\nENV GREETING=hello\nWORKDIR /app\nCOPY . .\n"
        'RUN echo "$GREETING $VERSION" > version; rm /bin/wc\n'
        'ENTRYPOINT ["sh", "app.sh"]\nCMD ["--help"]\n'
    )
    done = build(text)
    assert done.code == 0, done.stdout + done.stderr
    assert "Step 1/8 : FROM" in done.stdout
    assert "Successfully built " in done.stdout
    assert done.stdout.rstrip().endswith(f"Successfully tagged {name}:latest")
    says(docker(*ONCE, name), "app --help\n")
    says(docker(*ONCE, name, "one", "two"), "app one two\n")
    look = "cat version sub/link; readlink sub/link; test -e /bin/wc || echo gone; stat -c %u:%g sub/data"
    says(docker(*ONCE, "--entrypoint", "sh", name, "-c", look), "hello 1\ndata\ndata\ngone\n0:0\n")
    first = docker("image", "inspect", "-f", "{{.Id}}", name).stdout

    for path in tmp_path.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)  # a cache that looks at times would miss
    again = build(text)
    assert again.stdout.count("Using cache") >= 2, again.stdout
    assert docker("image", "inspect", "-f", "{{.Id}}", name).stdout == first

    (tmp_path / "sub" / "data").write_text("other\n")
    changed = build(text, "--build-arg", "VERSION=2")
    assert "Running in" in changed.stdout
    says(docker(*ONCE, "--entrypoint", "cat", name, "version", "sub/data"), "hello 2\nother\n")


def test_the_clients_flags_do_what_they_say(docker: Docker, build: Build, name: str, tmp_path: Path) -> None:
    text = f"FROM {IMAGE} AS one\nRUN echo one > /one\nFROM one AS two\nRUN echo two > /two\n"
    iid = tmp_path / "iid"
    done = build(text, "-q", "--iidfile", str(iid), "--target", "one", "--label", "made=here")
    assert done.code == 0, done.stderr
    assert done.stdout == iid.read_text() != ""  # with -q the client writes the newline, too
    [image] = json.loads(docker("image", "inspect", name).stdout)
    assert (image["Id"], image["Config"]["Labels"]) == (iid.read_text().strip(), {"made": "here"})
    says(docker(*ONCE, name, "ls", "/two"), err="no such file", code=1)
    (tmp_path / "other").write_text(f"FROM {IMAGE}\nENV FROM=other\n")
    assert docker("build", "-q", "-f", str(tmp_path / "other"), "-t", name, str(tmp_path)).code == 0
    says(docker(*ONCE, name, "sh", "-c", "echo $FROM"), "other\n")
    assert docker("build", "-q", "-t", name, "-", stdin=f"FROM {IMAGE}\nENV FROM=stdin\n").code == 0
    says(docker(*ONCE, name, "sh", "-c", "echo $FROM"), "stdin\n")


def test_stages_that_are_not_needed_never_run(docker: Docker, build: Build, name: str) -> None:
    made = "mkdir -m 700 /out && echo x > /out/x && chown 5:6 /out/x"
    done = build(
        f"FROM {IMAGE} AS never\nRUN false\nFROM {IMAGE} AS made\nRUN {made}\n"
        f"FROM {IMAGE}\nCOPY --from=made /out/ /in/\n"
    )
    assert done.code == 0, done.stdout
    assert "false" not in done.stdout
    says(docker(*ONCE, name, "stat", "-c", "%a %u:%g", "/in", "/in/x"), "700 0:0\n644 5:6\n")


def test_what_goes_wrong_is_said_where_it_is(docker: Docker, build: Build) -> None:
    sentence = r"dockerfile parse error (on )?line 2: unknown instruction: RUM"
    shown = r" \(did you mean RUN\?\)\nDockerfile:2:1.*>>> RUM" if not OUTSIDE else ""
    says(build(f"FROM {IMAGE}\nRUM echo\n"), ".*", err=sentence + shown, code=1)
    failed = build(f"FROM {IMAGE}\nRUN echo said; exit 7\n")
    assert failed.code == 7
    assert "said\n" in failed.stdout
    assert "The command '/bin/sh -c echo said; exit 7' returned a non-zero code: 7" in failed.stderr
    missing = build(f"FROM {IMAGE}\nCOPY nothing /\n")
    assert missing.code == 1
    assert "COPY failed: file not found in build context or excluded by .dockerignore" in missing.stderr
    assert not docker("ps", "-aq", "--filter", "status=created").stdout


def test_the_cache_is_counted_and_pruned(build: Build, docker: Docker, engine: Engine, name: str) -> None:
    if not hasattr(engine, "data_root"):
        pytest.skip("prunes the cache of others")
    assert build(f"FROM {IMAGE}\nRUN echo {name} > /only-here\n").code == 0
    assert docker("rmi", name).code == 0
    listed = docker("system", "df", "-v").stdout
    assert "Build cache usage: 0B" not in listed
    pruned = docker("builder", "prune", "-af")
    assert (pruned.code, "Total reclaimed space: 0B" in pruned.stdout) == (0, False)
    assert "Running in" in build(f"FROM {IMAGE}\nRUN echo {name} > /only-here\n").stdout
