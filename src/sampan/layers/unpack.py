"""How does a layer become real files, where EROFS cannot be mounted?

The index has already settled what the layer's tree is; it is made here as it stands. So no path of the archive is ever
used: every parent is a directory that this code made itself a moment ago, opened without following a link, and every
name is a single component. Nobody else sees the directory until it is renamed into place.

Order within an inode: owner, mode, attributes, times. chown(2) clears set-id bits and file capabilities, so it is
first.
"""

import errno
import os
import stat
from collections.abc import Iterator

from sampan.layers.walk import ROOT_NID, IndexReader, Inode
from sampan.layers.whiteout import OPAQUE_XATTR
from sampan.linux.openat2 import Resolve, openat2
from sampan.linux.remove_tree import remove_tree

BENEATH = Resolve.BENEATH | Resolve.NO_SYMLINKS | Resolve.NO_MAGICLINKS | Resolve.NO_XDEV
OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
COPY_BYTES = 1 << 30
LINKS = ".links"
DIRECTORY_TYPE = 2  # FT_DIR of linux/fs_types.h


class _Level:
    """A directory that is being filled."""

    def __init__(self, path: bytes, inode: Inode, subdirectories: Iterator[tuple[bytes, int, int]]) -> None:
        self.path = path
        self.inode = inode
        self.subdirectories = subdirectories


def unpack(index: int, tar: int, directory: int, name: str) -> None:
    """Make the tree of a layer, from its index and its tar, as the new subdirectory `name`.

    What a failure leaves behind is the caller's to remove.
    """
    _Unpacking(index, tar, dir_fd=directory, name=name).run()


class _Unpacking:
    """One layer on its way from index and tar to the directory `name` of `dir_fd`, which must not exist."""

    def __init__(self, index: int, tar: int, *, dir_fd: int, name: str) -> None:
        self._reader = IndexReader(index)
        self._tar = tar
        self._dir_fd = dir_fd
        self._name = name
        self._root = self._links = -1

    def run(self) -> None:
        """Make the whole tree."""
        os.mkdir(self._name, 0o700, dir_fd=self._dir_fd)
        os.mkdir(LINKS, 0o700, dir_fd=self._dir_fd)
        try:
            self._root = os.open(self._name, OPEN_DIRECTORY, dir_fd=self._dir_fd)
            self._links = os.open(LINKS, OPEN_DIRECTORY, dir_fd=self._dir_fd)
            self._fill()
        finally:
            for descriptor in (self._root, self._links):
                if descriptor >= 0:
                    os.close(descriptor)
            remove_tree(LINKS, dir_fd=self._dir_fd)

    def _fill(self) -> None:
        """Depth first; a directory is finished when all below it is, for that changes its times."""
        levels = [self._enter(b".", self._reader.inode(ROOT_NID))]
        while levels:
            level = levels[-1]
            for name, nid, _ in level.subdirectories:
                path = level.path + b"/" + name
                parent = self._open(level.path)
                try:
                    os.mkdir(name, 0o700, dir_fd=parent)
                finally:
                    os.close(parent)
                levels.append(self._enter(path, self._reader.inode(nid)))
                break
            else:
                self._leave(levels.pop())

    def _enter(self, path: bytes, inode: Inode) -> _Level:
        """Make everything in a directory but its subdirectories, which are left to be taken one by one."""
        directory = self._open(path)
        try:
            for name, nid, kind in self._reader.children(inode):
                if kind != DIRECTORY_TYPE:
                    self._make(directory, name, nid)
        finally:
            os.close(directory)
        below = (child for child in self._reader.children(inode) if child[2] == DIRECTORY_TYPE)
        return _Level(path, inode, below)

    def _leave(self, level: _Level) -> None:
        directory = self._open(level.path)
        try:
            _dress(directory, level.inode)
        finally:
            os.close(directory)

    def _open(self, path: bytes) -> int:
        return openat2(self._root, os.fsdecode(path), OPEN_DIRECTORY, 0, BENEATH)

    def _make(self, directory: int, name: bytes, nid: int) -> None:
        """Make one file that is no directory; a file of several names is made beside the tree and linked in."""
        inode = self._reader.inode(nid)
        if inode.links == 1:
            self._make_inode(directory, name, inode)
            return
        spare = str(nid).encode()
        try:
            os.link(spare, name, src_dir_fd=self._links, dst_dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            self._make_inode(self._links, spare, inode)
            os.link(spare, name, src_dir_fd=self._links, dst_dir_fd=directory, follow_symlinks=False)

    def _make_inode(self, directory: int, name: bytes, inode: Inode) -> None:
        if stat.S_ISREG(inode.mode):
            descriptor = os.open(name, CREATE, 0o600, dir_fd=directory)
            try:
                self._copy(inode, descriptor)
                _dress(descriptor, inode)
            finally:
                os.close(descriptor)
            return
        if stat.S_ISLNK(inode.mode):
            os.symlink(self._reader.link_target(inode), name, dir_fd=directory)
        else:
            os.mknod(name, inode.mode, os.makedev(*inode.device), dir_fd=directory)
        os.chown(name, inode.uid, inode.gid, dir_fd=directory, follow_symlinks=False)
        if not stat.S_ISLNK(inode.mode):
            os.chmod(name, stat.S_IMODE(inode.mode), dir_fd=directory)  # made here just now, so not a link
        os.utime(name, ns=(inode.mtime_ns, inode.mtime_ns), dir_fd=directory, follow_symlinks=False)

    def _copy(self, inode: Inode, descriptor: int) -> None:
        if not inode.size:
            return
        offset = self._reader.data_offset(inode)
        end = offset + inode.size
        while offset < end:
            done = os.copy_file_range(self._tar, descriptor, min(end - offset, COPY_BYTES), offset)
            if not done:
                raise OSError(errno.EIO, "the layer's tar is shorter than its index says")
            offset += done


def _dress(descriptor: int, inode: Inode) -> None:
    """Give a file or directory its owner, mode, attributes and times."""
    os.fchown(descriptor, inode.uid, inode.gid)
    os.fchmod(descriptor, stat.S_IMODE(inode.mode))
    for name, value in inode.xattrs.items():
        if name == OPAQUE_XATTR:
            continue  # `opaque` sets it
        try:
            os.setxattr(descriptor, name, value)
        except OSError as error:
            # A filesystem without user attributes loses them, as with docker; never those that carry meaning.
            if error.errno != errno.ENOTSUP or not name.startswith(b"user."):
                raise
    os.utime(descriptor, ns=(inode.mtime_ns, inode.mtime_ns))
