"""Does what is copied, mounted or filled lead out of a container? Rows of the catalogue (tests/security.toml)."""

import bz2
import gzip
import io
import lzma
import os
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from archives import docker_archive, file, link, tar
from engine import Client, Engine, eventually, mounts_below
from expect import CREATE, DETACHED, IMAGE, ONCE, OUTSIDE, Docker, says
from rawhttp import Answer, call
from sampan.linux.inotify import Mask
from swaps import Watch, swapping
from test_copy import archive, put

SECRET = b"the canary's own words"
SWEEP = 24


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A directory of this machine that must be as it was when the test ends."""
    directory = tmp_path / "canary"
    (directory / "sub").mkdir(parents=True)
    (directory / "f").write_bytes(SECRET)

    def state() -> list[str]:
        paths = (directory, *directory.rglob("*"))
        return sorted(f"{p} {p.lstat().st_mode} {p.lstat().st_uid} {p.lstat().st_nlink}" for p in paths)

    before = state()
    yield directory
    assert state() == before
    assert (directory / "f").read_bytes() == SECRET


def pid_of(docker: Docker, name: str) -> int:
    """The container's first process."""
    return int(docker("inspect", "-f", "{{.State.Pid}}", name).stdout)


@pytest.mark.parametrize("runs", [True, False], ids=["running", "stopped"])
def test_a_path_that_is_swapped_while_files_are_copied(
    docker: Docker, engine: Client, name: str, canary: Path, runs: bool
) -> None:
    """B01 B08: whether a container runs or not, a link that takes the place of a directory leads nowhere outside."""
    volume = f"{name}-v"
    fill = f"mkdir -p /v/a/sub; echo inside >/v/a/f; ln -s {canary} /v/b; ln -s ../../../../../../../../..{canary} /v/c"
    if not runs:
        docker(*ONCE, "-v", f"{volume}:/v", IMAGE, "sh", "-c", fill)
        docker("create", "--name", name, "-v", f"{volume}:/v", IMAGE, "true")
    else:
        docker(*DETACHED, "--name", name, "-v", f"{volume}:/v", IMAGE, "sleep", "1000")
        docker("exec", name, "sh", "-c", fill)
    top = Path(docker("volume", "inspect", "-f", "{{.Mountpoint}}", volume).stdout.strip())
    answers: list[Answer] = []
    for other in ("b", "c"):
        with swapping(top / "a", top / other):
            for _ in range(SWEEP // (1 if runs else 4)):
                answers.append(put(engine, name, "/v/a", file("new", b"written")))
                answers.append(put(engine, name, "/v", file("a/sub/new2", b"written"), extra="&noOverwriteDirNonDir=1"))
                answers += [archive(engine, "GET", name, path) for path in ("/v/a/f", "/v/a/", "/v", "/v/a/../a/f")]
    assert {answer.status for answer in answers} <= {200, 400, 404, 500}
    assert any(b"inside" in answer.body for answer in answers)
    assert not any(SECRET in answer.body for answer in answers)
    docker("rm", "-f", name)
    docker("volume", "rm", volume)


def test_a_mount_point_that_is_swapped(docker: Docker, engine: Client, name: str, canary: Path) -> None:
    """B05 B06 A04: neither a start nor a copy mounts a volume anywhere but inside; the host's mounts stay."""
    outer, inner = f"{name}-o", f"{name}-i"
    docker(*ONCE, "-v", f"{outer}:/v", IMAGE, "sh", "-c", f"mkdir /v/a; ln -s {canary} /v/b")
    top = Path(docker("volume", "inspect", "-f", "{{.Mountpoint}}", outer).stdout.strip())
    docker(*CREATE, "--name", name, "-v", f"{outer}:/v", "-v", f"{inner}:/v/a/deep", IMAGE, "touch", "/v/a/deep/new")
    with swapping(top / "a", top / "b"):
        for number in range(12):
            put(engine, name, "/v/a/deep", file(f"copied{number}", b"x"))
            archive(engine, "GET", name, "/v/a/deep")
            docker("start", "-a", name)
            if isinstance(engine, Engine):  # dockerd mounts on the host for a copy: that is what the row is about
                assert not mounts_below(engine)
    docker("rm", "-f", name)
    docker("volume", "rm", outer, inner)


def test_a_mount_point_that_is_swapped_for_the_kernels_files(docker: Docker, name: str) -> None:
    """A09: a volume mounted below another one cannot come to lie on /proc, and catch what the engine writes."""
    outer, inner = f"{name}-o", f"{name}-i"
    docker(*ONCE, "-v", f"{outer}:/v", IMAGE, "sh", "-c", "mkdir /v/a; ln -s /proc/self /v/b; ln -s /proc/sys/net /v/c")
    top = Path(docker("volume", "inspect", "-f", "{{.Mountpoint}}", outer).stdout.strip())
    look = "cut -d' ' -f5 /proc/self/mountinfo | grep ^/proc"
    plain = docker(*ONCE, IMAGE, "sh", "-c", look).stdout
    codes = set()
    for other in ("b", "c"):
        with swapping(top / "a", top / other):
            for _ in range(8):
                done = docker(*ONCE, "-v", f"{outer}:/v", "-v", f"{inner}:/v/a/attr", IMAGE, "sh", "-c", look)
                codes.add(done.code)
                assert done.stdout in (plain, "")
    assert codes <= {0, 125, 126, 127}
    docker("volume", "rm", outer, inner)


@pytest.mark.skipif(bool(OUTSIDE), reason="looks at the engine from inside")
def test_nothing_of_the_containers_is_loaded(docker: Docker, engine: Client, name: str) -> None:
    """B02: no library, codec or module of the container's is opened, be there a user to look up or not."""
    paths = ["lib/libnss_files.so.2", "lib/x86_64-linux-gnu/libnss_files.so.2", "usr/lib/gconv/gconv-modules",
             "usr/lib/python3.11/encodings/idna.py", "encodings/ascii.py", "etc/nsswitch.conf"]  # fmt: skip
    docker(*DETACHED, "--name", name, "-u", "www", IMAGE, "sleep", "1000")
    assert put(engine, name, "/", *(file(path, b"hostile") for path in paths)).status == 200
    root = Path(f"/proc/{pid_of(docker, name)}/root")
    with Watch() as watch:
        for path in paths:
            watch.add(root / path, Mask.OPEN)
        answer = put(engine, name, "/home", file("new\u20ac", b"x", uid=7), extra="&copyUIDGID=1")
        assert answer.status == 200
        assert archive(engine, "GET", name, "/home").status == 200
        assert archive(engine, "HEAD", name, "/bin").status == 200
        assert archive(engine, "GET", name, "/nosuch").status == 404
        assert docker("diff", name).code == 0
        assert not watch.seen()
        assert archive(engine, "GET", name, "/lib").status == 200
        assert watch.seen(), "the watch sees who reads them"
    maps = Path(f"/proc/{engine.pid}/maps").read_text()  # type: ignore[attr-defined]
    assert not re.search(r"hostile|snapshots/", maps)


def test_modes_and_owners_do_not_follow_links(docker: Docker, engine: Client, name: str, canary: Path) -> None:
    """B03 B11: a member that is called like a link takes its place, in a container and in a volume."""
    docker(*DETACHED, "--name", name, "-v", f"{name}-v:/v", IMAGE, "sleep", "1000")
    evil = [
        link("l", str(canary)), file("l", b"x", mode=0o4777, uid=4242), link("d", str(canary)),
        file("d", type=tarfile.DIRTYPE, mode=0o777, uid=4242), link("r", "../../../../../../../.." + str(canary)),
        file("r/f", b"overwritten", mode=0o777), link("h", "l", tarfile.LNKTYPE), file("h", b"", mode=0o777, uid=4242),
        link("p", f"/proc/self/root{canary}"),
    ]  # fmt: skip
    for path in ("/home", "/v"):
        for member in evil:
            assert put(engine, name, path, member).status in (200, 400, 500)
    assert put(engine, name, "/home/p", file("f", b"overwritten")).status in (400, 404)
    for path in ("/home/p/f", f"/proc/self/root{canary}/f", f"/proc/1/root{canary}/f", "/proc/self/cwd/etc/passwd"):
        assert archive(engine, "GET", name, path).status in (400, 404)
    docker("rm", "-f", name)
    docker("volume", "rm", f"{name}-v")


def test_decompressors_are_the_engines_own(docker: Docker, engine: Client, name: str) -> None:
    """B04: programs of the container's called like decompressors are not run, and the archive is unpacked."""
    docker(*DETACHED, "--name", name, IMAGE, "sleep", "1000")
    fake = b"#!/bin/sh\n: >/fake-was-run\ncat\n"
    tools = ("xz", "gzip", "zstd", "unpigz", "unxz", "bzip2", "pigz", "tar")
    assert put(engine, name, "/bin", *(file(tool, fake, mode=0o755) for tool in tools)).status == 200
    packers = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}
    if not OUTSIDE:  # dockerd 20.10 knows no zstd
        packers["zst"] = zstandard.compress
    for kind, compress in packers.items():
        packed = compress(tar([file(f"from.{kind}", kind.encode())]))
        assert archive(engine, "PUT", name, "/home", packed).status == 200
        says(docker("exec", name, "cat", f"/home/from.{kind}"), kind)
    says(docker("exec", name, "ls", "/fake-was-run"), err="No such file", code=1)


def test_what_leaves_a_container_is_its_own(docker: Docker, engine: Client, name: str, canary: Path) -> None:
    """B08: links to the host's files leave as links."""
    docker(*DETACHED, "--name", name, IMAGE, "sh", "-c", f"ln -s {canary} /l; ln -s {canary}/f /home/l; sleep 1000")
    assert eventually(lambda: docker("exec", name, "test", "-L", "/home/l").code == 0)
    export = call(engine.socket, "GET", f"/v1.41/containers/{name}/export")
    for answer in (export, archive(engine, "GET", name, "/"), archive(engine, "GET", name, "/home")):
        assert SECRET not in answer.body
        with tarfile.open(fileobj=io.BytesIO(answer.body)) as members:
            links = {
                member.name: member.linkname for member in members if member.issym() and "/etc/" not in member.name
            }
        assert str(canary / "f") in links.values()
    assert archive(engine, "GET", name, "/l/f").status in (400, 404)


def test_volumes_of_an_image_take_nothing_of_the_host(
    docker: Docker, engine: Client, name: str, canary: Path, tmp_path: Path, image_tar: Path
) -> None:
    """B10 B13: wherever an image says its volumes are, what fills them is the image's own."""
    escapes = [f"/../../../../..{canary}", "/link", "/x/../../link2"]
    members = [link("link", str(canary)), link("link2", "../../../../.." + str(canary))]
    built = tmp_path / "image.tar"
    from archives import config

    layers = [image_tar.read_bytes(), tar(members)]
    built.write_bytes(docker_archive(f"{name}:v1", layers, config(layers, Volumes={path: {} for path in escapes})))
    says(docker("load", "-i", str(built)), ".*")
    try:
        done = docker("create", "--name", name, f"{name}:v1", "true")
        assert done.code in (0, 1)
        for volume in docker("volume", "ls", "-q").stdout.split():
            where = Path(docker("volume", "inspect", "-f", "{{.Mountpoint}}", volume).stdout.strip())
            for path in where.rglob("f"):
                assert path.read_bytes() != SECRET
    finally:
        docker("rm", "-fv", name)
        docker("rmi", "-f", f"{name}:v1")


def test_nothing_is_written_to_places_that_everybody_shares(image_tar: Path) -> None:
    """B14: copying, filling, exporting and importing make no file in /tmp."""
    if OUTSIDE:
        pytest.skip("needs an engine with a /tmp of its own")
    from conftest import prepare

    own = Engine()
    try:
        own.start("unshare", "-m", "sh", "-c", 'mount -t tmpfs tmpfs /tmp && umask 0 && exec "$@"', "sh")
        prepare(own, image_tar)
        tmp = Path(f"/proc/{own.pid}/root/tmp")
        with Watch() as watch:
            watch.add(tmp, Mask.CREATE | Mask.MOVED_TO)
            own.docker("create", "--name", "box", "-v", "vol:/etc", IMAGE, "true")
            assert put(own, "box", "/etc", file("x", bytes(1 << 20))).status == 200
            assert archive(own, "GET", "box", "/").status == 200
            assert call(own.socket, "GET", "/v1.41/volumes/vol/export").status == 200
            body = tar([file("x", b"y")])
            assert call(own.socket, "POST", "/v1.41/volumes/new/import", body).status == 201
            assert not watch.seen()
        volumes = own.data_root / "volumes"
        for path in (volumes, *volumes.iterdir()):
            assert path.stat().st_mode & 0o7777 == 0o700, path  # with a umask of 0, too
    finally:
        left = own.close()
    assert not left


@pytest.mark.parametrize("name_in_path", ["..", "%2e%2e", "a%2fb", "a%00b", "%ff%fe", "x" * 5000, "a/../../x", "%20"])
def test_names_in_paths_are_looked_up_and_nothing_else(engine: Client, name_in_path: str, tmp_path: Path) -> None:
    """B13: whatever stands where a container's or volume's name belongs is a name that there is none of."""
    actions = ("containers/NAME/archive?path=/", "containers/NAME/export", "volumes/NAME", "volumes/NAME/export")
    for target in (action.replace("NAME", name_in_path) for action in actions):
        answer = call(engine.socket, "GET", f"/v1.41/{target}")
        assert answer.status in (301, 400, 404), target
    if not OUTSIDE:
        body = tar([file("evil", b"x")])
        assert call(engine.socket, "POST", f"/v1.41/volumes/{name_in_path}/import", body).status in (400, 404)
    assert not list(tmp_path.iterdir())
    assert not os.path.exists("/evil")
