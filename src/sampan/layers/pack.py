"""How does a writable tree become the tar of its changes?

An overlay's upper directory in, a layer out (image-spec layer.md, "Change Types"): what is in it was added or
changed, its 0/0 devices are whiteouts, its opaque directories get an opaque marker. Members come in bytewise order of
their paths' components, a directory before what is in it; the same tree always gives the same bytes. `unpack` of the
result is the tree again, which the tests hold it to.

The tree may still be in use: directories are opened below the top without following a link, files without waiting for a
pipe's writer, and a file that shrinks meanwhile is filled up with zeros.
"""

import os
import stat
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from functools import partial

from sampan.errors import InvalidRequest
from sampan.layers import mount_points
from sampan.layers.encode import END_OF_ARCHIVE, encode, padding
from sampan.layers.stream import CHUNK_BYTES
from sampan.layers.tar import NO_XATTRS, Kind, Member
from sampan.layers.whiteout import OPAQUE_NAME, OPAQUE_VALUE, OPAQUE_XATTR, PREFIX, admitted
from sampan.linux.openat2 import Resolve, openat2

BENEATH = Resolve.BENEATH | Resolve.NO_SYMLINKS | Resolve.NO_MAGICLINKS | Resolve.NO_XDEV
OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFIFO: Kind.FIFO,
    stat.S_IFLNK: Kind.SYMLINK,
}


def pack(
    directory: str | os.PathLike[str],
    *,
    as_docker: bool = False,
    mounted: Iterable[bytes] = (),
    latest_ns: int | None = None,
) -> Iterator[bytes]:
    """The bytes of the tar of the changes in `directory`; sockets are left out, as nothing could use them.

    `as_docker` leaves out what docker's layers never have: the root directory itself, the engine's own mount points,
    fractions of seconds. `mounted` are further paths where something was mounted, whose mount points are left out
    too. No
    time is later than `latest_ns`.
    """
    top = os.open(directory, OPEN_DIRECTORY)
    packer = Packer(top, seconds=as_docker, latest_ns=latest_ns)
    try:
        if as_docker:
            packer.omitted = mount_points.untouched(packer.open, mounted)
        else:
            yield from packer.root()
        yield from packer.members()
        yield END_OF_ARCHIVE
    finally:
        packer.close()
        os.close(top)


class Packer:
    """Members of a tree, one after the other; `pack_tree` has a kind of its own."""

    def __init__(self, top: int, *, seconds: bool, latest_ns: int | None = None) -> None:
        self._top = top
        self._encode: Callable[[Member], bytes] = encode_seconds if seconds else encode
        if latest_ns is not None:
            self._encode = partial(_encode_until, latest_ns, self._encode)
        self._here, self._directory = b"", os.dup(top)  # where the last member was, as most of the next are
        self.omitted: frozenset[bytes] = frozenset()
        self._first_names: dict[tuple[int, int], bytes] = {}  # (device, inode) -> the path that was written first

    def members(self) -> Iterator[bytes]:
        """All members with their data, depth first."""
        levels = [(b"", iter(self._names(b"")))]
        while levels:
            path, names = levels[-1]
            name = next(names, None)
            if name is None:
                levels.pop()
                continue
            below = path + b"/" + name if path else name
            if below in self.omitted:
                continue
            is_directory = yield from self._member(path, name, below)
            if is_directory:
                levels.append((below, iter(self._names(below))))

    def root(self) -> Iterator[bytes]:
        """The member for the top itself."""
        member = member_of(b"./", os.fstat(self._top), xattrs_of(self._top))
        yield self._encode(member)
        if _is_opaque(self._top):
            yield self._encode(_opaque_marker(member, OPAQUE_NAME))

    def close(self) -> None:
        """Let go of the directory that was looked at last."""
        os.close(self._directory)

    def _names(self, path: bytes) -> list[bytes]:
        try:
            directory = self.open(path)
        except FileNotFoundError:
            return []  # gone since its own member was written
        try:
            names = sorted(os.fsencode(name) for name in os.listdir(directory))
        finally:
            os.close(directory)
        self._check_names(names)
        return names

    def _check_names(self, names: list[bytes]) -> None:
        if any(name.startswith(PREFIX) for name in names):
            raise InvalidRequest(f"a file whose name begins with {PREFIX.decode()!r} cannot be kept in a layer")

    def open(self, path: bytes) -> int:
        """A directory below the top, no link followed on the way."""
        return openat2(self._top, os.fsdecode(path) or ".", OPEN_DIRECTORY, 0, BENEATH)

    def _member(self, parent: bytes, name: bytes, path: bytes) -> Generator[bytes, None, bool]:
        """One member with its data; returns whether it is a directory."""
        try:
            directory = self._parent(parent)
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            return False  # gone since the directory was listed
        kind = KINDS.get(stat.S_IFMT(status.st_mode))
        if kind is Kind.CHARACTER and status.st_rdev == 0:
            yield self._encode(_whiteout(parent, name, status))
        elif kind is Kind.DIRECTORY:
            opened = os.open(name, OPEN_DIRECTORY, dir_fd=directory)
            try:
                member = member_of(path, status, xattrs_of(opened))
                yield self._encode(member)
                if _is_opaque(opened):
                    yield self._encode(_opaque_marker(member, path + b"/" + OPAQUE_NAME))
            finally:
                os.close(opened)
        elif kind:
            yield from self._file(directory, name, path, status)
        return kind is Kind.DIRECTORY

    def _parent(self, path: bytes) -> int:
        if path != self._here:
            opened = self.open(path)
            os.close(self._directory)
            self._here, self._directory = path, opened
        return self._directory

    def _file(self, directory: int, name: bytes, path: bytes, status: os.stat_result) -> Iterator[bytes]:
        first = self._first_names.get((status.st_dev, status.st_ino)) if status.st_nlink > 1 else None
        if first:
            yield self._encode(member_of(path, status, NO_XATTRS)._replace(kind=Kind.HARDLINK, link=first, size=0))
            return
        if status.st_nlink > 1:
            self._first_names[status.st_dev, status.st_ino] = path
        if stat.S_ISREG(status.st_mode):
            yield from self._regular(directory, name, path)
            return
        member = member_of(path, status, NO_XATTRS)
        if member.kind is Kind.SYMLINK:
            member = member._replace(link=os.readlink(name, dir_fd=directory))
        yield self._encode(member)

    def _regular(self, directory: int, name: bytes, path: bytes) -> Iterator[bytes]:
        try:
            descriptor = _open_regular(directory, name)
        except FileNotFoundError:
            return
        try:
            member = member_of(path, os.fstat(descriptor), xattrs_of(descriptor))
            yield self._encode(member)
            missing = member.size
            while missing:
                data = os.read(descriptor, min(missing, CHUNK_BYTES))
                if not data:
                    data = bytes(min(missing, CHUNK_BYTES))  # it shrank
                missing -= len(data)
                yield data
            yield padding(member.size)
        finally:
            os.close(descriptor)


def _encode_until(latest_ns: int, encode: Callable[[Member], bytes], member: Member) -> bytes:
    return encode(member if member.mtime_ns <= latest_ns else member._replace(mtime_ns=latest_ns))


def _open_regular(directory: int, name: bytes) -> int:
    """Open what was seen to be a file. Should it be a device by now, opening it could do something already.

    FileNotFoundError when it is no file any more.
    """
    seen = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        if not stat.S_ISREG(os.fstat(seen).st_mode):
            raise FileNotFoundError(name)
        return os.open(f"/proc/self/fd/{seen}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(seen)


def encode_seconds(member: Member) -> bytes:
    """Header blocks with the time in whole seconds, as docker writes them."""
    return encode(member._replace(mtime_ns=member.mtime_ns - member.mtime_ns % 10**9))


def member_of(path: bytes, status: os.stat_result, xattrs: Mapping[bytes, bytes]) -> Member:
    """A member without data, as it was found; of a link, without its target."""
    kind = KINDS[stat.S_IFMT(status.st_mode)]
    size = status.st_size if kind is Kind.FILE else 0
    device = (os.major(status.st_rdev), os.minor(status.st_rdev))
    mode = stat.S_IMODE(status.st_mode)
    kept = admitted(kind, xattrs)
    return Member(path, kind, mode, status.st_uid, status.st_gid, size, status.st_mtime_ns, b"", device, kept, 0)


def _whiteout(parent: bytes, name: bytes, status: os.stat_result) -> Member:
    path = (parent + b"/" if parent else b"") + PREFIX + name
    mtime_ns = status.st_mtime_ns
    return Member(path, Kind.FILE, 0o600, status.st_uid, status.st_gid, 0, mtime_ns, b"", (0, 0), NO_XATTRS, 0)


def _is_opaque(descriptor: int) -> bool:
    try:
        return os.getxattr(descriptor, OPAQUE_XATTR) == OPAQUE_VALUE
    except OSError:
        return False  # no such attribute, or a filesystem without


def _opaque_marker(directory: Member, path: bytes) -> Member:
    return directory._replace(path=path, kind=Kind.FILE, mode=0o600, xattrs=NO_XATTRS)


def xattrs_of(descriptor: int) -> dict[bytes, bytes]:
    """All extended attributes of an open file."""
    try:
        return {os.fsencode(name): os.getxattr(descriptor, name) for name in os.listxattr(descriptor)}
    except OSError:
        return {}  # a filesystem without attributes
