"""Can the process that unpacks an archive do that, and nothing else?"""

import errno
import io
import json
import os
import random
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sampan.errors import Forbidden, InvalidRequest
from sampan.layers.extract import Rules
from sampan.layers.header import BadLayer
from sampan.layers.pack_tree import pack_tree
from sampan.layers.stream import Pieces
from sampan.linux import landlock
from sampan.linux.capability import mask
from sampan.linux.chown import AT_EMPTY_PATH
from sampan.linux.fsmount import MountAttr, fsconfig_create, fsmount, fsopen, mount_setattr
from sampan.linux.poll import readable
from sampan.unpacking.confinement import CAPABILITIES
from sampan.unpacking.process import extract_confined, seccomp_filter

pytestmark = pytest.mark.needs_root

# Confines itself to the directory argv[1] and tries what it is not to be able to; each error number on standard output.
PROBE = """
import json, os, socket, sys
from sampan.linux.mount import mount
from sampan.linux.sched import CloneFlag, unshare
from sampan.unpacking.confinement import confine

root = os.open(sys.argv[1], os.O_PATH | os.O_DIRECTORY)
outside = os.open(sys.argv[2], os.O_RDONLY | os.O_DIRECTORY)

tries = {
    "the host's files": lambda: os.open("/etc/passwd", os.O_RDONLY),
    "a file of a directory held from before": lambda: os.open("canary", os.O_RDONLY, dir_fd=outside),
    "a file made there": lambda: os.open("made", os.O_WRONLY | os.O_CREAT, dir_fd=outside),
    "a file removed there": lambda: os.unlink("canary", dir_fd=outside),
    "a link out of it": lambda: os.link("canary", "inside", src_dir_fd=outside, dst_dir_fd=root),
    "a file of the tree read": lambda: os.open("own", os.O_RDONLY),
    "a program": lambda: os.execv("/own", ["own"]),
    "a child": os.fork,
    "another root": lambda: os.chroot("."),
    "a mount": lambda: mount("none", "/", "tmpfs"),
    "a namespace": lambda: unshare(CloneFlag.NEWUTS),
    "a socket": socket.socket,
    "a signal": lambda: os.kill(os.getppid(), 0),
    "memory": lambda: bytearray(2 << 30),
}
confine(root, bytes.fromhex(sys.argv[3]))
said = {}
for name, attempt in tries.items():
    try:
        attempt()
    except OSError as error:
        said[name] = error.errno
    except MemoryError:
        said[name] = "no memory"
    else:
        said[name] = "done"
os.close(os.open("new", os.O_WRONLY | os.O_CREAT))
os.write(1, json.dumps(said).encode() + b"\\n")
os.read(0, 1)
os._exit(0)
"""


def tar_of(name: str, data: bytes, **fields: object) -> bytes:
    """An archive of one member."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        for field, value in fields.items():
            setattr(member, field, value)
        archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def put(root: Path, data: bytes, path: str = "/", rules: Rules | None = None) -> None:
    """Extract into a tree, as the engine does."""
    descriptor = os.open(root, os.O_PATH | os.O_DIRECTORY)
    try:
        extract_confined(io.BytesIO(data), descriptor, path, rules or Rules())
    finally:
        os.close(descriptor)


def test_everything_else_is_out_of_its_reach(tmp_path: Path) -> None:
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    for directory in (tree, outside):
        directory.mkdir()
    (outside / "canary").write_text("c")
    (tree / "own").write_text("#!/bin/sh\n")
    (tree / "own").chmod(0o755)
    arguments = (sys.executable, "-c", PROBE, tree, outside, seccomp_filter().hex())
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as probe:
        assert probe.stdin and probe.stdout
        said = json.loads(probe.stdout.readline())
        status = Path("/proc", str(probe.pid), "status").read_text()
        networks = {os.stat(f"/proc/{pid}/ns/net").st_ino for pid in (probe.pid, "self")}
    assert said.pop("the host's files") == errno.ENOENT
    assert said.pop("memory") == "no memory"
    files = {name: said.pop(name) for name in list(said) if "file" in name or "link" in name}
    if landlock.abi():
        assert set(files.values()) <= {errno.EACCES, errno.EXDEV} and len(files) == 5
        assert sorted(os.listdir(outside)) == ["canary"]
    assert said and set(said.values()) == {errno.EPERM}
    assert len(networks) == 2
    for name in ("CapPrm", "CapEff"):
        assert f"{name}:\t{mask(CAPABILITIES):016x}\n" in status
    assert "NoNewPrivs:\t1\n" in status and "Seccomp:\t2\n" in status
    assert (tree / "new").exists()


def test_a_tree_comes_out_as_it_went_in(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    (before / "d/e").mkdir(parents=True)
    after.mkdir()
    (before / "d/file").write_bytes(random.Random(1).randbytes(3 << 20))
    os.chown(before / "d/file", 1000, 7)
    (before / "d/file").chmod(0o4711)
    os.setxattr(before / "d/file", "user.a", b"b")
    os.link(before / "d/file", before / "d/e/again")
    os.symlink("../file", before / "d/e/link")
    os.mkfifo(before / "pipe", 0o622)
    os.chmod(before / "pipe", 0o622)
    os.mknod(before / "null", 0o020666, os.makedev(1, 3))
    os.chmod(before / "null", 0o666)
    os.utime(before / "d", ns=(1, 10**18))
    archive = packed(before)
    put(after, archive)
    assert packed(after) == archive


def packed(tree: Path) -> bytes:
    """The tree as a tar."""
    descriptor = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return b"".join(pack_tree(descriptor, with_top=False))
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("data", "kind", "sentence"),
    [
        (b"no archive at all" * 100, BadLayer, ""),
        (tar_of("f", b"x" * 5000)[:3000], BadLayer, "unexpected EOF"),
        (tar_of("../f", b""), InvalidRequest, '"../f" is outside of "/"'),
        (tar_of("d", b""), InvalidRequest, 'cannot overwrite directory "/d" with non-directory "/"'),
    ],
)
def test_what_is_wrong_is_said_here(tmp_path: Path, data: bytes, kind: type[Exception], sentence: str) -> None:
    (tmp_path / "d").mkdir()
    with pytest.raises(kind) as raised:
        put(tmp_path, data, rules=Rules(keeps_kinds=True))
    assert type(raised.value) is kind and sentence in str(raised.value)
    assert os.listdir(tmp_path) == ["d"]


class Interrupted(Exception):
    """Somebody went away."""


def stopping(data: bytes, act: Callable[[], None]) -> Pieces:
    """A source of this data that does something at its end."""

    def pieces() -> Iterator[bytes]:
        yield data
        act()

    return Pieces(pieces())


def forks(name: str = "sampan:unpack", of: "list[int] | None" = None) -> list[int]:
    """The processes that unpack: forks of the unpacker, which is a child of this one."""
    parents = of if of is not None else forks("sampan:unpacker", [os.getpid()])
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        with suppress(FileNotFoundError, ProcessLookupError):
            status = dict(line.split(":\t", 1) for line in Path("/proc", pid, "status").read_text().splitlines())
            if status["Name"] == name and int(status["PPid"]) in parents and status["State"][0] != "Z":
                found.append(int(pid))
    return found


def test_who_goes_away_leaves_neither_half_a_file_nor_a_process(tmp_path: Path) -> None:
    def leave() -> None:
        raise Interrupted

    root = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    with pytest.raises(Interrupted):
        extract_confined(stopping(tar_of("f", b"x" * (4 << 20))[: 3 << 20], leave), root, "/")
    os.close(root)
    assert os.listdir(tmp_path) == []


def test_its_death_is_told(tmp_path: Path) -> None:
    def kill() -> None:
        for pid in forks():
            os.kill(pid, signal.SIGKILL)

    root = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    with pytest.raises(InvalidRequest, match="more time or memory"):
        extract_confined(stopping(tar_of("f", b"x" * (4 << 20))[: 3 << 20], kill), root, "/")
    os.close(root)


def test_when_the_unpacker_is_killed_the_next_archive_has_another(tmp_path: Path) -> None:
    put(tmp_path, tar_of("f", b"1"))
    (first,) = forks("sampan:unpacker", [os.getpid()])
    pidfd = os.pidfd_open(first)
    os.kill(first, signal.SIGKILL)
    assert readable(pidfd, 20)
    os.close(pidfd)
    put(tmp_path, tar_of("g", b"2"))
    (second,) = forks("sampan:unpacker", [os.getpid()])
    assert first != second and sorted(os.listdir(tmp_path)) == ["f", "g"]


def test_a_filesystem_that_is_mounted_nowhere(tmp_path: Path) -> None:
    configuration = fsopen("tmpfs")
    fsconfig_create(configuration)
    root = fsmount(configuration, 0)
    os.close(configuration)
    try:
        extract_confined(io.BytesIO(tar_of("d/f", b"x")), root, "/")
        assert os.listdir(f"/proc/self/fd/{root}/d") == ["f"]
        mount_setattr(root, "", AT_EMPTY_PATH, set=MountAttr.RDONLY)
        with pytest.raises(Forbidden, match="read-only"):
            extract_confined(io.BytesIO(tar_of("g", b"")), root, "/")
    finally:
        os.close(root)
