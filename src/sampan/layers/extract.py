"""How are the members of a tar put into a tree that is in use?

Into a container or a volume, which somebody hostile may change meanwhile. Nothing of it is trusted: the directory to
extract into is a descriptor, and so is the root that bounds it. A parent is opened below that directory without
following a link; if there is one on the way, by the kernel's own walk with the root as its ceiling (openat2(2),
RESOLVE_IN_ROOT), so that a link of the container's leads where it leads for the container. Files are made anew, never
opened through a name that was there. A device node or a pipe has the mode that it is made with: the umask is to be 0.

What dockerd does: names are cleaned as text and cannot climb, missing parents are made, a hard link's target is taken
below the directory, something that is there gives way unless both are directories, and whiteouts mean nothing.
"""

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sampan.errors import Forbidden, InvalidRequest
from sampan.layers.changeset import components
from sampan.layers.compression import Budget, open_decompressed
from sampan.layers.header import BadLayer
from sampan.layers.stream import CHUNK_BYTES, Source, Stream
from sampan.layers.tar import Kind, Member, read_members
from sampan.linux.chown import chown_entry
from sampan.linux.inside import mkdirs_in_root, open_in_root
from sampan.linux.openat2 import Resolve, openat2
from sampan.linux.remove_tree import remove_tree

BENEATH = Resolve.BENEATH | Resolve.NO_SYMLINKS | Resolve.NO_MAGICLINKS
OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
OPEN_FOLLOWING = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# An uncompressed copy of a sparse file may be mostly zeros: what bounds it is the disk.
BUDGET = Budget(ratio_max=1 << 20)
DIRECTORIES_MAX = 1 << 16  # whose times are kept for the end
KINDS_OF_NODE = {Kind.CHARACTER: stat.S_IFCHR, Kind.BLOCK: stat.S_IFBLK, Kind.FIFO: stat.S_IFIFO}


@dataclass(frozen=True, slots=True)
class Rules:
    """How to treat what is there, and whose the files become.

    `keeps_kinds`: a directory and something else do not replace each other. `owner`: uid and gid of all, in place of
    the archive's.
    """

    keeps_kinds: bool = False
    owner: tuple[int, int] | None = None


def extract(source: Source, root: int, path: str, rules: Rules = Rules()) -> None:
    """Put the members of the tar, compressed or not, below the directory `path` of `root`.

    Raises BadLayer for what is no tar, InvalidRequest and Forbidden for what cannot be done. What was extracted before
    stays, as with tar(1).
    """
    directory = open_in_root(root, path, OPEN_FOLLOWING)
    try:
        work = _Extraction(root, directory, path, rules)
        try:
            work.run(Stream(open_decompressed(source, BUDGET)))
        finally:
            work.close()
    except OSError as error:
        raise _explained(error) from None
    finally:
        os.close(directory)


def _explained(error: OSError) -> InvalidRequest | Forbidden | OSError:
    # What was done to a descriptor has its number for a name.
    where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    if error.errno == errno.EROFS:
        return Forbidden(f"{where}mounted volume is marked read-only")
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EPERM, errno.EACCES, errno.EBUSY, errno.EXDEV,
                       errno.ENOTDIR, errno.ELOOP, errno.ENOENT, errno.EOPNOTSUPP, errno.EMLINK):  # fmt: skip
        return InvalidRequest(f"{where}{os.strerror(error.errno).lower()}")
    return error


class _Extraction:
    def __init__(self, root: int, directory: int, path: str, rules: Rules) -> None:
        self._root = root
        self._directory = directory
        self._path = path.rstrip("/") or ""
        self._rules = rules
        self._here, self._parent_fd = b"", os.dup(directory)
        self._times: dict[bytes, int] = {}

    def close(self) -> None:
        """Let go of the directory that was used last."""
        os.close(self._parent_fd)

    def run(self, stream: Stream) -> None:
        """All members, then the times of directories, which filling them has changed."""
        for member in read_members(stream):
            parts = self._components(member.path)
            if not parts:
                continue  # the directory itself, which keeps what it has
            parent = self._parent(parts[:-1])
            self._place(parent, parts[-1], member, b"/".join(parts), stream)
        stream.drain()
        self._set_times()

    # -- where

    def _components(self, path: bytes) -> list[bytes]:
        try:
            return components(path)
        except BadLayer:
            raise InvalidRequest(f'"{os.fsdecode(path[:64])}" is outside of "{self._path or "/"}"') from None

    def _parent(self, parts: list[bytes]) -> int:
        path = b"/".join(parts)
        if path != self._here:
            opened = self._open(path)
            os.close(self._parent_fd)
            self._here, self._parent_fd = path, opened
        return self._parent_fd

    def _open(self, path: bytes) -> int:
        """The directory at a path below the one extracted into, made if it is missing."""
        below = os.fsdecode(path) or "."
        try:
            return openat2(self._directory, below, OPEN_DIRECTORY, 0, BENEATH)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR):
                raise
        # There is a link on the way, or something is missing. A link leads where it does for the container.
        made = mkdirs_in_root(self._root, f"{self._path}/{below}", 0o755)
        try:
            return os.open(".", OPEN_DIRECTORY, dir_fd=made)
        finally:
            os.close(made)

    # -- what

    def _place(self, parent: int, name: bytes, member: Member, path: bytes, stream: Stream) -> None:
        was = self._clear(parent, name, member)
        if member.kind is Kind.HARDLINK:
            return self._link(parent, name, member)
        if member.kind is Kind.FILE:
            return self._file(parent, name, member, stream)
        if member.kind is Kind.DIRECTORY:
            return self._make_directory(parent, name, member, path, is_new=not was)
        if member.kind is Kind.SYMLINK:
            os.symlink(member.link, name, dir_fd=parent)
        else:
            mode = KINDS_OF_NODE[member.kind] | member.mode
            os.mknod(name, mode, os.makedev(*member.device), dir_fd=parent)
        entry = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            if stat.S_IFMT(os.fstat(entry).st_mode) != KINDS_OF_NODE.get(member.kind, stat.S_IFLNK):
                raise InvalidRequest(f"{os.fsdecode(path)}: somebody else changes it")
            uid, gid = self._rules.owner or (member.uid, member.gid)
            chown_entry(entry, uid, gid)  # what was looked at, whatever has its name by now
        finally:
            os.close(entry)
        os.utime(name, ns=(member.mtime_ns, member.mtime_ns), dir_fd=parent, follow_symlinks=False)
        return None

    def _clear(self, parent: int, name: bytes, member: Member) -> bool:
        """Make room for a member; whether a directory is there already that it becomes part of."""
        try:
            status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return False
        was, becomes = stat.S_ISDIR(status.st_mode), member.kind is Kind.DIRECTORY
        if was and becomes:
            return True
        if self._rules.keeps_kinds and (was or becomes):
            there, new = ("directory", "non-directory") if was else ("non-directory", "directory")
            path = f"{self._path}/{os.fsdecode(member.path).strip('/')}"
            raise InvalidRequest(f'cannot overwrite {there} "{path}" with {new} "{self._path or "/"}"')
        if was:
            remove_tree(name, dir_fd=parent)
        else:
            os.unlink(name, dir_fd=parent)
        return False

    def _link(self, parent: int, name: bytes, member: Member) -> None:
        parts = self._components(member.link) or [b"."]
        path, link = os.fsdecode(member.path[:64]), os.fsdecode(member.link[:64])
        try:
            source = open_in_root(self._root, f"{self._path}/{os.fsdecode(b'/'.join(parts[:-1]))}", OPEN_FOLLOWING)
            try:
                os.link(parts[-1], name, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)
            finally:
                os.close(source)
        except OSError as error:
            raise InvalidRequest(f"link {link} {path}: {os.strerror(error.errno or 0).lower()}") from None

    def _file(self, parent: int, name: bytes, member: Member, stream: Stream) -> None:
        descriptor = os.open(name, CREATE, 0o600, dir_fd=parent)
        try:
            try:
                _write(descriptor, member, stream)
            except BaseException:
                os.unlink(name, dir_fd=parent)  # half a file must not look like one
                raise
            self._dress(descriptor, member)
        finally:
            os.close(descriptor)

    def _make_directory(self, parent: int, name: bytes, member: Member, path: bytes, *, is_new: bool) -> None:
        if is_new:
            os.mkdir(name, 0o700, dir_fd=parent)
        descriptor = os.open(name, OPEN_DIRECTORY, dir_fd=parent)
        try:
            self._dress(descriptor, member)
        finally:
            os.close(descriptor)
        if len(self._times) >= DIRECTORIES_MAX:
            self._set_times()
        self._times[path] = member.mtime_ns

    def _dress(self, descriptor: int, member: Member) -> None:
        uid, gid = self._rules.owner or (member.uid, member.gid)
        os.fchown(descriptor, uid, gid)  # first: it clears set-id bits and file capabilities
        os.fchmod(descriptor, member.mode)
        _set_attributes(descriptor, member.xattrs)
        os.utime(descriptor, ns=(member.mtime_ns, member.mtime_ns))

    def _set_times(self) -> None:
        for path, mtime_ns in reversed(self._times.items()):
            try:
                descriptor = openat2(self._directory, os.fsdecode(path), OPEN_DIRECTORY, 0, BENEATH)
            except OSError:
                continue  # behind a link, or gone meanwhile: it keeps the time of now
            try:
                os.utime(descriptor, ns=(mtime_ns, mtime_ns))
            finally:
                os.close(descriptor)
        self._times.clear()


def _write(descriptor: int, member: Member, stream: Stream) -> None:
    for piece in _data(member, stream):
        view = memoryview(piece)
        while view:
            view = view[os.write(descriptor, view) :]


def _data(member: Member, stream: Stream) -> Iterator[bytes]:
    missing = member.size
    while missing:
        piece = stream.some(min(missing, CHUNK_BYTES))
        if not piece:
            raise BadLayer("unexpected EOF")
        missing -= len(piece)
        yield piece


def _set_attributes(descriptor: int, xattrs: Mapping[bytes, bytes]) -> None:
    """File capabilities and user.*: what else an archive may hold speaks to the kernel of this machine."""
    for name, value in xattrs.items():
        if name != b"security.capability" and not name.startswith(b"user."):
            continue
        if name.startswith(b"user.overlay."):
            continue
        try:
            os.setxattr(descriptor, name, value)
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.EPERM):
                raise
