"""Do cp, diff and export do what dockerd's do? Recorded from dockerd; its client and our own are told the same."""

import base64
import io
import json
import re
import stat
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from archives import file, link, tar
from engine import Client, Engine, Result
from expect import DETACHED, IMAGE, ONCE, OUTSIDE, Docker, says
from rawhttp import Answer, call

SCRIPT = """
mkdir -p /d/sub /w; echo hi >/d/f; ln -s f /d/lf; ln -s /d /ld; ln -s /nosuch /dangling; ln -s sub /d/ls; mkfifo /d/fifo
chmod 4755 /d/f; ln /d/f /d/hard; echo x >'/d/n x'; rm /etc/group; rm -r /home; mkdir /home; rm -r /var; rm -r /tmp
mkdir /tmp; chmod 1777 /tmp; echo >>/etc/passwd; touch /ready; sleep 1000
"""
# path → (name, Go's mode, link target, members of the tar) or the status of the refusal; dockerd says 500 for some.
GO_DIRECTORY, GO_LINK, GO_PIPE, GO_SETUID = 1 << 31, 1 << 27, 1 << 25, 1 << 23
IN_D = ["f", "fifo", "hard", "lf", "ls", "n x", "sub"]
DIRECTORY = GO_DIRECTORY | 0o755
LOOKS: dict[str, tuple[str, int, str, list[str]] | int] = {
    "/d/f": ("f", GO_SETUID | 0o755, "", ["f"]),
    "d/f": ("f", GO_SETUID | 0o755, "", ["f"]),
    "/d": ("d", DIRECTORY, "", ["d", *(f"d/{name}" for name in IN_D)]),
    "/d/": ("d", DIRECTORY, "", ["d", *(f"d/{name}" for name in IN_D)]),
    "/d/.": (".", DIRECTORY, "", [".", *(f"./{name}" for name in IN_D)]),
    "/etc/../../d": ("d", DIRECTORY, "", ["d", *(f"d/{name}" for name in IN_D)]),
    "/ld": ("ld", GO_LINK | 0o777, "/d", ["ld"]),
    "/ld/": ("ld", DIRECTORY, "", ["ld", *(f"ld/{name}" for name in IN_D)]),
    "/ld/.": (".", DIRECTORY, "", [".", *(f"./{name}" for name in IN_D)]),
    "/d/lf": ("lf", GO_LINK | 0o777, "/d/f", ["lf"]),
    "/d/ls": ("ls", GO_LINK | 0o777, "/d/sub", ["ls"]),
    "/dangling": ("dangling", GO_LINK | 0o777, "/nosuch", ["dangling"]),
    "/d/fifo": ("fifo", GO_PIPE | 0o644, "", ["fifo"]),
    "/data": ("data", DIRECTORY, "", ["data"]),
    "/nosuch": 404,
    "/nosuch/x": 404,
    "/proc/1/root": 404,
    "/d/f/": 400,
    "/d/f/x": 400,
    "": 400,
}


@pytest.fixture(scope="module")
def box(engine: Client) -> Iterator[str]:
    """A container with all kinds of files, a read-only volume, a volume at /w and memory at /t."""
    name = "copybox"
    mounts = ["-v", "copybox-ro:/data:ro", "-v", "copybox-w:/w", "--tmpfs", "/t"]
    says(engine.docker(*DETACHED, "--name", name, *mounts, IMAGE, "sh", "-c", SCRIPT), "[0-9a-f]{64}\n")
    assert engine.docker("exec", name, "sh", "-c", "until [ -e /ready ]; do :; done").code == 0
    yield name
    engine.docker("rm", "-fv", name)
    engine.docker("volume", "rm", "copybox-ro", "copybox-w")


def archive(
    engine: Client, method: str, container: str, path: str, body: bytes | None = None, extra: str = ""
) -> Answer:
    """One request to the archive API."""
    from urllib.parse import quote

    target = f"/v1.41/containers/{container}/archive?path={quote(path, safe='')}{extra}"
    return call(
        engine.socket, method, target, body, {"Content-Type": "application/x-tar"} if body is not None else None
    )


@pytest.mark.parametrize("path", LOOKS)
def test_what_is_at_a_path_and_its_tar(engine: Client, box: str, path: str) -> None:
    wanted = LOOKS[path]
    looked, read = archive(engine, "HEAD", box, path), archive(engine, "GET", box, path)
    if isinstance(wanted, int):
        allowed = (wanted, 500) if OUTSIDE else (wanted,)
        assert looked.status in allowed
        assert read.status in allowed
        return
    for answer in (looked, read):
        assert answer.status == 200
        found = json.loads(base64.b64decode(answer.headers["x-docker-container-path-stat"]))
        assert set(found) == {"name", "size", "mode", "mtime", "linkTarget"}
        assert (found["name"], found["mode"], found["linkTarget"]) == wanted[:3]
    assert read.headers["content-type"] == "application/x-tar"
    with tarfile.open(fileobj=io.BytesIO(read.body)) as members:
        assert sorted(members.getnames()) == sorted(wanted[3])
        if "d/f" in wanted[3]:
            assert members.getmember("d/f").mode & 0o7777 == 0o4755
            assert members.getmember("d/hard").linkname == "d/f"
            assert members.getmember("d/lf").linkname == "f"


def put(engine: Client, container: str, path: str, *members: object, extra: str = "") -> Answer:
    """Extract some members."""
    return archive(engine, "PUT", container, path, tar(members), extra)  # type: ignore[arg-type]


def test_where_a_tar_goes_and_what_stands_in_its_way(engine: Client, box: str) -> None:
    one = file("a/x", b"1", uid=1234, gid=4321, mode=0o640)
    exec_ = ("exec", box, "sh", "-c")
    assert put(engine, box, "/w", one).status == 200
    says(engine.docker(*exec_, "stat -c '%a %u %g' /w/a/x; stat -c '%a %u' /w/a"), "640 1234 4321\n755 0\n")
    for path, status, sentence in (
        ("/data", 403, "mounted volume is marked read-only"),
        ("/nosuch", 404, f"Could not find the file /nosuch in container {box}"),
        ("/dangling", 404, f"Could not find the file /dangling in container {box}"),
        ("/d/f", 400, "extraction point is not a directory"),
        ("", 400, "bad parameter: pathcannot be empty"),
    ):
        answer = put(engine, box, path, one)
        assert answer.message() == sentence
        assert answer.status == status or (OUTSIDE and answer.status == 500)
    assert put(engine, box, "/ld/sub", one).status == 200
    says(engine.docker(*exec_, "cat /d/sub/a/x; rm -r /d/sub/a /w/a"), "1")
    engine.docker(*exec_, "mkdir -p /w/a/x/y; echo >/w/b")
    for member, words in ((one, "directory"), (file("b", type=tarfile.DIRTYPE), "non-directory")):
        answer = put(engine, box, "/w", member, extra="&noOverwriteDirNonDir=true")
        assert answer.status in (400, 500)
        assert f"cannot overwrite {words}" in answer.message()
        assert put(engine, box, "/w", member).status == 200
    says(engine.docker(*exec_, "cat /w/a/x; ls -d /w/b/; rm -r /w/*"), "1/w/b/\n")


def test_members_with_names_that_lead_somewhere(engine: Client, box: str) -> None:
    """B07: links as images have them work, and nothing climbs."""
    exec_ = ("exec", box, "sh", "-c")
    good = [
        file("/absolute", b"a"), file("p/q/r", b"r"), file("h1", b"h"), link("h2", "h1", tarfile.LNKTYPE),
        link("h3", "/h1", tarfile.LNKTYPE), link("s", "/etc"), file("s/through", b"t"), file(".wh.x", b"w"),
        file("dev", type=tarfile.CHRTYPE, devmajor=1, devminor=3), file("./", type=tarfile.DIRTYPE, mode=0o700),
    ]  # fmt: skip
    assert put(engine, box, "/w", *good).status == 200
    script = "cat /w/absolute /w/p/q/r /w/h2 /w/h3 /etc/through /w/.wh.x; stat -c %t:%T /w/dev; stat -c %a:%h /w /w/h1"
    says(engine.docker(*exec_, f"{script}; rm -rf /w/* /w/.wh.x /etc/through"), "arhhtw1:3\n755:3\n755:3\n")
    for member, sentence in (
        (file("../evil"), '"../evil" is outside of "/w"'),
        (link("h", "../../etc/passwd", tarfile.LNKTYPE), "outside|invalid hardlink"),
        (link("h", "nosuch", tarfile.LNKTYPE), "no such file or directory"),
    ):
        answer = put(engine, box, "/w", member)
        assert answer.status in (400, 500)
        assert re.search(sentence, answer.message())
    for junk in (tar([file("x", b"y" * 9000)])[:5000], b"junkjunk"):
        answer = archive(engine, "PUT", box, "/w", junk)
        assert answer.status in (400, 500)
        assert re.search("unexpected (EOF|end)", answer.message())
    assert archive(engine, "PUT", box, "/w", b"").status == 200
    says(engine.docker(*exec_, "rm -rf /w/x; ls -A /w"), "")


def test_what_changed_and_the_export(engine: Client, box: str) -> None:
    lines = set(engine.docker("diff", box).stdout.splitlines())
    added = ["/d", *(f"/d/{name}" for name in IN_D), "/ld", "/dangling", "/ready", "/data", "/w", "/t"]
    wanted = {f"A {path}" for path in added} | {"D /etc/group", "C /etc", "C /etc/passwd", "D /var"}
    assert lines - {"C /home", "C /tmp"} == wanted
    exported = engine.docker("export", box).stdout  # bytes that are no text are lost here: only names count
    assert "d/hard" in exported
    answer = call(engine.socket, "GET", f"/v1.41/containers/{box}/export")
    with tarfile.open(fileobj=io.BytesIO(answer.body)) as members:
        names = set(members.getnames())
        assert {"d/f", "d/hard", "ld", "bin/busybox", "etc/passwd", "w", "proc"} <= names
        assert not any(
            name.startswith(("proc/", "sys/", "t/", "var", "w/", "/", ".")) for name in names - {".dockerenv"}
        )
        assert members.getmember("ld").linkname == "/d"
        assert members.getmember("d/f").mode & 0o7777 == 0o4755
    says(engine.docker("diff", "nosuch"), err="No such container: nosuch", code=1)
    assert call(engine.socket, "GET", "/v1.41/containers/nosuch/export").status == 404


def test_a_container_that_does_not_run_has_files_too(docker: Docker, engine: Client, name: str) -> None:
    docker("create", "--name", name, "-v", f"{name}-v:/v", "-v", "/etc", "--read-only", IMAGE, "cat", "/v/a")
    assert put(engine, name, "/v", file("a", b"in the volume\n")).status == 200
    answer = put(engine, name, "/home", file("a"))
    assert answer.message() == "container rootfs is marked read-only"
    assert archive(engine, "GET", name, "/etc/passwd").status == 200
    says(docker("start", "-a", name), "in the volume\n")
    assert docker("diff", name).stdout.split("\n")[0] in ("A /v", "")
    docker("rm", "-fv", name)
    says(docker("volume", "rm", f"{name}-v"), f"{name}-v\n")
    if OUTSIDE:
        return  # it looks for the user's name on the host, and sees no memory filesystems
    memory = f"{name}-m"
    docker(*DETACHED, "--name", memory, "--read-only", "--tmpfs", "/t", "-v", f"{name}-v:/v", IMAGE, "sleep", "1000")
    for path, status in (("/t", 200), ("/v", 200), ("/home", 403), ("/", 403)):
        assert put(engine, memory, path, file("a", b"here")).status == status, path
    says(docker("exec", memory, "cat", "/t/a", "/v/a"), "herehere")
    docker("rm", "-f", memory)
    docker("volume", "rm", f"{name}-v")
    docker("create", "--name", name, "-u", "www", IMAGE, "true")
    assert put(engine, name, "/home", file("a", uid=5), extra="&copyUIDGID=1").status == 200
    with tarfile.open(fileobj=io.BytesIO(archive(engine, "GET", name, "/home/a").body)) as members:
        assert (members.getmember("a").uid, members.getmember("a").gid) == (1000, 1000)
    says(docker("diff", name), "C /home\nA /home/a\n")


COPIES = """
d/f box:/newdir/                   | no such directory
d box:/etc/passwd                  | cannot copy directory
d box:/nope/x                      | Error response from daemon: Could not find the file /nope in container box
nosuch box:/                       | lstat HERE/nosuch: no such file or directory
box:/nosuch .                      | Error response from daemon: Could not find the file /nosuch in container box
box:/etc/passwd nodir/x            | invalid output path: directory "HERE/nodir" does not exist
box:/etc/passwd nodir/             | no such directory
box:/etc d/f                       | cannot copy directory
d nocont:/                         | Error response from daemon: No such container: nocont
box:/etc box:/x                    | copying between containers is not supported
d e                                | must specify at least one container source
d/f/ box:/                         | not a directory
-L dang box:/                      | lstat HERE/nowhere: no such file or directory
- box:/etc/passwd                  | destination "box:/etc/passwd" must be a directory
box:/dangling/x y                  | Error response from daemon: Could not find the file /dangling/x in container box
box:/etc/passwd d/                 |
dang box:/tmp                      |
fl box:/tmp/                       |
-L fl box:/tmp/fl2                 |
dl box:/tmp/dl1                    |
dl/ box:/tmp/dl2                   |
-L dl box:/tmp/dl3                 |
d/. box:/tmp/dd                    |
d/. box:/tmp/dd                    |
d box:/tmp/dd                      |
box:/tmp/dl1 .                     |
box:/tmp/dd/. x2                   |
box:/tmp/dd x2                     |
box:/tmp/dd x3                     |
box:/tmp/dd/f d/f                  |
box:/tmp/dd/f x9/                  | no such directory
box:/tmp/dd/d/sub x3/f             | cannot copy directory
box:/tmp/fl2 x3/passwd             |
box:/etc/. all                     |
"""
INSIDE = ["dang>nowhere", "dd/d/f", "dd/d/passwd", "dd/d/sub/", "dd/f", "dd/passwd", "dd/sub/", "dl1>d", "dl2/f",
          "dl2/passwd", "dl2/sub/", "dl3/f", "dl3/passwd", "dl3/sub/", "fl>d/f", "fl2"]  # fmt: skip
HERE = ["all/hostname", "all/hosts", "all/passwd", "all/resolv.conf", "d/f", "d/passwd", "d/sub/", "dang>nowhere",
        "dl1>d", "dl>d", "fl>d/f", "x2/d/f", "x2/d/passwd", "x2/d/sub/", "x2/dd/d/f", "x2/dd/d/passwd", "x2/dd/d/sub/",
        "x2/dd/f", "x2/dd/passwd", "x2/dd/sub/", "x2/f", "x2/passwd", "x2/sub/", "x3/d/f", "x3/d/passwd", "x3/d/sub/",
        "x3/f", "x3/passwd", "x3/sub/"]  # fmt: skip


def listed(top: Path) -> list[str]:
    """What is below a directory: files, empty directories, links with where they lead."""
    found = []
    for path in top.rglob("*"):
        name = str(path.relative_to(top))
        if path.is_symlink():
            found.append(f"{name}>{path.readlink()}")
        elif path.is_file():
            found.append(name)
        elif path.is_dir() and not list(path.iterdir()):
            found.append(name + "/")
    return sorted(found)


@pytest.mark.parametrize("client", ["docker", "sampan"])
def test_every_shape_of_copy(
    engine: Client, box: str, tmp_path: Path, client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d" / "sub").mkdir(parents=True)
    (tmp_path / "d" / "f").write_text("1\n")
    for name, target in (("dl", "d"), ("fl", "d/f"), ("dang", "nowhere")):
        (tmp_path / name).symlink_to(target)
    run: Callable[..., Result] = engine.docker if client == "docker" else engine.sampan
    engine.docker("exec", box, "sh", "-c", "rm -rf /tmp/*")
    for row in COPIES.strip().splitlines():
        words, _, sentence = (part.strip() for part in row.partition("|"))
        done = run("cp", *re.sub(r"\bbox:", f"{box}:", words).split())
        wanted = sentence.replace("HERE", str(tmp_path)).replace("box", box)
        said = [line for line in done.stderr.splitlines() if "level=error" not in line]
        assert (done.code, said) == ((1, [wanted]) if wanted else (0, [])), words
    assert [path for path in listed(tmp_path) if "mtab" not in path] == sorted(HERE)
    (tmp_path / "inside").mkdir()
    assert engine.docker("cp", f"{box}:/tmp/.", "inside").code == 0
    assert listed(tmp_path / "inside") == sorted(INSIDE)


@pytest.mark.skipif(bool(OUTSIDE), reason="ours alone")
def test_copies_that_docker_has_not(engine: Client, box: str, tmp_path: Path) -> None:
    """Several sources, wildcards, memory filesystems, volumes."""
    for name in ("a.txt", "b.txt", "c.log"):
        (tmp_path / name).write_text(name)
    mine = [str(tmp_path / name) for name in ("a.txt", "b.txt", "c.log")]
    says(engine.sampan("cp", *mine, f"{box}:/t"), "")
    says(engine.docker("exec", box, "ls", "/t"), "a.txt\nb.txt\nc.log\n")
    out = tmp_path / "out"
    out.mkdir()
    says(engine.sampan("cp", f"{box}:/t/*.txt", f"{box}:/d/[n-z]*", str(out)), "")
    assert listed(out) == ["a.txt", "b.txt", "n x", "sub/"]
    says(engine.sampan("cp", f"{box}:/t/*.nosuch", str(out)), err=f"no path in {box} matches /t/\\*.nosuch", code=1)
    says(engine.sampan("cp", *mine, f"{box}:/d/f"), err="must be a directory", code=1)
    says(engine.sampan("cp", f"{box}:/t/*.txt", mine[0]), err="must be a directory", code=1)
    says(engine.sampan("volume", "cp", mine[0], "copybox-w:/"), "")
    says(engine.docker("exec", box, "cat", "/w/a.txt"), "a.txt")
    says(engine.sampan("volume", "cp", "copybox-w:/*.txt", str(out / "again")), "")
    assert (out / "again").read_text() == "a.txt"
    says(engine.sampan("volume", "cp", "nosuch:/x", str(out)), err="get nosuch: no such volume", code=1)
    engine.docker("exec", box, "rm", "/w/a.txt")
    read = archive(engine, "GET", box, "/proc")
    with tarfile.open(fileobj=io.BytesIO(read.body)) as members:
        assert members.getnames() == ["proc"]
    assert archive(engine, "GET", box, "/proc/cpuinfo").status == 404
    assert put(engine, box, "/proc", file("x")).status == 403


@pytest.mark.skipif(bool(OUTSIDE), reason="ours alone")
def test_a_volume_is_backed_up_and_restored(docker: Docker, engine: Client, name: str, tmp_path: Path) -> None:
    fill = "cd /v; echo data >f; chmod 640 f; chown 5:6 f; ln f hard; ln -s /etc/passwd link; mkdir d; chmod 1777 d"
    says(docker(*ONCE, "-v", f"{name}:/v", IMAGE, "sh", "-c", fill), "")
    backup = tmp_path / "backup.tar"
    says(engine.sampan("volume", "export", "-o", str(backup), name), "")
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    says(engine.sampan("volume", "import", f"{name}-2", str(backup)), f"{name}-2\n")
    says(engine.sampan("volume", "clone", name, f"{name}-3"), f"{name}-3\n")
    says(engine.sampan("volume", "rename", f"{name}-3", f"{name}-4"), "")
    look = "cat /v/f; stat -c '%a %u %g %h' /v/hard; readlink /v/link; stat -c %a /v/d; ls /v"
    wanted = "data\n640 5 6 2\n/etc/passwd\n1777\nd\nf\nhard\nlink\n"
    for volume in (f"{name}-2", f"{name}-4"):
        says(docker(*ONCE, "-v", f"{volume}:/v", IMAGE, "sh", "-c", look), wanted)
    says(engine.sampan("volume", "import", f"{name}-2", str(backup)), err="the volume is not empty", code=1)
    backup.write_bytes(backup.read_bytes()[:1500])
    says(engine.sampan("volume", "import", f"{name}-5", str(backup)), err="unexpected", code=1)
    says(engine.sampan("volume", "ls", "-q", "-f", f"name={name}"), f"{name}\n{name}-2\n{name}-4\n")
    says(engine.sampan("volume", "rm", name, f"{name}-2", f"{name}-4"), f"{name}\n{name}-2\n{name}-4\n")


def test_a_copy_that_is_cut_leaves_nothing(own_engine: Engine) -> None:
    """B15: of a file that was half there, of the process that had the tree mounted, and no lock."""
    from engine import eventually, processes, text_of

    own_engine.docker("create", "--name", "box", "-v", "vol:/v", IMAGE, "true")
    whole = tar([file("big", bytes(9 << 20))])
    import socket

    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(own_engine.socket)
        head = "PUT /v1.41/containers/box/archive?path=/v HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-tar\r\n"
        connection.sendall(f"{head}Content-Length: {len(whole)}\r\n\r\n".encode() + whole[: 5 << 20])
        data = own_engine.data_root / "volumes" / "vol" / "_data"
        assert eventually(lambda: (data / "big").exists())
    assert eventually(lambda: not (data / "big").exists())
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(own_engine.socket)
        connection.sendall(b"GET /v1.41/containers/box/archive?path=/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200")

    def visitors() -> list[int]:
        return [pid for pid in processes(own_engine) if "sampan:visit" in text_of(f"/proc/{pid}/comm")]

    assert eventually(lambda: not visitors())
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(own_engine.socket)
        connection.sendall(b"GET /v1.41/containers/box/archive?path=/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        assert visitors()
        own_engine.kill()
        assert eventually(lambda: not visitors())
    own_engine.start()
    says(own_engine.docker("start", "-a", "box"), "")
    says(own_engine.docker("rm", "box", timeout=10), "box\n")
    huge = bytearray(tar([file("huge", b"x")]))
    huge[124:136] = (1 << 63 - 1).to_bytes(12, "big")
    huge[124] = 0x80
    own_engine.docker("create", "--name", "box", IMAGE, "true")
    assert archive(own_engine, "PUT", "box", "/", bytes(huge)).status == 400
