"""Can anything done inside a root make linux/inside.py touch what is outside it?

Three ways of asking: trees full of links made by hypothesis, with the kernel's own resolution as the oracle; an
adversary who swaps a directory for a link at every step of a walk, one step per run, until there is no further step;
and the cases with names of their own.
"""

import errno
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.namespaced import namespaced
from sampan.linux.inside import create_file_in_root, mkdirs_in_root, open_in_root, read_in_root
from sampan.linux.mount import MountFlag, mount
from sampan.linux.openat2 import Resolve, openat2
from sampan.linux.sched import CloneFlag

NAMES = ["a", "b", "c", "etc"]
LINKS = st.lists(st.sampled_from([*NAMES, "..", "..", ".", "", "outside"]), min_size=1, max_size=5)
PATHS = st.tuples(st.sampled_from(["", "/", "//", "../"]), LINKS).map(lambda drawn: drawn[0] + "/".join(drawn[1]))
# Where an entry of the tree is, and what: None a directory, "" a file, else a link's text.
ENTRIES = st.lists(
    st.tuples(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3), st.none() | st.just("") | PATHS), max_size=12
)
Tree = list[tuple[list[str], str | None]]


@st.composite
def trees_and_paths(draw: st.DrawFn) -> tuple[Tree, str]:
    """A tree and a path into it, which more often than not goes through one of its entries."""
    entries = draw(ENTRIES)
    path = draw(PATHS)
    if entries and draw(st.integers(0, 3)):
        place, _ = draw(st.sampled_from(entries))
        path = "/".join([*place, path.lstrip("/")])
    return entries, path


@contextmanager
def world(entries: Tree) -> Iterator[tuple[Path, int]]:
    """A root with these entries beside a canary named `outside`, which must not change; the root and its descriptor."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory) / "root"
        canary = Path(directory) / "outside"
        for place in (root, canary, canary / "a"):
            place.mkdir()
        (canary / "b").write_text("canary")
        for place, content in entries:
            plant(root, place, content)
        before = picture(canary), sorted(os.listdir(directory))
        fd = os.open(root, os.O_PATH | os.O_DIRECTORY)
        try:
            yield root, fd
        finally:
            os.close(fd)
        assert (picture(canary), sorted(os.listdir(directory))) == before, "something outside the root was touched"


def plant(root: Path, place: list[str], content: str | None) -> None:
    """Make one entry, unless something is in its way."""
    path = root
    try:
        for part in place[:-1]:
            path /= part
            # A parent that is a link may lead out of the root, and so onto this machine: nothing is made through it.
            if path.is_symlink() or part == "..":
                return
            path.mkdir(exist_ok=True)
        path /= place[-1]
        if place[-1] in (".", "..") or path.is_symlink() or path.exists():
            return
        if content is None:
            path.mkdir()
        elif content == "":
            path.write_text("x")
        else:
            path.symlink_to(content)
    except OSError:
        return


def picture(directory: Path) -> list[tuple[str, int, int]]:
    """Everything below a directory, as it is."""
    everything = [directory, *directory.rglob("*")]
    return sorted((str(path), path.lstat().st_mode, path.lstat().st_mtime_ns) for path in everything)


def place_of(fd: int) -> Path:
    """Where a descriptor is, says the kernel."""
    return Path(os.readlink(f"/proc/self/fd/{fd}"))


def same(one: int, other: int) -> bool:
    """Whether two descriptors are of the same file; both are closed."""
    try:
        return os.path.samestat(os.fstat(one), os.fstat(other))
    finally:
        os.close(one)
        os.close(other)


@given(trees_and_paths())
@settings(max_examples=200, deadline=None)
def test_opening_stays_inside(drawn: tuple[Tree, str]) -> None:
    entries, path = drawn
    with world(entries) as (root, rootfd):
        try:
            fd = open_in_root(rootfd, path, os.O_PATH)
        except OSError as error:
            assert error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
            return
        assert place_of(fd).is_relative_to(root)
        os.close(fd)


@given(trees_and_paths())
@settings(max_examples=200, deadline=None)
def test_directories_are_made_inside_and_where_the_kernel_finds_them(drawn: tuple[Tree, str]) -> None:
    entries, path = drawn
    with world(entries) as (root, rootfd):
        try:
            fd = mkdirs_in_root(rootfd, path, 0o755)
        except OSError as error:
            # A file is in the way, or links go round in circles.
            assert error.errno in {errno.ENOTDIR, errno.ELOOP}
            assert error.filename == path
            return
        assert stat.S_ISDIR(os.fstat(fd).st_mode)
        assert not os.get_inheritable(fd)
        assert place_of(fd).is_relative_to(root)
        assert same(fd, open_in_root(rootfd, path, os.O_PATH | os.O_DIRECTORY))


@given(trees_and_paths())
@settings(max_examples=200, deadline=None)
def test_files_are_made_inside_and_where_the_kernel_finds_them(drawn: tuple[Tree, str]) -> None:
    entries, path = drawn
    with world(entries) as (root, rootfd):
        try:
            fd = create_file_in_root(rootfd, path, 0o644)
        except OSError as error:
            assert error.errno in {errno.ENOTDIR, errno.ELOOP, errno.EISDIR}
            return
        assert stat.S_ISREG(os.fstat(fd).st_mode)
        assert place_of(fd).is_relative_to(root)
        # "name/" makes a file called name here, where open(2) would insist on a directory.
        assert same(fd, open_in_root(rootfd, path.rstrip("/"), os.O_PATH))


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_climbing_ends_at_the_root(depth: int) -> None:
    with world([(["a", "up"], "../" * 9 + "made")]) as (root, rootfd):
        for path in ("../" * depth + "x", "a/up/y", "/a/../../" + "../" * depth + "z"):
            os.close(mkdirs_in_root(rootfd, path, 0o700))
        assert sorted(os.listdir(root)) == ["a", "made", "x", "z"]


def test_a_dangling_link_gets_its_target_inside() -> None:
    with world([(["var", "run"], "/run"), (["etc", "conf"], "../usr/lib/conf")]) as (root, rootfd):
        os.close(mkdirs_in_root(rootfd, "/var/run/lock", 0o755))
        os.close(create_file_in_root(rootfd, "etc/conf", 0o640))
        assert (root / "run" / "lock").is_dir()
        assert (root / "usr" / "lib" / "conf").stat().st_mode & 0o777 == 0o640 & ~umask()


def umask() -> int:
    """This process's umask."""
    value = os.umask(0)
    os.umask(value)
    return value


def test_links_in_a_circle_are_an_error() -> None:
    with world([(["a"], "b"), (["b"], "a/x")]) as (_, rootfd):
        for function in (lambda: mkdirs_in_root(rootfd, "a/y", 0o755), lambda: create_file_in_root(rootfd, "a", 0o644)):
            with pytest.raises(OSError, match="Too many levels") as caught:
                function()
            assert caught.value.errno == errno.ELOOP


def test_what_is_there_is_left_alone() -> None:
    with world([(["etc", "file"], "")]) as (root, rootfd):
        os.close(create_file_in_root(rootfd, "/etc/file", 0o600))
        assert (root / "etc" / "file").read_text() == "x"
        with pytest.raises(IsADirectoryError):
            create_file_in_root(rootfd, "etc", 0o600)
        with pytest.raises(NotADirectoryError):
            mkdirs_in_root(rootfd, "etc/file/below", 0o700)


def test_nothing_leaks_whatever_happens() -> None:
    with world([(["etc", "file"], ""), (["a"], "b"), (["b"], "a"), (["d"], "new/../a"), (["e"], "t/u")]) as (_, rootfd):
        before = len(os.listdir("/proc/self/fd"))
        for path in ("etc/file/x/y", "a/x", "d/x", "new/../etc/file/z", "x\0y", "n" * 300):
            for function in (mkdirs_in_root, create_file_in_root):
                with pytest.raises((OSError, ValueError)):
                    function(rootfd, path, 0o755)
        for path in ("p/q/r", "p/../s", "e/v", "e/v/w", "etc/file", "etc"):
            for function in (mkdirs_in_root, create_file_in_root):
                try:
                    os.close(function(rootfd, path, 0o755))
                except OSError:
                    pass
        assert len(os.listdir("/proc/self/fd")) == before


def test_reading_is_bounded_and_of_regular_files_only() -> None:
    with world([(["etc", "passwd"], ""), (["etc", "out"], "/../../outside/b"), (["etc", "in"], "/etc/passwd")]) as (
        root,
        rootfd,
    ):
        (root / "etc" / "passwd").write_bytes(b"x" * 100)
        os.mkfifo(root / "etc" / "fifo")
        assert read_in_root(rootfd, "/etc/passwd", 100) == b"x" * 100
        assert read_in_root(rootfd, "/etc/in", 1000) == b"x" * 100
        refused = {"/etc/passwd": 99, "/etc/fifo": 10, "/etc": 10, "/etc/out": 10, "/etc/none": 10}
        reasons = {}
        for path, limit in refused.items():
            with pytest.raises(OSError, match=path) as caught:
                read_in_root(rootfd, path, limit)
            reasons[path] = caught.value.errno
        assert reasons == {
            "/etc/passwd": errno.EFBIG,
            "/etc/fifo": errno.EINVAL,
            "/etc": errno.EISDIR,
            "/etc/out": errno.ENOENT,
            "/etc/none": errno.ENOENT,
        }


@pytest.mark.needs_root
def test_endless_and_special_files_are_refused() -> None:
    with world([]) as (root, rootfd):
        os.mknod(root / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
        with pytest.raises(OSError, match="not a regular file"):
            read_in_root(rootfd, "zero", 10)


@pytest.mark.needs_root
def test_magic_links_are_refused() -> None:
    def child(root: Path) -> list[int | None]:
        (root / "proc").mkdir()
        mount("proc", str(root / "proc"), "proc", MountFlag.NOSUID)
        # The descriptor from outside belongs to the mount namespace that was left, where there is no such mount.
        rootfd = os.open(root, os.O_PATH | os.O_DIRECTORY)
        reasons = []
        for path in ("proc/self/root", "proc/self/cwd/x", f"proc/self/fd/{rootfd}/y", "proc/self/exe/x"):
            for function in (mkdirs_in_root, create_file_in_root):
                try:
                    function(rootfd, path, 0o755)
                    reasons.append(0)
                except OSError as error:
                    reasons.append(error.errno)
        return reasons

    with world([]) as (root, _):
        assert set(namespaced(lambda: child(root))) == {errno.ELOOP}


# The adversary: just before the walk's Nth system call that Python's audit hooks show, the directory `a/b` changes
# places with a link to the outside. Every N is tried, until a run has fewer than N such calls.
EVENTS = {"open", "os.mkdir", "os.listdir"}
FUNCTIONS: dict[str, Callable[[int], int]] = {
    "mkdirs": lambda rootfd: mkdirs_in_root(rootfd, "a/b/c/new/d", 0o755),
    "mkdirs through a link": lambda rootfd: mkdirs_in_root(rootfd, "link/c/new/../e", 0o755),
    "create": lambda rootfd: create_file_in_root(rootfd, "a/b/c/new/file", 0o644),
    "create at the swapped place": lambda rootfd: create_file_in_root(rootfd, "a/b/file", 0o644),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("outside", ["../../../outside", "/../outside", "{absolute}"])
def test_a_swap_at_any_step_leads_nowhere(name: str, outside: str) -> None:
    for step in range(1, 100):
        with world([(["a", "b", "c"], None), (["link"], "/a/b")]) as (root, rootfd):
            (root / "a" / "evil").symlink_to(outside.format(absolute=root.parent / "outside"))
            steps = namespaced(lambda: swapped(FUNCTIONS[name], root, rootfd, step), CloneFlag(0))  # noqa: B023
        if steps < step:
            assert step > 3, "the walk was over before there was anything to swap"
            return
    raise AssertionError("the walk does not end")


def swapped(function: Callable[[int], int], root: Path, rootfd: int, step: int) -> int:
    """Run with a swap before the given step; how many steps there were. Wherever it ends must be inside."""
    count = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        if event in EVENTS:
            count += 1
            if count == step:
                exchange(root / "a" / "b", root / "a" / "evil")

    sys.addaudithook(watch)  # for good, so only ever in a forked child
    try:
        fd = function(rootfd)
    except OSError as error:
        assert error.errno in {errno.ENOTDIR, errno.ELOOP, errno.ENOENT, errno.EAGAIN}, error
        return count
    found = count
    assert Path(os.readlink(f"/proc/self/fd/{fd}")).is_relative_to(root)
    return found


def exchange(one: Path, other: Path) -> None:
    """renameat2(2) with RENAME_EXCHANGE, in effect: here nobody else looks meanwhile."""
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def test_openat2_keeps_its_own_rules() -> None:
    with world([(["a", "link"], "/etc"), (["etc"], None)]) as (_, rootfd):
        fd = openat2(rootfd, "a/link", os.O_PATH, resolve=Resolve.IN_ROOT)
        assert not os.get_inheritable(fd)
        os.close(fd)
        with pytest.raises(OSError, match="Too many levels"):
            openat2(rootfd, "a/link", os.O_PATH, resolve=Resolve.NO_SYMLINKS)
        with pytest.raises(OSError, match="cross-device"):
            openat2(rootfd, "../outside", os.O_PATH, resolve=Resolve.BENEATH)
        fd = openat2(rootfd, "a/made", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, Resolve.IN_ROOT)
        assert os.fstat(fd).st_mode & 0o777 == 0o600
        os.close(fd)
