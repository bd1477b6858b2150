"""What comes of git repositories, as contexts and in ADD? Served on loopback; the last test's mean no good."""

import os
import signal
import socket
import stat
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from dulwich.objects import Blob, Commit, ObjectID, Tag, Tree
from dulwich.refs import Ref
from dulwich.repo import MemoryRepo, Repo
from dulwich.server import DictBackend
from dulwich.web import make_wsgi_chain

from engine import Engine, eventually, processes
from expect import IMAGE
from sampan.linux import netns

MOMENT = 1_600_000_000
LINK, FILE, PROGRAM, DIRECTORY, SUBMODULE = 0o120000, 0o100644, 0o100755, 0o40000, 0o160000
Files = dict[bytes, "tuple[int, bytes] | Files"]


class QuietHandler(WSGIRequestHandler):
    """Says nothing; notes who asked with which password."""

    seen: ClassVar[list[str]] = []

    def log_message(self, format: str, *args: Any) -> None:
        """Nowhere."""
        self.seen.append(self.headers.get("Authorization") or "")


def tree_of(repository: MemoryRepo, files: Files) -> ObjectID:
    """A directory with these files, in the repository."""
    tree = Tree()
    for name, what in files.items():
        if isinstance(what, dict):
            tree.add(name, DIRECTORY, tree_of(repository, what))
        elif what[0] == SUBMODULE:
            tree.add(name, SUBMODULE, ObjectID(what[1]))
        else:
            blob = Blob.from_string(what[1])
            repository.object_store.add_object(blob)
            tree.add(name, what[0], blob.id)
    repository.object_store.add_object(tree)
    return tree.id


def commit(repository: MemoryRepo, files: Files, *refs: str) -> str:
    """A commit of these files; its id."""
    made = Commit()
    made.tree = tree_of(repository, files)
    made.author = made.committer = b"A <a@example.com>"
    made.author_time = made.commit_time = MOMENT
    made.author_timezone = made.commit_timezone = 0
    made.message = b"files"
    repository.object_store.add_object(made)
    for ref in refs:
        repository.refs[Ref(ref.encode())] = made.id
    return made.id.decode()


@pytest.fixture
def repository() -> MemoryRepo:
    """Empty."""
    return MemoryRepo()


@pytest.fixture
def other() -> MemoryRepo:
    """Another one, empty too."""
    return MemoryRepo()


@pytest.fixture
def url(own_engine: Engine, repository: MemoryRepo, other: MemoryRepo) -> Iterator[str]:
    """Where it is served, in the engine's network namespace."""
    QuietHandler.seen.clear()
    app = make_wsgi_chain(DictBackend({"/x.git": repository, "/other.git": other}))
    namespace = os.open(f"/proc/{own_engine.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        made = netns.inside(namespace, lambda: make_server("127.0.0.1", 0, app, WSGIServer, QuietHandler))
    finally:
        os.close(namespace)
    with made as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/x.git"
        server.shutdown()
        thread.join(10)


def tell(engine: Engine, *words: str) -> str:
    """Everything that a build says."""
    done = engine.sampan("build", "--progress", "plain", *words)
    return f"{done.stdout}{done.stderr}code {done.code}"


def modules(**urls: str) -> "tuple[int, bytes]":
    """A .gitmodules that says where repositories are, by path."""
    text = "".join(f'[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n' for path, url in urls.items())
    return FILE, text.encode()


def test_submodules_come_along(own_engine: Engine, repository: MemoryRepo, other: MemoryRepo, url: str) -> None:
    dockerfile = FILE, f"FROM {IMAGE}\nCOPY . /c\nRUN cd /c && find . -type f | sort && cat one/f\n".encode()
    # The one that is meant is no branch's newest: then the server gives it away with all history only.
    meant = commit(other, {b"f": (FILE, b"of the submodule\n"), b"d": {b"g": (PROGRAM, b"g\n")}}, "refs/heads/main")
    inner = commit(other, {b".gitmodules": modules(deep="../other.git"), b"deep": (SUBMODULE, meant.encode())})
    newest = Commit.from_string(other[ObjectID(inner.encode())].as_raw_string())
    newest.parents = [ObjectID(meant.encode())]
    other.object_store.add_object(newest)
    other.refs[Ref(b"refs/heads/main")] = newest.id
    other.refs.set_symbolic_ref(Ref(b"HEAD"), Ref(b"refs/heads/main"))
    files: Files = {
        b"Dockerfile": dockerfile, b".gitmodules": modules(one="../other.git", two=url.replace("x.git", "other.git")),
        b"one": (SUBMODULE, meant.encode()), b"two": (SUBMODULE, newest.id), b"none": (SUBMODULE, b"1" * 40),
    }  # fmt: skip
    commit(repository, files, "refs/heads/main")
    repository.refs.set_symbolic_ref(Ref(b"HEAD"), Ref(b"refs/heads/main"))
    with_password = url.replace("http://", "http://someone:secret@")
    said = tell(own_engine, f"{with_password}?submodules=true")
    for line in ("./one/d/g", "./one/f", "./two/.gitmodules", "./two/deep/d/g", "./two/deep/f", "of the submodule"):
        assert f"{line}\n" in said, said
    assert "secret" not in said
    assert "./one/d/g" not in tell(own_engine, url), "they are the repository's choice: who wants them says so (E11)"
    below = f"FROM {IMAGE}\nCOPY . /c\nRUN cd /c && find . -type f | sort\n".encode()
    inside: Files = {b"Dockerfile": (FILE, below), b"sub": (SUBMODULE, meant.encode())}
    listed = {"in/sub": "../other.git", "sub": "../nothing.git"}
    commit(repository, {b"in": inside, b".gitmodules": modules(**listed)}, "refs/heads/below")
    assert "./Dockerfile\n./sub/d/g\n./sub/f\n" in tell(own_engine, f"{url}?submodules=1#below:in")


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("ssh://git@example.com/x", "its submodule sub: the git repository"),
        ("/etc", "its submodule sub: invalid git URL"),
        ("file:///etc", "its submodule sub: invalid git URL"),
        ("--upload-pack=x", "its submodule sub: invalid git URL"),
        ("../../../x.git", "leads out of its server"),
        ("../nothing.git", "its submodule sub: there is no repository"),
        ("./", "its submodule sub: it does not contain ref"),
    ],
)
def test_submodules_that_lead_elsewhere(
    own_engine: Engine, repository: MemoryRepo, url: str, where: str, sentence: str
) -> None:
    files: Files = {b"Dockerfile": (FILE, b"FROM scratch\n"), b".gitmodules": modules(sub=where)}
    first = commit(repository, files | {b"sub": (SUBMODULE, b"1" * 40)}, "refs/heads/main")
    commit(repository, files | {b"sub": (SUBMODULE, first.encode())}, "refs/heads/main")
    repository.refs.set_symbolic_ref(Ref(b"HEAD"), Ref(b"refs/heads/main"))
    said = tell(own_engine, f"{url}?submodules=true")
    assert "failed to read the git repository" in said and sentence in said and "code 1" in said, said


@pytest.mark.parametrize(("deep", "many", "code"), [(8, 1, 0), (9, 1, 1), (1, 201, 1)])
def test_submodules_are_bounded(
    own_engine: Engine, repository: MemoryRepo, other: MemoryRepo, url: str, deep: int, many: int, code: int
) -> None:
    inner = commit(other, {b"f": (FILE, b"")}, "refs/heads/0")
    for number in range(1, deep):
        below: Files = {b".gitmodules": modules(sub="../other.git"), b"sub": (SUBMODULE, inner.encode())}
        inner = commit(other, below, f"refs/heads/{number}")
    paths = [f"m{number}" for number in range(many)]
    files: Files = {path.encode(): (SUBMODULE, inner.encode()) for path in paths}
    files |= {
        b"Dockerfile": (FILE, b"FROM scratch\nCOPY . /\n"),
        b".gitmodules": modules(**dict.fromkeys(paths, "../other.git")),
    }
    commit(repository, files, "refs/heads/main")
    repository.refs.set_symbolic_ref(Ref(b"HEAD"), Ref(b"refs/heads/main"))
    said = tell(own_engine, f"{url}?submodules=true")
    assert said.endswith(f"code {code}") and ("it has more than 200 submodules" in said) == bool(code), said


def test_a_repository_is_a_context_or_a_source(
    own_engine: Engine, repository: MemoryRepo, url: str, tmp_path: Path
) -> None:
    dockerfile = (
        f"FROM {IMAGE}\nCOPY . /c\nRUN cat /c/f; ls -a /c; stat -c '%a %n' /c/run; readlink /c/link; ls /c/sub\n"
    )
    files: Files = {
        b"Dockerfile": (FILE, dockerfile.encode()), b"f": (FILE, b"of main\n"), b"run": (PROGRAM, b"#!/bin/sh\n"),
        b"link": (LINK, b"/etc/passwd"), b"sub": (SUBMODULE, b"1" * 40), b"ignored": (FILE, b"canary"),
        b".dockerignore": (FILE, b"ignored\n"),
        b"dir": {b"Dockerfile": (FILE, f"FROM {IMAGE}\nCOPY f /g\nRUN cat /g\n".encode()), b"f": (FILE, b"below\n")},
    }  # fmt: skip
    main = commit(repository, files, "refs/heads/main")
    repository.refs.set_symbolic_ref(Ref(b"HEAD"), Ref(b"refs/heads/main"))
    older = commit(repository, {**files, b"f": (FILE, b"of the branch\n")}, "refs/heads/feature/x")
    tag = Tag()
    tag.name, tag.message, tag.tagger, tag.tag_time, tag.tag_timezone = b"v1", b"v1", b"A <a@x>", MOMENT, 0
    tag.object = (Commit, ObjectID(older.encode()))
    repository.object_store.add_object(tag)
    repository.refs[Ref(b"refs/tags/v1")] = tag.id

    said = tell(own_engine, url)
    assert "of main" in said and "755 /c/run" in said and "/etc/passwd" in said and said.endswith("code 0"), said
    assert "ignored" not in said and ".git" not in said.replace("x.git", "").replace(".gitignore", ""), said
    assert "Using cache" in tell(own_engine, f"{url}#main") and "Using cache" in tell(own_engine, f"{url}#{main}")
    for ref in ("v1", "feature/x", older[:9]):
        assert "of the branch" in tell(own_engine, "--no-cache", f"{url}#{ref}"), ref
    assert "below" in tell(own_engine, f"{url}#main:dir") and tell(own_engine, f"{url}#:dir/").count("Using cache") == 2
    assert "does not contain ref nowhere" in tell(own_engine, f"{url}#nowhere")
    assert "does not contain ref 0123456789" in tell(own_engine, f"{url}#0123456789")

    (tmp_path / "Dockerfile").write_text(
        f"FROM scratch\nADD --keep-git-dir=true --checksum={main[:12]} {url} /kept\nADD --chown=3:4 {url}#v1:dir /d\n"
        "COPY --from=named f /named\n"
    )
    out = tmp_path / "out"
    archive = tmp_path / "out.tar"
    outputs = ("-o", f"type=local,dest={out}", "-o", f"type=tar,dest={archive}")
    said = tell(own_engine, *outputs, "--build-context", f"named={url}#v1", str(tmp_path))
    assert said.endswith("code 0"), said
    with Repo(str(out / "kept")) as kept:
        assert kept.head().decode() == main
        assert {entry.path for entry in kept.object_store.iter_tree_contents(kept[kept.head()].tree)} == {
            *kept.open_index()
        }
    assert (out / "kept" / "run").stat().st_mtime == MOMENT and (out / "kept" / "ignored").read_text() == "canary"
    assert (out / "d" / "f").read_text() == "below\n"
    with tarfile.open(archive) as tar:
        assert {member.uid for member in tar if member.name.endswith("d/f")} == {3}
    assert not (out / "d" / ".git").exists() and (out / "named").read_text() == "of the branch\n"
    (tmp_path / "Dockerfile").write_text(f"FROM scratch\nADD --checksum={older} {url} /x\n")
    assert "digest mismatch" in tell(own_engine, str(tmp_path))
    secret = "hunter2-of-the-url"
    assert "code 0" in tell(own_engine, url.replace("http://", f"http://me:{secret}@"))
    assert any(QuietHandler.seen) and secret not in own_engine.log.read_text()
    assert not list((own_engine.data_root / "builds").iterdir())


def test_a_hostile_repository_leaks_nothing(
    own_engine: Engine, repository: MemoryRepo, url: str, tmp_path: Path
) -> None:
    """E09 E10 E11: directories that are links, names that are paths, hooks, addresses of the host."""
    canary = tmp_path / "canary"
    canary.write_text("canary of the host")
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN echo canary built\n")
    look = f"FROM {IMAGE}\nCOPY d/canary /x\nRUN cat /x\n".encode()
    commit(repository, {
        b"d": (LINK, str(tmp_path).encode()), b"up": (LINK, b"../../../../../../.."), b"f": (FILE, b""),
        b"Dockerfile": (FILE, look), b"s": (SUBMODULE, b"2" * 40),
        b"hooks": {b"post-checkout": (PROGRAM, f"#!/bin/sh\ntouch {tmp_path}/ran\n".encode())},
        b".gitmodules": (FILE, f'[submodule "s"]\n\tpath = s\n\turl = {tmp_path}\n'.encode()),
    }, "refs/heads/main")  # fmt: skip
    for fragment in ("main", "main:d", "main:up", f"main:up{tmp_path}", "main:../..", "main:f", "main:d/.."):
        said = tell(own_engine, f"{url}#{fragment}")
        assert said.endswith("code 1") and "canary" not in said.replace("d/canary", ""), said
    for number, name in enumerate((b"..", b".git", b".GIT", b"a/../../x", b".")):
        commit(repository, {b"Dockerfile": (FILE, look), name: (FILE, b"x")}, f"refs/heads/bad{number}")
        assert "file of the name" in tell(own_engine, f"{url}#bad{number}"), name
    commit(repository, {b"Dockerfile": (FILE, look), b"node": (stat.S_IFCHR | 0o644, b"")}, "refs/heads/node")
    assert "neither a file" in tell(own_engine, f"{url}#node")
    for ref in ("--upload-pack=touch", "-x", "a b", "a..b", "$(touch x)", "main\n"):
        assert "invalid git ref" in tell(own_engine, f"{url}#{ref}"), ref
    for address in (
        f"file://{tmp_path}/x.git", f"ext::sh -c touch% {tmp_path}/ran.git", "git@host:x.git",
        "ssh://-oProxyCommand=x/y.git",
        "http://-x/y.git", "git://127.0.0.1:1/x.git", "http://127.0.0.1:1/x.git", "http://127.0.0.1:x/y.git",
    ):  # fmt: skip
        said = tell(own_engine, address)
        assert said.endswith("code 1") and "Traceback" not in said and "AssertionError" not in said, said
    assert not (tmp_path / "ran").exists() and not list((own_engine.data_root / "builds").iterdir())
    assert own_engine.docker("version").code == 0


def test_a_server_that_says_nothing_is_left_with_its_client(own_engine: Engine, tmp_path: Path) -> None:
    def readers() -> list[int]:
        found = []
        for pid in processes(own_engine):
            with suppress(OSError):  # it ended meanwhile
                if b"git_reader" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
        return found

    namespace = os.open(f"/proc/{own_engine.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        mute = netns.inside(namespace, lambda: socket.create_server(("127.0.0.1", 0)))
    finally:
        os.close(namespace)
    with mute:
        command = [sys.executable, "-m", "sampan", "build", f"git://127.0.0.1:{mute.getsockname()[1]}/x.git"]
        client = subprocess.Popen(command, env=own_engine.environment(), stderr=subprocess.DEVNULL)
        try:
            assert eventually(lambda: len(readers()) == 1, 20)
            client.send_signal(signal.SIGINT)
        finally:
            client.wait(20)
        assert eventually(lambda: not readers(), 20)
        assert eventually(lambda: not list((own_engine.data_root / "builds").iterdir()), 20)
