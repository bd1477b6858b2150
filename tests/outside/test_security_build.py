"""Does a build stay inside of what it was given? Rows E01–E20 of the catalogue (tests/security.toml)."""

import io
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker as docker_py
import pytest
from docker.errors import APIError

from archives import Member, file, link, tar
from engine import Client, Engine
from expect import IMAGE, OUTSIDE

Build = Callable[..., str]
SECRET = "hunter2-marker-nobody-else-has"


@pytest.fixture
def api(engine: Client) -> Iterator[docker_py.APIClient]:
    """The engine's API."""
    if OUTSIDE:
        pytest.skip("the defences of this engine")
    client = docker_py.APIClient(base_url=f"unix://{engine.socket}", timeout=60)
    yield client
    client.close()


@pytest.fixture
def build(api: docker_py.APIClient, name: str) -> Iterator[Build]:
    """Builds a Dockerfile over members of a context; everything that was said, errors as `error: …`."""

    def run(text: str, *members: Member, **asked: Any) -> str:
        context = io.BytesIO(tar([file("Dockerfile", text.encode()), *members]))
        said = ""
        try:
            for message in api.build(fileobj=context, custom_context=True, tag=name, decode=True, **asked):
                said += message.get("stream", "") + ("error: " + message["error"] if "error" in message else "")
        except APIError as error:
            said += f"error: {error.explanation}"
        return said

    yield run
    try:
        api.remove_image(name, force=True)
    except APIError:
        pass  # it was never built


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A file of this machine that no build may read or change."""
    path = tmp_path / "canary"
    path.write_text("canary of the host")
    return path


def pid_of(engine: Client) -> int:
    """The daemon's process."""
    assert isinstance(engine, Engine)
    return engine.pid


def test_a_malformed_build_ends_alone(build: Build, engine: Client, api: docker_py.APIClient) -> None:
    """E01 E18: nothing in a Dockerfile or a request ends the daemon, and bombs are bounded."""
    before = pid_of(engine)
    bomb = "ENV A=" + "x" * 1000 + "\n" + "".join("ENV A=$A$A$A$A$A\n" for _ in range(9))
    for text in (
        "", "\0",
        "FROM", f"FROM {IMAGE}\n{bomb}RUN true\n", f"FROM {IMAGE}\nRUN <<EOF\n" + "x\n" * 10, "FROM a\n" * 1500,
        f"FROM {IMAGE}\n" + "ENV A=1\n" * 5001, f"FROM {IMAGE} AS a\nCOPY --from=a / /\n", "FROM ${" * 200,
        f"FROM {IMAGE}\nENV A=" + "${A:-" * 200 + "\n",
    ):  # fmt: skip
        assert "error: " in build(text), text[:60]
    for body in (b"", b"not a tar", b"\x1f\x8b\x08broken", tar([file("Dockerfile", b"FROM x")])[:515]):
        with pytest.raises(APIError):
            list(api.build(fileobj=io.BytesIO(body), custom_context=True, decode=True))
    for query in (
        "buildargs=[1]",
        "labels=%7B",
        "ulimits=x",
        "t=UPPER",
        "platform=a/b/c/d/e",
        "buildargs=%7B%22a%22:1%7D",
    ):
        assert api._post(f"{api.base_url}/v1.41/build?{query}", data=b"").status_code in (400, 404)
    assert pid_of(engine) == before
    assert "Successfully built" in build(f"FROM {IMAGE}\n")


def test_what_a_copy_reads_is_in_the_context(build: Build, canary: Path) -> None:
    """E05 E12 E13 E15: no name or link in a context leads to the host, neither for COPY nor for a mount."""
    hostile = [
        link("link", str(canary)), link("up", "../../../../../../../.." + str(canary)), link("dir", str(canary.parent)),
        link("proc", "/proc/self/root" + str(canary)), file("etc/mine", b"of the context"), link("abs", "/etc/mine"),
    ]  # fmt: skip
    for source in ("link", "up", "dir/canary", "proc", f"../../../..{canary}", str(canary), "dir/../canary"):
        assert "error: " in build(f"FROM {IMAGE}\nCOPY {source} /x\n", *hostile), source
        said = build(f"FROM {IMAGE}\nRUN --mount=type=bind,source={source},target=/x cat /x\n", *hostile)
        assert "error: " in said and "canary of the host" not in said, source
    said = build(f"FROM {IMAGE}\nCOPY abs /x\nCOPY . /all\nRUN cat /x; cat /all/link || echo dangling\n", *hostile)
    assert "of the context" in said and "dangling" in said
    for escape in ("../outside", "/../../outside", "a/../../outside"):
        said = build(f"FROM {IMAGE}\n", file(escape, b"x"))
        assert "error: " in said or not (canary.parent / "outside").exists()
    assert "error: " in build(f"FROM {IMAGE}\n", link("hard", str(canary), tarfile.LNKTYPE))
    assert canary.read_text() == "canary of the host"


def test_an_archive_is_unpacked_inside(build: Build, canary: Path) -> None:
    """E12 E15: ADD of a tar with hostile names, links and devices."""
    inner = tar([link("d", "/etc"), file("d/new", b"inside")])
    said = build(
        f"FROM {IMAGE}\nADD a.tar /t/\nRUN cat /t/etc/new; ls /etc/new || echo not there\n", file("a.tar", inner)
    )
    assert "inside" in said.partition("Running in")[2] and "not there" in said, said
    assert "error: " in build(f"FROM {IMAGE}\nADD a.tar /t/\n", file("a.tar", tar([file("../../x", b"")])))
    outside = tar([link("x", str(canary), tarfile.LNKTYPE)])
    assert "error: " in build(f"FROM {IMAGE}\nADD a.tar /t/\n", file("a.tar", outside))
    whiteout = tar([file("x/.wh.passwd", b"")])
    assert "error: " in build(f"FROM {IMAGE}\nADD a.tar /etc/\n", file("a.tar", whiteout))
    assert canary.read_text() == "canary of the host"


def test_mount_points_are_left_out_and_nothing_else(build: Build, canary: Path) -> None:
    """E03 E17: the stubs of mounts are not in the layer; what the step put in their place is, and stays inside."""
    said = build(
        f"FROM {IMAGE}\n"
        f"RUN --mount=type=tmpfs,target=/stub/in rm -rf /other; ln -s {canary.parent} /other; true\n"
        "RUN --mount=type=cache,target=/stub/deep/er true\n"
        "RUN test ! -e /stub && readlink /other && echo clean\n"
    )
    assert f"{canary.parent}\nclean" in said
    assert canary.read_text() == "canary of the host"


def test_nothing_is_granted_that_was_not_asked_for(build: Build) -> None:
    """E04 E07: entitlements and words that are not known."""
    for flag in (
        "--security=insecure", "--network=host", "--security=Insecure", "--security=", "--network=container:x",
        "--security=1",
        "--mount=type=bind,target=/x,bind-propagation=rshared", "--mount=type=host,target=/x", "--device=all",
    ):  # fmt: skip
        assert "error: " in build(f"FROM {IMAGE}\nRUN {flag} true\n"), flag


def test_ids_and_names_are_no_paths(build: Build, engine: Client) -> None:
    """E06 E08: cache ids, secret ids and stage names with slashes, dots and NULs."""
    assert isinstance(engine, Engine)
    for number, name in enumerate(("../../../../escape", "/escape", ".", "..", "a/b", "x" * 300)):
        said = build(f"FROM {IMAGE}\nRUN --mount=type=cache,id={name},target=/c echo {number} > /c/f; cat /c/f\n")
        assert f"{number}\n" in said
    assert "error: " in build(f"FROM {IMAGE}\nRUN --mount=type=cache,id=a\0b,target=/c true\n")
    names = [entry.name for entry in (engine.data_root / "build-cache").iterdir()]
    assert all(len(name) == 64 and set(name) <= set("0123456789abcdef") for name in names)
    assert not list(engine.root.rglob("escape*"))


def test_two_builds_that_share_a_cache_cannot_move_it(build: Build, canary: Path) -> None:
    """E02: what lies in a shared cache directory, and becomes a link, is not followed by the next mount."""
    said = build(
        f"FROM {IMAGE}\n"
        f"RUN --mount=type=cache,id=e02,target=/c mkdir -p /c/sub && rm -rf /c/sub && ln -s {canary.parent} /c/sub\n"
        "RUN --mount=type=cache,id=e02,target=/c cat /c/sub/canary || echo nothing there\n"
        "RUN --mount=type=cache,id=e02,target=/c,source=sub cat /c/canary || echo nothing\n"
    )
    assert "nothing there" in said
    assert "canary of the host" not in said


def test_addresses_of_git_are_no_options(build: Build) -> None:
    """E09 E10 E11: what an address or a ref says is never more than that, and passwords are not told."""
    for url in (
        "https://example.com/x.git#main:../../etc", "git://host/x.git#--upload-pack=touch", "ext::sh -c true.git",
        "git@host:x.git", "https://user:pass@host/x.git", "file:///etc/passwd", "ssh://-oProxyCommand=x/y.git",
    ):  # fmt: skip
        said = build(f"FROM {IMAGE}\nADD {url.replace(' ', '_')} /x\n")
        assert "error: " in said and "pass@" not in said.partition("error: ")[2].partition("\n")[0], url


def test_a_download_is_called_after_its_url(build: Build) -> None:
    """E14: a URL whose last part could be a path is refused; addresses that cannot be reached are errors."""
    for url in ("http://127.0.0.1:9/%2e%2e", "http://127.0.0.1:9/a%2f..%2f..%2fb", "http://127.0.0.1:9/x", "http:///x"):
        assert "error: " in build(f"FROM {IMAGE}\nADD {url} /x/\n"), url


def test_secrets_stay_out_of_everything(engine: Client, name: str, tmp_path: Path) -> None:
    """E16 E17: a secret is in no layer, history, cache, log, environment or argument; nor a password of a URL."""
    assert isinstance(engine, Engine)
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "Dockerfile").write_text(
        f"FROM {IMAGE}\nRUN --mount=type=secret,id=s,mode=0444 wc -c < /run/secrets/s\n"
        'RUN --mount=type=secret,id=s,env=TOKEN test -n "$TOKEN"\n'
        "RUN test ! -e /run/secrets && echo clean\n"
    )
    (tmp_path / ".dockerignore").write_text("secret\n")
    done = engine.sampan(
        "build", "-t", name, "--progress", "plain", "--secret", f"id=s,src={tmp_path}/secret",
        "--build-arg", "HTTP_PROXY=http://user:" + SECRET + "@127.0.0.1:9", str(tmp_path),
    )  # fmt: skip
    assert done.code == 0, done.stdout + done.stderr
    assert f"{len(SECRET)}\n" in done.stdout and "clean" in done.stdout
    shown = engine.docker("image", "inspect", name).stdout + engine.docker("history", "--no-trunc", name).stdout
    shown += engine.docker("system", "df", "-v").stdout + engine.log.read_text()
    assert SECRET not in shown
    found = subprocess.run(
        ["grep", "-rlF", SECRET, str(engine.root), str(engine.run_root)], capture_output=True, text=True, check=False
    )
    assert not found.stdout
    assert SECRET.encode() not in Path(f"/proc/{engine.pid}/cmdline").read_bytes()
    assert SECRET.encode() not in Path(f"/proc/{engine.pid}/environ").read_bytes()
    assert engine.docker("rmi", name).code == 0


def test_a_remote_frontend_is_not_run(build: Build) -> None:
    """E19: `# syntax=` names a language; the builder's own reads it, and no image is fetched or executed for it."""
    said = build(f"# syntax=example.com/evil/frontend:latest\nFROM {IMAGE}\nRUN echo own frontend\n")
    assert "own frontend" in said and "error: " not in said


def test_a_step_has_the_walls_of_a_container(build: Build, engine: Client) -> None:
    """E20 E08: capabilities, seccomp, masked paths, namespaces and devices of a RUN are those of a run."""
    script = (
        "grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status; ls /dev | sort | tr '\\n' ' '; "
        "cat /proc/kcore 2>&1 | head -c 9; (echo x > /proc/sys/kernel/core_pattern) 2>&1; "
        "(mount -t tmpfs x /mnt) 2>&1; (mknod /tmp/d b 8 0 && cat /tmp/d) 2>&1; unshare -n true 2>&1; id -u"
    )
    said = build(f"FROM {IMAGE}\nRUN {script}\n")
    assert "Running in" in said, said
    run = engine.docker("run", "--rm", "--network", "none", IMAGE, "sh", "-c", script)
    inside = said.partition("Running in ")[2].partition("\n")[2].partition("Removing intermediate")[0]
    ours, theirs = inside.splitlines(), (run.stdout + run.stderr).splitlines()
    for word in ("CapEff", "CapBnd", "CapPrm", "CapInh", "CapAmb", "NoNewPrivs", "Seccomp"):
        seen, wanted = ([line for line in lines if line.startswith(word)] for lines in (ours, theirs))
        assert seen == wanted != [], word
    nodes, wanted_nodes = (next(line for line in lines if "null" in line) for lines in (ours, theirs))
    assert nodes.partition(" cat:")[0] == wanted_nodes.partition(" cat:")[0]
    assert inside.count("ermission denied") + inside.count("not permitted") + inside.count("ead-only") >= 3, inside


def test_bounds_of_a_context(build: Build) -> None:
    """E18: patterns and links that would make a matcher or a resolver work for ever."""
    loop = [link("a", "b"), link("b", "a")]
    assert "too many levels of symbolic links" in build(f"FROM {IMAGE}\nCOPY a /x\n", *loop)
    deep = [file("/".join(["d"] * 200), type=tarfile.DIRTYPE)]
    assert "error: " not in build(f"FROM {IMAGE}\nCOPY **/d /x/\n", *deep)
    names = [file("a" * 100 + str(number), b"") for number in range(50)]
    assert "error: " in build(f"FROM {IMAGE}\nCOPY {'*a' * 33}b /x/\n", *names)
