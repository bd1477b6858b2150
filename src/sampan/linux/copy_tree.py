"""How is a tree copied, with everything that belongs to it?

Owner, mode, times, extended attributes, hard links and holes come along; sockets stay behind. Source and destination
are descriptors of directories; below them nothing is opened through a link, so a tree that somebody changes meanwhile
leads nowhere else. Data is cloned or copied within the kernel where it can be.
"""

import errno
import os
import stat

from sampan.linux.openat2 import Resolve, openat2

BENEATH = Resolve.BENEATH | Resolve.NO_SYMLINKS | Resolve.NO_MAGICLINKS
OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
PIECE = 1 << 30
BUFFER = 1 << 20


def copy_tree(source: int, destination: int) -> None:
    """Copy what is in `source` into the empty directory `destination`, and make that one look like `source`."""
    _Copy(source, destination).run()


class _Copy:
    def __init__(self, source: int, destination: int) -> None:
        self._source = source
        self._destination = destination
        self._first_names: dict[tuple[int, int], str] = {}

    def run(self) -> None:
        """Depth first; a directory gets its times when all below it is there."""
        finished = []
        pending = ["."]
        while pending:
            path = pending.pop()
            finished.append(path)
            self._fill(path, pending)
        for path in reversed(finished):
            self._dress(path)

    def _fill(self, path: str, pending: list[str]) -> None:
        source = self._open(self._source, path)
        try:
            target = self._open(self._destination, path)
            try:
                with os.scandir(source) as entries:
                    for entry in entries:
                        below = f"{path}/{entry.name}"
                        status = entry.stat(follow_symlinks=False)
                        if stat.S_ISDIR(status.st_mode):
                            os.mkdir(entry.name, 0o700, dir_fd=target)
                            pending.append(below)
                        elif not stat.S_ISSOCK(status.st_mode):
                            self._entry(source, target, entry.name, below, status)
            finally:
                os.close(target)
        finally:
            os.close(source)

    def _entry(self, source: int, target: int, name: str, path: str, status: os.stat_result) -> None:
        key = (status.st_dev, status.st_ino)
        if status.st_nlink > 1 and key in self._first_names:
            first = self._first_names[key]
            parent = self._open(self._destination, os.path.dirname(first))
            try:
                os.link(os.path.basename(first), name, src_dir_fd=parent, dst_dir_fd=target, follow_symlinks=False)
            finally:
                os.close(parent)
            return
        if status.st_nlink > 1:
            self._first_names[key] = path
        if stat.S_ISREG(status.st_mode):
            return _copy_file(source, target, name)
        if stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
        else:
            os.mknod(name, status.st_mode, status.st_rdev, dir_fd=target)
        os.chown(name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
        if not stat.S_ISLNK(status.st_mode):
            os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=target)  # made here just now, so not a link
        os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=target, follow_symlinks=False)

    def _dress(self, path: str) -> None:
        source = self._open(self._source, path)
        try:
            target = self._open(self._destination, path)
            try:
                dress_like(source, target)
            finally:
                os.close(target)
        finally:
            os.close(source)

    def _open(self, top: int, path: str) -> int:
        return openat2(top, path, OPEN_DIRECTORY, 0, BENEATH)


def dress_like(source: int, target: int) -> None:
    """Give an open file or directory the owner, mode, attributes and times of another."""
    status = os.fstat(source)
    os.fchown(target, status.st_uid, status.st_gid)  # first: it clears set-id bits and file capabilities
    os.fchmod(target, stat.S_IMODE(status.st_mode))
    _copy_attributes(source, target)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def _copy_file(source: int, target: int, name: str) -> None:
    reading = os.open(name, OPEN_FILE, dir_fd=source)
    try:
        writing = os.open(name, CREATE, 0o600, dir_fd=target)
        try:
            _copy_data(reading, writing, os.fstat(reading).st_size)
            dress_like(reading, writing)
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _copy_data(source: int, target: int, size: int) -> None:
    """Extent by extent: what lies between them stays a hole (lseek(2), SEEK_DATA)."""
    offset = 0
    while offset < size:
        try:
            begin = os.lseek(source, offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break  # nothing but a hole is left
        offset = min(os.lseek(source, begin, os.SEEK_HOLE), size)
        _copy_extent(source, target, begin, offset)
    os.ftruncate(target, size)


def _copy_extent(source: int, target: int, begin: int, end: int) -> None:
    while begin < end:
        try:
            done = os.copy_file_range(source, target, min(end - begin, PIECE), begin, begin)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
            done = os.pwrite(target, os.pread(source, min(end - begin, BUFFER), begin), begin)
        if not done:
            return  # it shrank
        begin += done


def _copy_attributes(source: int, target: int) -> None:
    try:
        names = os.listxattr(source)
    except OSError:
        return  # a filesystem without
    for name in names:
        if name.startswith(("trusted.overlay.", "user.overlay.")):
            continue  # overlayfs' own notes say nothing true elsewhere
        try:
            os.setxattr(target, name, os.getxattr(source, name))
        except OSError as error:
            # The destination may know fewer kinds; file capabilities carry meaning, and must not get lost unnoticed.
            if error.errno not in (errno.ENOTSUP, errno.ENODATA) or name == "security.capability":
                raise
