"""How is a path inside an untrusted root used, so that nothing done there can lead outside?

Every name in a container's root may be a symbolic link, and may become one between two looks. So a path is resolved
once, by the kernel, with the root as its ceiling (openat2(2), RESOLVE_IN_ROOT), and what was found is held as a
descriptor that every later step uses. `..` and absolute links stop at the root, as they would for a process whose root
it is; magic links (/proc/PID/fd/N and the like) are refused, because they lead anywhere.

Directories that are missing cannot be left to the kernel: those are made one component at a time, each below the
descriptor of the one before, with links read and resolved here. `..` goes back to a descriptor held since the way down
and is never asked of the kernel. Dangling links are followed and their targets made, inside the root: an image whose
/var/run points to a /run that is missing gets its /run.
"""

import errno
import os
import stat
from functools import partial

from sampan.linux.call import failure
from sampan.linux.openat2 import ATTEMPTS, Resolve, openat2
from sampan.linux.statfs import PROC_SUPER_MAGIC, fstatfs_type

IN_ROOT = Resolve.IN_ROOT | Resolve.NO_MAGICLINKS
LINKS_MAX = 40  # the kernel's own limit (path_resolution(7))

_ENTRY = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def open_in_root(rootfd: int, path: str, flags: int, mode: int = 0) -> int:
    """Open `path` as if `rootfd` were the root directory. Flags as open(2), `mode` only with those that create."""
    return openat2(rootfd, path or ".", flags, mode, IN_ROOT)


def path_in_root(rootfd: int, path: str) -> str:
    """Where `path` leads when every link in it is followed inside the root, be it there or not: text, to be shown.

    Nothing is to be opened by it: by then it may lead elsewhere.
    """
    found: list[str] = []
    todo = _components(path)
    links = 0
    while todo:
        name = todo.pop()
        if name == "..":
            found = found[:-1]
            continue
        below = "/".join((*found, name))
        try:
            entry = openat2(rootfd, below, os.O_PATH | os.O_NOFOLLOW, 0, IN_ROOT)
        except OSError:
            found.append(name)
            continue
        try:
            is_link = stat.S_ISLNK(os.fstat(entry).st_mode) and fstatfs_type(entry) != PROC_SUPER_MAGIC
            content = os.readlink("", dir_fd=entry) if is_link else ""
        finally:
            os.close(entry)
        links += is_link
        if not is_link or links > LINKS_MAX:
            found.append(name)
            continue
        found = [] if content.startswith("/") else found
        todo += _components(content)
    return "/" + "/".join(found)


def mkdirs_in_root(rootfd: int, path: str, mode: int = 0o755) -> int:
    """An O_PATH descriptor of the directory `path`, made with its missing parents (`mode` less the umask).

    ENOTDIR when something else is in the way.
    """
    try:
        # Nearly always it is there; then this is the only call.
        return open_in_root(rootfd, path, os.O_PATH | os.O_DIRECTORY)
    except FileNotFoundError:
        made = _make_last(rootfd, path, mode)
        return _Walk(rootfd, path, mode).directory() if made is None else made


def _make_last(rootfd: int, path: str, mode: int) -> int | None:
    """The same when only the last component is missing, as it mostly is; None if there is more to it than that."""
    parent_path, _, name = path.rstrip("/").rpartition("/")
    if name in ("", ".", ".."):
        return None
    try:
        parent = open_in_root(rootfd, parent_path, os.O_PATH | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        os.mkdir(name, mode, dir_fd=parent)
        return openat2(
            parent, name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, 0, Resolve.BENEATH | Resolve.NO_SYMLINKS
        )
    except OSError:
        return None  # a dangling link of that name, or somebody else's hand: the walk knows what to say
    finally:
        os.close(parent)


def create_file_in_root(rootfd: int, path: str, mode: int = 0o644) -> int:
    """An O_PATH descriptor of the file `path`, made empty if it is missing, with its missing parents (0755).

    For the targets of bind mounts: any file that is there will do, and is left as it is. EISDIR for a directory, or a
    dangling link to what can only be one ("x/"). Slashes at the end of `path` itself mean nothing.
    """
    path = path.rstrip("/") or "/"
    try:
        found = open_in_root(rootfd, path, os.O_PATH)
    except FileNotFoundError:
        found = _Walk(rootfd, path, 0o755).file(mode)
    if stat.S_ISDIR(os.fstat(found).st_mode):
        os.close(found)
        raise failure(errno.EISDIR, (path,))
    return found


def read_in_root(rootfd: int, path: str, limit: int) -> bytes:
    """The contents of a regular file. EFBIG when there are more than `limit` bytes; EINVAL for pipes, devices, …"""
    fd = _open_regular(rootfd, path)
    try:
        content = bytearray()
        while len(content) <= limit:
            piece = os.read(fd, min(limit + 1 - len(content), 1 << 16))
            if not piece:
                return bytes(content)
            content += piece
    finally:
        os.close(fd)
    raise failure(errno.EFBIG, (path,))


def _open_regular(rootfd: int, path: str) -> int:
    """Open for reading what was seen to be a regular file.

    Opening a device can do something already (a watchdog starts), so it is looked at first, without being opened. To
    open what was looked at, and not its name, takes /proc, which may not be there: so open the name, and compare.
    """
    for _ in range(ATTEMPTS):
        seen = open_in_root(rootfd, path, os.O_PATH)
        try:
            before = os.fstat(seen)
            if stat.S_ISDIR(before.st_mode):
                raise failure(errno.EISDIR, (path,))
            if not stat.S_ISREG(before.st_mode):
                raise failure(errno.EINVAL, (path,), "not a regular file")
            # O_NONBLOCK: should it be swapped for a pipe now, do not wait for a writer.
            fd = open_in_root(rootfd, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
            if os.path.samestat(before, os.fstat(fd)):
                return fd
            os.close(fd)
        finally:
            os.close(seen)
    raise failure(errno.EAGAIN, (path,), "it keeps changing")


class _Walk:
    """One walk down from a root, making what is missing.

    `held` are the descriptors of the directories from the root to where the walk stands; `todo` the components that
    are left, the next one last.
    """

    def __init__(self, rootfd: int, path: str, mode: int) -> None:
        self.path = path
        self.mode = mode
        self.links = 0
        self.ends_as_directory = path.endswith("/.")
        self.todo = _components(path)
        self.held = [os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=rootfd)]

    def directory(self) -> int:
        """Go all the way; the descriptor of the last directory."""
        try:
            while self.todo:
                self._step(self.todo.pop())
            return self.held.pop()
        finally:
            self._close()

    def file(self, mode: int) -> int:
        """Go all the way; the descriptor of whatever the last component is, a new file if it was nothing."""
        try:
            while self.todo:
                name = self.todo.pop()
                if self.todo or name == "..":
                    self._step(name)
                    continue
                if self.ends_as_directory:
                    raise failure(errno.EISDIR, (self.path,))
                found = self._entry(name, partial(os.mknod, name, stat.S_IFREG | mode))
                if not stat.S_ISLNK(os.fstat(found).st_mode):
                    return found
                self._follow(found)
            return self.held.pop()
        finally:
            self._close()

    def _step(self, name: str) -> None:
        """Go into one component; a link only puts what it says in front of what is left to do."""
        if name == "..":
            if len(self.held) > 1:
                os.close(self.held.pop())
            return
        found = self._entry(name, partial(os.mkdir, name, self.mode))
        kind = os.fstat(found).st_mode
        if stat.S_ISLNK(kind):
            self._follow(found)
        elif stat.S_ISDIR(kind):
            self.held.append(found)
        else:
            os.close(found)
            raise failure(errno.ENOTDIR, (self.path,))

    def _entry(self, name: str, make: "partial[None]") -> int:
        """A descriptor of the entry itself, be it a link; made if missing. Others may make or remove it meanwhile."""
        parent = self.held[-1]
        for _ in range(ATTEMPTS):
            try:
                return os.open(name, _ENTRY, dir_fd=parent)
            except FileNotFoundError:
                pass
            try:
                make(dir_fd=parent)
            except FileExistsError:
                pass
            except OSError as error:
                raise failure(error.errno or 0, (self.path,)) from None
        raise failure(errno.EAGAIN, (self.path,), "it keeps changing")

    def _follow(self, link: int) -> None:
        """Resolve a link, whose descriptor is closed: from the root if absolute, else from where the walk stands."""
        try:
            self.links += 1
            # What readlink(2) says of a magic link is not where it leads; all of /proc's are refused alike.
            if self.links > LINKS_MAX or fstatfs_type(link) == PROC_SUPER_MAGIC:
                raise failure(errno.ELOOP, (self.path,))
            content = os.readlink("", dir_fd=link)
        finally:
            os.close(link)
        if content.startswith("/"):
            while len(self.held) > 1:
                os.close(self.held.pop())
        if not self.todo:
            self.ends_as_directory = content.endswith(("/", "/."))
        self.todo += _components(content)

    def _close(self) -> None:
        for fd in self.held:
            os.close(fd)


def _components(path: str) -> list[str]:
    """The path's components, last first."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]
