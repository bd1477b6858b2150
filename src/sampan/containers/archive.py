"""How do files come out of a container, and into one? (`docker cp`; Engine API 1.51, `…/archive`)

A path is taken as the container would take it: absolute, links resolved inside its root. The last component is looked
at itself, be it a link, unless the path ends in a slash. Sentences are dockerd's; where it says 500 for a request that
could never work, the kind says what it is.
"""

import os
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from posixpath import basename, dirname, normpath

from sampan.containers.engine import Engine
from sampan.containers.tree import Tree
from sampan.errors import Forbidden, InvalidRequest, NotFound, NotSupported
from sampan.layers.extract import Rules
from sampan.layers.pack_tree import pack_entry, pack_tree
from sampan.layers.stream import Source
from sampan.linux.inside import open_in_root, path_in_root
from sampan.linux.mount_id import mount_id
from sampan.linux.statfs import fstatfs_type, is_kernels_own
from sampan.runtime.plan import User
from sampan.runtime.users import resolve
from sampan.threads import finished
from sampan.unpacking.process import extract_confined

OPEN_PATH = os.O_PATH | os.O_CLOEXEC
OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
READ_ONLY = os.ST_RDONLY
PATH_BYTES_MAX = 4095
# Go's os.FileMode: which of its bits stand for what (Engine API: the `mode` of the stat header).
GO_KINDS = {
    stat.S_IFDIR: 1 << 31, stat.S_IFLNK: 1 << 27, stat.S_IFBLK: 1 << 26, stat.S_IFIFO: 1 << 25, stat.S_IFSOCK: 1 << 24,
    stat.S_IFCHR: 1 << 26 | 1 << 21,
}  # fmt: skip
GO_BITS = ((stat.S_ISUID, 1 << 23), (stat.S_ISGID, 1 << 22), (stat.S_ISVTX, 1 << 20))

Opening = AbstractAsyncContextManager[Tree]
"""What `tree.opened` and its like give."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathStat:
    """What there is at a path: `mode` in Go's bits, `mtime_ns` Unix nanoseconds, `link_target` resolved to its end."""

    name: str
    size: int
    mode: int
    mtime_ns: int
    link_target: str


@dataclass(frozen=True, slots=True)
class _Place:
    """A path in a tree: the directory that holds it (a descriptor), its name there ("" for that directory itself)."""

    directory: int
    name: str
    asked: str

    def status(self) -> os.stat_result:
        if not self.name:
            return os.fstat(self.directory)
        return os.stat(self.name, dir_fd=self.directory, follow_symlinks=False)


async def look(opening: Opening, path: str) -> PathStat:
    """What there is at `path`. Raises NotFound, InvalidRequest."""
    async with opening as tree:
        return await finished(partial(_look, tree, path))


def _look(tree: Tree, path: str) -> PathStat:
    with _found(tree, path) as place:
        return _describe(tree.root, place)


@asynccontextmanager
async def read(engine: Engine, opening: Opening, path: str) -> AsyncIterator[tuple[PathStat, Iterator[bytes]]]:
    """What there is at `path`, and a tar of it, to be read in threads while the block runs."""
    async with opening as tree:
        with ExitStack() as held:
            place = await finished(partial(held.enter_context, _found(tree, path)))
            described = await finished(partial(_describe, tree.root, place))
            if tree.container is not None:
                engine.publish(tree.container, "archive-path")
            yield described, _tar(place, described.name)


async def write(
    engine: Engine, opening: Opening, path: str, source: Source, *, keeps_kinds: bool, takes_owner: bool
) -> None:
    """Extract the tar into the directory `path`. Raises NotFound, InvalidRequest, Forbidden."""
    async with opening as tree:
        _refuse_remapped(engine, tree)
        await finished(partial(_write, tree, path, source, keeps_kinds, takes_owner))
        if tree.container is not None:
            engine.publish(tree.container, "extract-to-dir")


def _refuse_remapped(engine: Engine, tree: Tree) -> None:
    """Files written from out here would belong to nobody in a running container with users of its own."""
    container = tree.container
    if container is None or engine.options.userns_remap is None or container.host.userns_mode == "host":
        return
    if container.state.is_running:
        raise NotSupported(
            "files cannot be copied into a running container while --userns-remap is on: "
            "stop it first, or use `exec -i NAME tar -x`"
        )


def absolute(path: str) -> str:
    """The path from the root, cleaned; a trailing slash or dot stays, for it says something (Go's filepath.Clean)."""
    if not path:
        raise InvalidRequest("bad parameter: pathcannot be empty")
    if "\0" in path or len(os.fsencode(path)) > PATH_BYTES_MAX:
        raise InvalidRequest("bad parameter: path is none")
    cleaned = normpath("/" + path.lstrip("/"))
    if basename(path) == ".":
        return cleaned.rstrip("/") + "/."
    return cleaned + "/" if path.endswith("/") and cleaned != "/" else cleaned


@contextmanager
def _found(tree: Tree, path: str) -> Iterator[_Place]:
    """The place that a path names, held while the block runs. Raises NotFound, InvalidRequest."""
    asked = absolute(path)
    is_directory = asked.endswith(("/", "/."))
    with ExitStack() as held:
        try:
            where = asked if is_directory else dirname(asked)
            directory = open_in_root(tree.root, where, OPEN_PATH | os.O_DIRECTORY)
            held.callback(os.close, directory)
            place = _Place(directory, "" if is_directory else basename(asked), asked)
            # Of /proc and its like there is the directory, as in dockerd's view, and nothing in it.
            is_there = stat.S_ISDIR(place.status().st_mode) or not is_kernels_own(fstatfs_type(directory))
        except FileNotFoundError:
            is_there = False
        except OSError as error:
            raise InvalidRequest(f"lstat {path}: {os.strerror(error.errno or 0).lower()}") from None
        if not is_there:
            raise NotFound(f"Could not find the file {path} in {tree.title}")
        yield place


def _describe(root: int, place: _Place) -> PathStat:
    status = place.status()
    is_link = stat.S_ISLNK(status.st_mode)
    return PathStat(
        name=basename(place.asked.rstrip("/")) or "/",
        size=status.st_size,
        mode=go_mode(status.st_mode),
        mtime_ns=status.st_mtime_ns,
        link_target=path_in_root(root, place.asked) if is_link else "",
    )


def go_mode(mode: int) -> int:
    """A mode of stat(2) in the bits of Go's os.FileMode."""
    return (
        stat.S_IMODE(mode) & 0o777
        | GO_KINDS.get(stat.S_IFMT(mode), 0)
        | sum(bit for mine, bit in GO_BITS if mode & mine)
    )


def _tar(place: _Place, name: str) -> Iterator[bytes]:
    prefix = os.fsencode(name)
    if place.name and not stat.S_ISDIR(place.status().st_mode):
        yield from pack_entry(place.directory, os.fsencode(place.name), prefix)
        return
    # Not to be swapped for a link: the directory that was looked at is a descriptor, or one step below one.
    top = os.open(place.name or ".", OPEN_DIRECTORY | os.O_NOFOLLOW, dir_fd=place.directory)
    try:
        yield from pack_tree(top, prefix)
    finally:
        os.close(top)


def _write(tree: Tree, path: str, source: Source, keeps_kinds: bool, takes_owner: bool) -> None:
    asked = absolute(path)
    try:
        directory = open_in_root(tree.root, asked, OPEN_PATH)
    except FileNotFoundError:
        raise NotFound(f"Could not find the file {path} in {tree.title}") from None
    except OSError as error:
        raise InvalidRequest(f"{path}: {os.strerror(error.errno or 0).lower()}") from None
    try:
        if not stat.S_ISDIR(os.fstat(directory).st_mode):
            raise InvalidRequest("extraction point is not a directory")
        _check_writable(tree, directory, path)
    finally:
        os.close(directory)
    owner = _owner(tree) if takes_owner else None
    extract_confined(source, tree.root, asked, Rules(keeps_kinds=keeps_kinds, owner=owner))


def _check_writable(tree: Tree, directory: int, path: str) -> None:
    """Raises Forbidden for what the container itself could not write to."""
    if is_kernels_own(fstatfs_type(directory)):
        raise Forbidden(f"{path} is not a place for files: the kernel shows its own state there")
    if mount_id(directory) == mount_id(tree.root):
        if tree.container is not None and tree.container.host.readonly_rootfs:
            raise Forbidden("container rootfs is marked read-only")
    elif os.fstatvfs(directory).f_flag & READ_ONLY:
        raise Forbidden("mounted volume is marked read-only")


def _owner(tree: Tree) -> tuple[int, int] | None:
    """The numbers of the container's user, by its own /etc/passwd; None for root, who keeps the archive's."""
    name = tree.container.config.user if tree.container else ""
    if not name:
        return None
    uid, gid, _, _ = resolve(User(name=name), tree.root)
    return uid, gid
